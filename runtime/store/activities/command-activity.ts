// Does to an open standalone activity what a client asks: nobody owns it, so the client itself writes it into the log, and
// it holds when the promise resolves, with or without a worker.
import type { Database } from '../sql/database.ts';
import { sha256 } from '../codec/sha256.ts';
import { type Settled, settleStandalone, tellSettled } from './standalone-run.ts';
import type { ActivityCommand } from '../../core/activity/standalone-command.ts';
import { type CommandResult, settle } from '../../core/activity/standalone-turn.ts';

/**
 * Returns what holds now; undefined when the activity is not open.
 * @throws ILLEGAL_STATE when it is being cancelled, INVALID_INPUT for options that do not fit those that it has
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
        // What happened before is settled before.
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

/** Takes in what messages it has, such as a request to cancel it. */
export async function takeMail(database: Database, runId: string): Promise<void> {
  let offer: CommandResult['offer'];
  const settled = await settleStandalone(
    database,
    runId,
    (state) => {
      if (state.mail.length === 0) return undefined; // somebody else was first
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
  // What is due later is found by those who look now and then.
  if (offer !== undefined) database.notifier.task(offer.queue);
}
