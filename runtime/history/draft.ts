// Builds event drafts: every column explicit, absent ones null.
import type { EventDraft, EventType } from './event.ts';

/** A draft with all columns that are not given set to null. */
export function draft(
  seq: number,
  type: EventType,
  columns: Partial<Omit<EventDraft, 'seq' | 'type'>> = {},
): EventDraft {
  return {
    seq,
    type,
    name: columns.name ?? null,
    answers: columns.answers ?? null,
    attempt: columns.attempt ?? null,
    source: columns.source ?? null,
    sourceId: columns.sourceId ?? null,
    reason: columns.reason ?? null,
    correlationId: columns.correlationId ?? null,
    ops: columns.ops ?? null,
    payload: columns.payload ?? null,
    meta: columns.meta ?? null,
  };
}
