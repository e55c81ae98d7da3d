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
    reason: columns.reason === undefined || columns.reason === null ? null : storable(columns.reason),
    correlationId: columns.correlationId ?? null,
    ops: columns.ops ?? null,
    payload: columns.payload ?? null,
    meta: columns.meta ?? null,
  };
}

const reasonChars = 8_192;

/** Reasons often are messages of foreign errors: cut to what a reader needs, without what a text column refuses. */
function storable(reason: string): string {
  return reason.slice(0, reasonChars).replaceAll('\0', '\uFFFD').toWellFormed();
}
