// Edits single values in recorded arguments, as `retry` does. Copies only the objects and lists on the way to an edited
// value, so that other values (dates, maps, bytes) stay as they were decoded. Pure.
import { RuntimeError } from '../failure/runtime-error.ts';
import { indexOfToken, isPlain, JsonFault, parsePointer } from '../json/json.ts';

export interface ArgumentEdit {
  /** JSON pointer into the list of arguments: `/0/delayMs` is a member of the first argument. */
  readonly path: string;
  readonly value: unknown;
}

/** @throws INVALID_INPUT when a path does not exist; a member of an object may be new */
export function editedArguments(args: readonly unknown[], edits: readonly ArgumentEdit[]): unknown[] {
  let edited: unknown = args;
  for (const { path, value } of edits) edited = withValue(edited, keysOf(path), value, path);
  return edited as unknown[];
}

function keysOf(path: string): string[] {
  try {
    return parsePointer(path);
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    throw noSuchPath(path, `expected ${error.expected}`);
  }
}

function withValue(target: unknown, keys: readonly string[], value: unknown, path: string): unknown {
  const [key, ...rest] = keys;
  if (key === undefined) throw noSuchPath(path, 'it names all arguments, pass args instead');
  if (Array.isArray(target)) {
    const index = indexOfToken(key);
    const isNew = index === target.length && rest.length === 0;
    if (index < 0 || (index >= target.length && !isNew)) {
      throw noSuchPath(path, `the list there has ${target.length} items`);
    }
    const copy: unknown[] = [...(target as unknown[])];
    copy[index] = rest.length === 0 ? value : withValue(copy[index], rest, value, path);
    return copy;
  }
  if (typeof target !== 'object' || target === null || !isPlain(target)) {
    throw noSuchPath(path, 'it leads into a value that has no members');
  }
  const members = target as Readonly<Record<string, unknown>>;
  const known = Object.hasOwn(members, key);
  if (!known && rest.length > 0) throw noSuchPath(path, `there is no member ${JSON.stringify(key)}`);
  const inside = rest.length === 0 ? value : withValue(members[key], rest, value, path);
  // A member named __proto__ must become a member, not the prototype.
  return Object.defineProperty({ ...members }, key, {
    value: inside,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}

function noSuchPath(path: string, why: string): RuntimeError {
  return new RuntimeError('INVALID_INPUT', `The recorded arguments have no place ${JSON.stringify(path)}: ${why}.`);
}
