// Converts a user's memo to JSON text that jsonb can hold. Rejects values that JSON would drop or change: otherwise the
// loss would only show when somebody reads the memo.
import { depthMax, describeValue, isJsonbText, isPlain, type Members, putMember, type Value } from '../json/json.ts';
import { RuntimeError } from '../failure/runtime-error.ts';
import { propertyPath } from '../payload/unserialisable.ts';

/**
 * A Date or any value with a toJSON is stored as its JSON; undefined members are dropped. `undefinedAs` 'null' stores
 * undefined members at the top level as null, which deletes them.
 * @throws INVALID_INPUT, NOT_SERIALISABLE with the value's path
 */
export function memoText(memo: unknown, undefinedAs?: 'null'): string {
  if (typeof memo !== 'object' || memo === null || !isPlain(memo)) {
    throw new RuntimeError('INVALID_INPUT', `memo is ${describeValue(memo)}, expected an object of values by name.`);
  }
  const given = undefinedAs === undefined ? memo : withNulls(memo);
  const text = JSON.stringify(membersOf(given, 'memo', [memo]));
  if (isJsonbText(text)) return text;
  throw new RuntimeError(
    'INVALID_INPUT',
    'memo holds a NUL character or a lone surrogate, which Postgres cannot store. Remove it.',
  );
}

function withNulls(memo: object): object {
  return Object.fromEntries(Object.entries(memo).map(([name, value]) => [name, (value as unknown) ?? null]));
}

function membersOf(object: object, path: string, above: readonly object[]): Members {
  const members: Members = {};
  for (const key of Object.keys(object)) {
    const memberPath = propertyPath(path, key);
    const value = read(memberPath, () => (object as Record<string, unknown>)[key]);
    if (value !== undefined) putMember(members, key, jsonOf(value, memberPath, above));
  }
  return members;
}

function jsonOf(value: unknown, path: string, above: readonly object[]): Value {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (typeof value !== 'object') throw refusal(path, value === undefined ? 'undefined' : describeValue(value));
  if (above.includes(value)) throw refusal(path, 'a cyclic reference');
  if (above.length >= depthMax) throw refusal(path.slice(0, 100), `nested deeper than ${depthMax}`);
  const inside = [...above, value];
  if (Array.isArray(value)) {
    // By index, to find holes.
    return Array.from({ length: value.length }, (_, index) => jsonOf(value[index], `${path}[${index}]`, inside));
  }
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') {
    const given = read(path, () => (value as { toJSON(key: string): unknown }).toJSON(''));
    // An invalid Date.
    if (given === null) throw refusal(path, `${describeValue(value)} without a JSON form`);
    return jsonOf(given, path, inside);
  }
  if (isPlain(value)) return membersOf(value, path, inside);
  throw refusal(path, describeValue(value));
}

function read(path: string, ask: () => unknown): unknown {
  try {
    return ask();
  } catch (cause) {
    throw refusal(path, 'unreadable', cause);
  }
}

function refusal(path: string, found: string, cause?: unknown): RuntimeError {
  const message = `${path} is ${found}, which JSON would drop or change. Expected plain JSON values or Dates. Convert it first.`;
  return new RuntimeError('NOT_SERIALISABLE', message, cause === undefined ? {} : { cause });
}
