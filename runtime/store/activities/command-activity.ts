// Applies a client's command to an open standalone activity. No worker owns such an activity, so the client itself
// appends to the activity's log. The command has taken effect when the promise resolves, and needs no worker.
import type { Database } from '../sql/database.ts';
import { sha256 } from '../codec/sha256.ts';
import { type Settled, settleStandalone, tellSettled } from './standalone-run.ts';
import type { ActivityCommand } from '../../core/activity/standalone-command.ts';
import { type CommandResult, settle } from '../../core/activity/standalone-turn.ts';

/**
 * Returns the activity's state after the command; undefined when the activity is not open.
 * @throws ILLEGAL_STATE when the activity is being cancelled, INVALID_INPUT for options that contradict its present
 * options
 */
export async function commandActivity(
  database: Database,
  runId: string,
  command: ActivityCommand,
): Promise<CommandResult['controls'] | undefined> {
  for (;;) {
    let obeyed: CommandResult | undefined;
    let offer: CommandResult['offer'];
    const settled = await settleStandalone(
      database,
      runId,
      (state) => {
        // Mail that arrived before the command is applied before the command.
        const isLate = state.mail.length > 0;
        const result = settle(state, sha256, isLate ? undefined : command);
        ({ offer } = result);
        if (isLate) return result;
        obeyed = result;
        return result.isApplied ? result : undefined;
      },
      true,
    );
    tell(database, runId, settled, offer);
    if (obeyed === undefined && settled !== undefined) continue;
    if (obeyed?.refusal !== undefined) throw obeyed.refusal;
    return obeyed?.controls;
  }
}

/** Applies the activity's unread messages, such as a request to cancel. */
export async function applyMail(database: Database, runId: string): Promise<void> {
  let offer: CommandResult['offer'];
  const settled = await settleStandalone(
    database,
    runId,
    (state) => {
      if (state.mail.length === 0) return undefined; // another process has applied the mail
      const result = settle(state, sha256);
      ({ offer } = result);
      return result;
    },
    true,
  );
  tell(database, runId, settled, offer);
}

function tell(database: Database, runId: string, settled: Settled | undefined, offer: CommandResult['offer']): void {
  if (settled === undefined) return;
  tellSettled(database, runId, settled);
  // No notice for a task that is due later: workers find it by polling.
  if (offer !== undefined) database.notifier.task(offer.queue);
}
