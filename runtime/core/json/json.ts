// JSON values and JSON Pointers (RFC 6901). Checks and copies users' values and addresses values inside a document.
// Knows nothing about patches. Never asks a value for its class, so it handles values of any realm.

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A JSON value that its owner may write. */
export type Value = null | boolean | number | string | List | Members;
export type List = Value[];
export type Members = { [key: string]: Value };

/**
 * No writer accepts this key: code that copies the document with a plain assignment would set a prototype. The fold
 * keeps it, because logs of earlier versions may hold it.
 */
export const prototypeKey = '__proto__';

/** Maximum nesting depth of a document. Payloads have the same limit. */
export const depthMax = 200;

/**
 * What is wrong and where; `pointer` is null when the fault has no place in the document. The caller turns it into a
 * coded error.
 */
export class JsonFault extends Error {
  // Declared as a field, because an assignment would throw when Error.prototype is frozen.
  override readonly name = 'JsonFault';
  readonly pointer: string | null;
  readonly found: string;
  readonly expected: string;
  constructor(pointer: string | null, found: string, expected: string) {
    super(`found ${found}${pointer === null ? '' : ` at ${quotePointer(pointer)}`}, expected ${expected}`);
    this.pointer = pointer;
    this.found = found;
    this.expected = expected;
  }
}

export function quotePointer(pointer: string): string {
  return pointer === '' ? 'the whole document' : JSON.stringify(pointer);
}

/** A value in a few words, for messages. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (typeof value === 'string')
    return `the text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'bigint') return `the bigint ${value}`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (isPlain(value)) return 'an object';
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof name === 'string' && name !== '' ? `an instance of ${name}` : 'an object with a prototype';
}

/** True unless the value is a class instance, whatever its realm. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // Object.prototype of another realm differs from ours, but it also has no prototype.
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

/** True when Postgres's jsonb can hold the text. */
export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

/**
 * True when jsonb can hold the JSON text: no escape of NUL or of half a surrogate pair. An escaped backslash before
 * such letters is allowed.
 */
export function isJsonbText(json: string): boolean {
  return !/(?:^|[^\\])(?:\\\\)*\\u(?:0000|d[89a-f])/i.test(json);
}

/** True when the text can be a name in the log, such as an activity or a source. */
export function isStorableName(text: string): boolean {
  return text !== '' && text.length <= 1000 && isStorableText(text);
}

/** Makes `key` an own member under any name. Plain assignment to `__proto__` would set the prototype. */
export function putMember(members: Members, key: string, value: Value): void {
  if (key in Object.prototype && !Object.hasOwn(members, key)) {
    Object.defineProperty(members, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    members[key] = value;
  }
}

/**
 * Deep copy of a user's value, with -0 as 0. Rejects what JSON or jsonb cannot hold: undefined, holes, functions,
 * symbols, bigints, NaN and infinities, NUL and lone surrogates, class instances (also Date), the key `__proto__`, and
 * more levels than `depth` (so also cycles). Integers beyond 2^53 lose precision as all doubles do; pass exact ones as
 * strings.
 * @throws JsonFault
 */
export function copyJson(value: unknown, depth: number = depthMax): Value {
  return copyChecked(value, [], depth);
}

function copyChecked(value: unknown, path: (string | number)[], depth: number): Value {
  switch (typeof value) {
    case 'string':
      if (isStorableText(value)) return value;
      throw new JsonFault(formatPointer(path), 'text with NUL or a lone surrogate', 'text that Postgres can store');
    case 'number':
      // 0 + -0 is 0.
      if (Number.isFinite(value)) return value + 0;
      throw new JsonFault(formatPointer(path), String(value), 'a finite number');
    case 'boolean':
      return value;
    case 'undefined':
      throw new JsonFault(formatPointer(path), 'undefined', 'a JSON value (leave the key out, or write null)');
    case 'bigint':
      throw new JsonFault(formatPointer(path), describeValue(value), 'a JSON value (write a bigint as a string)');
    case 'object':
      return value === null ? null : copyContainer(value, path, depth);
    default:
      throw new JsonFault(formatPointer(path), describeValue(value), 'a JSON value');
  }
}

function copyContainer(value: object, path: (string | number)[], depth: number): Value {
  if (depth <= 0) {
    throw new JsonFault(
      formatPointer(path.slice(0, 8)),
      'a cycle or deep nesting',
      `at most ${depthMax} levels in all`,
    );
  }
  const at = path.length;
  if (Array.isArray(value)) {
    const list: List = [];
    for (let index = 0; index < value.length; index += 1) {
      path[at] = index;
      list.push(copyChecked(value[index], path, depth - 1));
    }
    path.length = at;
    return list;
  }
  if (!isPlain(value)) {
    throw new JsonFault(formatPointer(path), describeValue(value), 'a plain object (a Date as value.toISOString())');
  }
  const members: Members = {};
  for (const key of Object.keys(value)) {
    path[at] = key;
    if (!isStorableText(key)) {
      throw new JsonFault(formatPointer(path), 'a key with NUL or a lone surrogate', 'text that Postgres can store');
    }
    if (key === prototypeKey) throw new JsonFault(formatPointer(path), `the key ${prototypeKey}`, 'another key');
    putMember(members, key, copyChecked((value as Record<string, unknown>)[key], path, depth - 1));
  }
  path.length = at;
  return members;
}

/** Deep copy of a value that is known to be JSON. */
export function cloneJson(value: Json): Value {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly Json[]).map(cloneJson);
  const members: Members = {};
  for (const key of Object.keys(value)) putMember(members, key, cloneJson((value as Members)[key] as Value));
  return members;
}

/** Equality by RFC 6902 section 4.6: member order does not matter. */
export function equalJson(left: Json, right: Json): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left)) {
    return (
      Array.isArray(right) &&
      left.length === right.length &&
      left.every((item: Json, index) => equalJson(item, right[index] as Json))
    );
  }
  if (Array.isArray(right)) return false;
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every(
      (key) => Object.hasOwn(right, key) && equalJson((left as Members)[key] as Json, (right as Members)[key] as Json),
    )
  );
}

/** `['a/b', 0]` → `/a~1b/0`. */
export function formatPointer(tokens: readonly (string | number)[]): string {
  return tokens.map((token) => `/${escapeToken(String(token))}`).join('');
}

export function escapeToken(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}

export function unescapeToken(token: string): string {
  return token.includes('~') ? token.replaceAll('~1', '/').replaceAll('~0', '~') : token;
}

/** `/a~1b/0` → `['a/b', '0']`; `''`, the whole document, → `[]`. @throws JsonFault */
export function parsePointer(pointer: string): string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer) || !isStorableText(pointer)) {
    throw new JsonFault(
      null,
      `the path ${JSON.stringify(pointer)}`,
      'a JSON Pointer: "", or "/" before each key, "~0" for "~", "~1" for "/"',
    );
  }
  return pointer.slice(1).split('/').map(unescapeToken);
}

/** The list index in a pointer's token; -1 unless the token is digits without a leading zero (RFC 6901 section 4). */
export function indexOfToken(token: string): number {
  const { length } = token;
  if (length === 0 || length > 10) return -1;
  let index = 0;
  for (let at = 0; at < length; at += 1) {
    const digit = token.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9 || (digit === 0 && at === 0 && length > 1)) return -1;
    index = index * 10 + digit;
  }
  return index;
}
