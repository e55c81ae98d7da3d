// How large a run's history has become, as far as every replay of it finds the same: a replay reads no arguments of
// activities, and sees no events that say nothing to workflow code.
import type { RejectedUpdate } from '../history/activation.ts';
import type { EventDraft } from '../history/event.ts';
import { inputRank } from './input-rank.ts';

/** What a row of the log takes beside its contents, bytes; about. */
const rowBytes = 120;

function bytesOf({ type, payload, ops, meta }: EventDraft): number {
  const content = type === 'ActivityScheduled' ? 0 : (payload?.length ?? 0);
  return rowBytes + content + (ops?.length ?? 0) + (meta?.length ?? 0);
}

export class HistorySize {
  /** Bytes. */
  total = 0;

  /** Updates are not in the log before they are accepted: they are passed over, and how many there are is returned. */
  addInputs(events: readonly EventDraft[]): number {
    let updates = 0;
    for (const event of events) {
      if (event.type === 'UpdateAccepted') updates += 1;
      else if (inputRank[event.type] !== undefined) this.total += bytesOf(event);
    }
    return updates;
  }

  addAccepted(events: readonly EventDraft[], rejected: readonly RejectedUpdate[]): void {
    const refused = new Set(rejected.map(({ seq }) => seq));
    for (const event of events) {
      if (event.type === 'UpdateAccepted' && !refused.has(event.seq)) this.total += bytesOf(event);
    }
  }

  addOutputs(events: readonly EventDraft[]): void {
    for (const event of events) this.total += bytesOf(event);
  }
}
