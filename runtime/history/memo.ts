// A memo as users hand it in, as JSON text that jsonb can hold.
import { describeValue, isJsonbText } from './json.ts';
import { RuntimeError } from './runtime-error.ts';
import { kindOf } from './value-kind.ts';

/** `undefinedAs` 'null' keeps members that are undefined as null, which deletes. @throws INVALID_INPUT */
export function memoText(memo: unknown, undefinedAs?: 'null'): string {
  if (typeof memo !== 'object' || memo === null || kindOf(memo) !== 'object') {
    throw new RuntimeError('INVALID_INPUT', `memo is ${describeValue(memo)}, expected an object of values by name.`);
  }
  let text: string;
  try {
    const given = undefinedAs === undefined ? memo : withNulls(memo);
    text = JSON.stringify(given);
  } catch (cause) {
    throw new RuntimeError('INVALID_INPUT', `memo cannot be written as JSON: ${String(cause)}`, { cause });
  }
  if (isJsonbText(text)) return text;
  throw new RuntimeError(
    'INVALID_INPUT',
    'memo holds a NUL character or half a surrogate pair, which Postgres cannot store. Remove it.',
  );
}

function withNulls(memo: object): object {
  return Object.fromEntries(Object.entries(memo).map(([name, value]) => [name, (value as unknown) ?? null]));
}
