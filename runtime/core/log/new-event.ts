// Builds events that the log does not hold yet: every column explicit, absent ones null.
import type { NewEvent, EventType } from './event.ts';

/** Columns that are not given are null. */
export function newEvent(
  seq: number,
  type: EventType,
  columns: Partial<Omit<NewEvent, 'seq' | 'type'>> = {},
): NewEvent {
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
