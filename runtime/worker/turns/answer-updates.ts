// Tells senders of updates, and clients that completed activities, what became of it, once it is durable.
import { eventCode } from '../../core/log/event.ts';
import type { Database } from '../../store/sql/database.ts';
import { closingTypes } from '../../store/log/history.ts';
import { rejectUpdate, updateKey } from '../../store/messages/updates.ts';
import type { LiveRun } from './live-run.ts';
import type { BuiltTurn } from './turn.ts';

const updateCodes: ReadonlySet<number> = new Set([
  eventCode.UpdateAccepted,
  eventCode.UpdateCompleted,
  eventCode.UpdateFailed,
]);

const attemptCodes: ReadonlySet<number> = new Set(
  ([...closingTypes, 'ActivityAttemptFailed'] as const).map((type) => eventCode[type]),
);

export function answerUpdates(database: Database, { runId }: LiveRun, { events, rejected }: BuiltTurn): void {
  for (const { type, correlationId } of events) {
    if (correlationId === null) continue;
    const code = eventCode[type];
    if (updateCodes.has(code)) database.notifier.answered(updateKey(runId, correlationId));
    else if (attemptCodes.has(code)) database.notifier.answered(correlationId);
  }
  for (const { updateId, name, failure } of rejected) {
    // A sender that hears nothing finds its message gone, and sends it again.
    rejectUpdate(database, { runId, updateId, name, failure }).catch(() => undefined);
  }
}
