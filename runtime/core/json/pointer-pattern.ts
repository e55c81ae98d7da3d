// Patterns of JSON Pointers: a token `*` stands for any one key or index, as in `/records/*/dob`. A pattern without `*`
// is a plain pointer. Pure.
import { JsonFault, parsePointer } from './json.ts';
import type { Op } from './operation.ts';
import { RuntimeError } from '../failure/runtime-error.ts';

export type PointerPattern = readonly string[];

export const anyToken = '*';

/** @throws INVALID_INPUT */
export function pointerPattern(call: string, path: unknown): PointerPattern {
  try {
    if (typeof path !== 'string') throw new JsonFault(null, typeof path, 'text');
    return parsePointer(path);
  } catch (cause) {
    if (!(cause instanceof JsonFault)) throw cause;
    throw new RuntimeError(
      'INVALID_INPUT',
      `${call}: ${JSON.stringify(path)} is not a JSON Pointer: expected "" or a path that begins with /, such as /items/0. ` +
        'The token * stands for any key.',
      { cause },
    );
  }
}

/** Whether the operation reads or writes a place at, above or below one that the pattern matches. */
export function touches(op: Op, pattern: PointerPattern): boolean {
  return isOnLine(op.path, pattern) || ('from' in op && isOnLine(op.from, pattern));
}

function isOnLine(path: string, pattern: PointerPattern): boolean {
  const tokens = parsePointer(path);
  const shared = Math.min(tokens.length, pattern.length);
  for (let i = 0; i < shared; i += 1) if (pattern[i] !== anyToken && pattern[i] !== tokens[i]) return false;
  return true;
}
