// One operation of a patch as the log holds it: RFC 6902 plus two notes of our own.
import type { Json } from './json.ts';

/** Optional on every operation: the overwritten or removed value when it is at most 1 kB of JSON, and a confidence. */
interface OpNotes {
  readonly prev?: Json;
  /** 0 to 1. */
  readonly confidence?: number;
}

/** RFC 6902. `path` and `from` are JSON Pointers; `''` is the whole document. */
export type Op =
  | ({ readonly op: 'add' | 'replace'; readonly path: string; readonly value: Json } & OpNotes)
  | ({ readonly op: 'remove'; readonly path: string } & OpNotes)
  | ({ readonly op: 'test'; readonly path: string; readonly value: Json } & OpNotes)
  | ({ readonly op: 'move' | 'copy'; readonly from: string; readonly path: string } & OpNotes);
