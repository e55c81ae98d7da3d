// What a turn changes in the row of its run, which lists and queries read, while the run stays open. Pure.
import type { NewEvent } from '../../core/log/event.ts';
import type { RunStatus } from '../../core/log/transition.ts';
import { joinedChanges, type PropertiesMeta } from '../../core/run/run-properties.ts';
import type { RowChanges } from '../../store/log/append.ts';

/** `before`, `after`: the status before and after the turn. Undefined when the row stays as it is. */
export function rowChanges(
  events: readonly NewEvent[],
  before: RunStatus | undefined,
  after: RunStatus,
): RowChanges | undefined {
  let changes: RowChanges | undefined;
  for (const { type, meta } of events) {
    if (type !== 'MemoUpserted' && type !== 'SearchAttributesUpserted') continue;
    changes = joinedChanges(changes ?? {}, JSON.parse(meta ?? '{}') as PropertiesMeta);
  }
  if ((after === 'running' || after === 'paused') && after !== (before ?? 'running')) {
    changes = { ...changes, status: after };
  }
  return changes;
}
