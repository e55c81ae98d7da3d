// Words for people that stand beside an event: summaries of runs, activities and timers.
import { describeValue, isStorableText } from '../json/json.ts';
import { RuntimeError } from '../failure/runtime-error.ts';

/** @throws INVALID_INPUT for what is no text that Postgres can hold */
export function checkSummary(text: unknown, option = 'summary'): string {
  if (typeof text === 'string' && isStorableText(text)) return text;
  throw new RuntimeError(
    'INVALID_INPUT',
    `${option} is ${describeValue(text)}, expected text without NUL and lone surrogates.`,
  );
}
