// Describes where two values differ, one line per place, by JSON pointer. For people to read, not for decisions.
import { describeValue, escapeToken } from './json.ts';

const linesMax = 8;
const valueChars = 80;
/** Below this depth, whole values are compared. */
const depthMax = 16;

/** Lines such as `/0/amount: 100 in the history, 250 from the code`; empty when the values are equal. */
export function valueDifferences(recorded: unknown, produced: unknown): string[] {
  const lines: string[] = [];
  const skipped = collect(recorded, produced, { pointer: '', depth: 0 }, lines);
  return skipped === 0 ? lines : [...lines, `… and ${skipped} more`];
}

/** Returns the number of differences that did not fit into `lines`. */
function collect(left: unknown, right: unknown, at: { pointer: string; depth: number }, lines: string[]): number {
  const keys = at.depth < depthMax ? commonKeys(left, right) : undefined;
  if (keys === undefined) {
    const [before, after] = [textOf(left), textOf(right)];
    if (before === after) return 0;
    if (lines.length === linesMax) return 1;
    lines.push(
      `${at.pointer === '' ? 'the whole value' : at.pointer}: ${cut(before)} in the history, ${cut(after)} from the code`,
    );
    return 0;
  }
  let skipped = 0;
  for (const key of keys) {
    const pointer = `${at.pointer}/${escapeToken(key)}`;
    skipped += collect(memberOf(left, key), memberOf(right, key), { pointer, depth: at.depth + 1 }, lines);
  }
  return skipped;
}

const absent = Symbol('absent');

function memberOf(value: unknown, key: string): unknown {
  const members = value as Record<string, unknown>;
  return Object.hasOwn(members, key) ? members[key] : absent;
}

/** The keys of two lists or of two plain objects; undefined for values that are compared as a whole. */
function commonKeys(left: unknown, right: unknown): Set<string> | undefined {
  const areLists = Array.isArray(left) && Array.isArray(right);
  if (!areLists && !(isPlain(left) && isPlain(right))) return undefined;
  return new Set([...Object.keys(left as object), ...Object.keys(right as object)]);
}

function isPlain(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object Object]';
}

function textOf(value: unknown): string {
  if (value === absent) return 'nothing';
  if (typeof value === 'bigint') return `${value}n`;
  if (ArrayBuffer.isView(value))
    return `bytes ${Array.from(value as Uint8Array, (byte) => byte.toString(16)).join(' ')}`;
  if (value instanceof Map || value instanceof Set) return `${value.constructor.name} ${textOf([...value])}`;
  try {
    return JSON.stringify(value) ?? describeValue(value);
  } catch {
    return describeValue(value);
  }
}

function cut(text: string): string {
  return text.length <= valueChars ? text : `${text.slice(0, valueChars - 1)}…`;
}
