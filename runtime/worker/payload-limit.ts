// The limit of one payload, for what workflow code asks to store. Arguments of starts and signals, and results of
// activities, are checked where they are made.
import type { TaskFailure } from '../history/activation.ts';
import type { HistoryEvent } from '../history/event.ts';

/** Why a turn cannot be appended; undefined when it can. */
export function overLimit(outputs: readonly HistoryEvent[], maxBytes: number): TaskFailure | undefined {
  for (const { type, name, payload, ops, meta } of outputs) {
    // What is the user's: in `meta` a memo, a summary.
    const bytes = Math.max(payload?.length ?? 0, ops?.length ?? 0, meta?.length ?? 0);
    if (bytes <= maxBytes) continue;
    const what = type === 'ActivityScheduled' ? `The arguments of activity ${name}` : `A ${type}`;
    const message = `${what} would have ${bytes} bytes, the limit is ${maxBytes}. Pass a reference to the data, or raise maxPayloadBytes.`;
    return { code: 'PAYLOAD_TOO_LARGE', message };
  }
  return undefined;
}
