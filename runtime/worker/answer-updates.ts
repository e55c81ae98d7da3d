// Tells senders of updates what became of them, once it is durable.
import { eventCode } from '../history/event.ts';
import type { Database } from '../store/database.ts';
import { rejectUpdate, updateKey } from '../store/updates.ts';
import type { LiveRun } from './live-run.ts';
import type { BuiltTurn } from './turn.ts';

const updateCodes: ReadonlySet<number> = new Set([
  eventCode.UpdateAccepted,
  eventCode.UpdateCompleted,
  eventCode.UpdateFailed,
]);

export function answerUpdates(database: Database, { runId }: LiveRun, { events, rejected }: BuiltTurn): void {
  for (const { type, correlationId } of events) {
    if (correlationId !== null && updateCodes.has(eventCode[type])) {
      database.notifier.answered(updateKey(runId, correlationId));
    }
  }
  for (const { updateId, name, failure } of rejected) {
    // A sender that hears nothing finds its message gone, and sends it again.
    rejectUpdate(database, { runId, updateId, name, failure }).catch(() => undefined);
  }
}
