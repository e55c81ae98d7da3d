// Metadata that workflow code sets on its run. Each change of memo or search attributes is an event, and workflowInfo()
// shows the change at once. Current details are text for display, which the history does not hold. Names are
// Temporal's. Replay does not compare values (behavior 58 in docs/behaviors.md).
import { attributeChanges } from '../../core/options/attribute-values.ts';
import { memoText } from '../../core/options/memo.ts';
import { changedProperties, type PropertiesMeta } from '../../core/run/run-properties.ts';
import type { SearchAttributes, SearchAttributeUpdatePair } from '../../core/options/search-attributes.ts';
import { PlainCommand } from '../run/open-turn.ts';
import { type CurrentRun, currentRun } from '../run/current-run.ts';

/**
 * Sets search attributes of this run; others stay. Takes pairs of key and value, where null deletes, or lists of values
 * by name, where an empty list deletes.
 * @throws ValueError for an invalid name or value, and for a type that differs from the attribute's
 */
export function upsertSearchAttributes(
  searchAttributes: SearchAttributes | readonly SearchAttributeUpdatePair[],
): void {
  const run = currentRun('upsertSearchAttributes');
  if ((searchAttributes ?? null) === null) throw new Error('searchAttributes must be a non-null SearchAttributes');
  const change = attributeChanges(searchAttributes, run.properties);
  upsert(run, 'SearchAttributesUpserted', change, JSON.stringify(change));
}

/**
 * Sets members of this run's memo, each as a whole; others stay, and null deletes. Values are stored as JSON.
 * @throws RuntimeError NOT_SERIALISABLE for values that JSON would drop or change, INVALID_INPUT
 */
export function upsertMemo(memo: Record<string, unknown>): void {
  const run = currentRun('upsertMemo');
  if ((memo ?? null) === null) throw new Error('memo must be a non-null Record');
  const meta = `{"memo":${memoText(memo, 'null')}}`;
  upsert(run, 'MemoUpserted', JSON.parse(meta) as PropertiesMeta, meta);
}

function upsert(
  run: CurrentRun,
  type: 'SearchAttributesUpserted' | 'MemoUpserted',
  change: PropertiesMeta,
  meta: string,
): void {
  run.turn.issue(new PlainCommand(type, { meta }));
  run.properties = changedProperties(run.properties, change);
}

/** Sets Markdown that people see beside the run. The text is not in the history: a replay sets it again. */
export function setCurrentDetails(details: string): void {
  const run = currentRun('setCurrentDetails');
  run.turn.assertWritable();
  run.currentDetails = String(details);
}

export function getCurrentDetails(): string {
  return currentRun('getCurrentDetails').currentDetails;
}
