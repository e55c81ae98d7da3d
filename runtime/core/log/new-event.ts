// Builds events that are not in the log yet, with every column set: absent ones are null.
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

/**
 * A reason is often a foreign error's message. Shortens the text, and removes characters that a text column rejects.
 */
function storable(reason: string): string {
  return reason.slice(0, reasonChars).replaceAll('\0', '\uFFFD').toWellFormed();
}
