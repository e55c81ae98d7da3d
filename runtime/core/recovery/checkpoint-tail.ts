// Counts the end of a run's log since its last checkpoint, event by event. A run whose tail is read from the database
// counts the same as one that saw every event. Pure.
import type { HistoryEvent, Micros } from '../log/event.ts';
import type { CheckpointTail } from './checkpoint-strategy.ts';

/** Approximate size of a row of the log without its contents. */
export const eventRowBytes = 120;

const encoder = new TextEncoder();

/** What is known of a tail, as the database counts it. */
export interface TailCount {
  patches: number;
  bytes: number;
  activities: number;
  /** Time of the last checkpoint, or of the first turn. */
  from: Micros;
  /** The highest progress in the tail. */
  progress: number | undefined;
  progressBefore: number | undefined;
  /** Stored size of the last checkpoint; 0 when there is none. */
  snapshotBytes: number;
  /** Patches of the whole log, tail included. */
  allPatches: number;
}

export class TailCounter {
  #count: TailCount;
  #at: Micros;

  constructor(from: Micros) {
    this.#at = from;
    this.#count = {
      ...{ patches: 0, bytes: 0, activities: 0, from, snapshotBytes: 0, allPatches: 0 },
      ...{ progress: undefined, progressBefore: undefined },
    };
  }

  /** Call for each event of the log, in order. */
  add({ type, at, ops, meta }: Pick<HistoryEvent, 'type' | 'at' | 'ops' | 'meta'>): void {
    this.#at = at;
    if (type === 'ActivityCompleted') this.#count.activities += 1;
    if (type !== 'ContextPatched') return;
    this.#count.patches += 1;
    this.#count.allPatches += 1;
    this.#count.bytes += eventRowBytes + byteLength(ops ?? '');
    if (meta === null) return;
    const { progress } = JSON.parse(meta) as { progress?: unknown };
    if (typeof progress === 'number') this.#count.progress = highest(this.#count.progress, progress);
  }

  /** Adds what the log held before the first added event. */
  addEarlier(earlier: TailCount): void {
    const own = this.#count;
    this.#count = {
      patches: earlier.patches + own.patches,
      bytes: earlier.bytes + own.bytes,
      activities: earlier.activities + own.activities,
      from: earlier.from,
      progress: highest(earlier.progress, own.progress),
      progressBefore: earlier.progressBefore,
      snapshotBytes: earlier.snapshotBytes,
      allPatches: earlier.allPatches + own.allPatches,
    };
  }

  get tail(): CheckpointTail {
    const { patches, bytes, activities, from, progress, progressBefore, snapshotBytes } = this.#count;
    const reached = highest(progressBefore, progress);
    return {
      patches,
      bytes,
      activities,
      ms: Math.max(0, (this.#at - from) / 1000),
      progress: reached,
      progressBefore,
      snapshotBytes,
    };
  }

  get allPatches(): number {
    return this.#count.allPatches;
  }

  /** A checkpoint was taken here: the tail begins anew. Returns the tail, to be added again if the write fails. */
  begin(): TailCount {
    const { progress, ...ended } = this.#count;
    const { progressBefore, allPatches, snapshotBytes } = ended;
    this.#count = {
      ...{ patches: 0, bytes: 0, activities: 0, from: this.#at, snapshotBytes, allPatches },
      ...{ progress: undefined, progressBefore: highest(progressBefore, progress) },
    };
    return { ...ended, progress, allPatches: 0 };
  }

  /** The stored size of a checkpoint is known, whether it was kept or not. */
  measured(snapshotBytes: number): void {
    this.#count.snapshotBytes = snapshotBytes;
  }
}

function highest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.max(a, b);
}

function byteLength(text: string): number {
  return text.length < 2_000 && /^[\0-\x7f]*$/.test(text) ? text.length : encoder.encode(text).length;
}
