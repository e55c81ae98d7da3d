// The size of a run's history, counted so that every replay gets the same number. It leaves out activity arguments,
// which a replay does not read, and events that workflow code does not see. Also decides when the run should continue
// as new. Limits and names are Temporal's.
import type { RejectedUpdate } from '../../core/log/activation.ts';
import type { NewEvent } from '../../core/log/event.ts';
import { inputRank } from '../run/input-rank.ts';

/** Approximate size of a log row without its contents, bytes. */
const rowBytes = 120;

function bytesOf({ type, payload, ops, meta }: NewEvent): number {
  const content = type === 'ActivityScheduled' ? 0 : (payload?.length ?? 0);
  return rowBytes + content + (ops?.length ?? 0) + (meta?.length ?? 0);
}

/** Excludes updates, which are not in the log before they are accepted. */
export function inputBytes(inputs: readonly NewEvent[]): number {
  let bytes = 0;
  for (const event of inputs) {
    if (event.type !== 'UpdateAccepted' && inputRank[event.type] !== undefined) bytes += bytesOf(event);
  }
  return bytes;
}

/** Size of the updates among the inputs that were not rejected. */
export function acceptedBytes(inputs: readonly NewEvent[], rejected: readonly RejectedUpdate[]): number {
  let bytes = 0;
  for (const event of inputs) {
    if (event.type === 'UpdateAccepted' && !rejected.some(({ seq }) => seq === event.seq)) bytes += bytesOf(event);
  }
  return bytes;
}

export function outputBytes(outputs: readonly NewEvent[]): number {
  let bytes = 0;
  for (const event of outputs) bytes += bytesOf(event);
  return bytes;
}

export function countUpdates(inputs: readonly NewEvent[]): number {
  let count = 0;
  for (const { type } of inputs) if (type === 'UpdateAccepted') count += 1;
  return count;
}

export const SuggestContinueAsNewReason = {
  HISTORY_SIZE_TOO_LARGE: 'HISTORY_SIZE_TOO_LARGE',
  TOO_MANY_HISTORY_EVENTS: 'TOO_MANY_HISTORY_EVENTS',
  TOO_MANY_UPDATES: 'TOO_MANY_UPDATES',
} as const;
export type SuggestContinueAsNewReason = (typeof SuggestContinueAsNewReason)[keyof typeof SuggestContinueAsNewReason];

const eventsMax = 4096;
const bytesMax = 4 * 1024 * 1024;

/** Undefined when there is no reason to continue as new. */
export function continueAsNewReasons(history: {
  readonly historyLength: number;
  readonly historySize: number;
}): SuggestContinueAsNewReason[] | undefined {
  const reasons: SuggestContinueAsNewReason[] = [];
  if (history.historySize >= bytesMax) reasons.push(SuggestContinueAsNewReason.HISTORY_SIZE_TOO_LARGE);
  if (history.historyLength >= eventsMax) reasons.push(SuggestContinueAsNewReason.TOO_MANY_HISTORY_EVENTS);
  return reasons.length === 0 ? undefined : reasons;
}
