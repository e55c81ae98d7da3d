// Closing a run that keeps getting mail: the closer holds the run's row while it reads what is left and appends, so that
// no sender can come in between. Costs a transaction of several round trips; used after two lost closings.
import { LogWriter } from '../store/append.ts';
import type { Database } from '../store/database.ts';
import { lockOwnedRun } from '../store/claim.ts';
import { type Mail, readMail } from '../store/inbox.ts';
import { RuntimeError } from '../history/runtime-error.ts';
import type { LiveRun } from './live-run.ts';
import type { BuiltTurn } from './turn.ts';

/** Longest time in which the code may be busy between two statements, ms; at most the shortest lease. */
const holdMs = 1_000;

/** Locks the run, reads its mail, lets `build` make the turn, appends it, and calls `done` after the commit. */
export async function holdAndAppend(
  database: Database,
  epoch: number,
  run: LiveRun,
  build: (mail: readonly Mail[]) => Promise<{ built: BuiltTurn; done: () => void }>,
): Promise<void> {
  const client = await database.pool.connect();
  let done: () => void;
  try {
    // Should this process hang while it holds the row and the fence, the database ends the session by itself.
    await client.query(
      `begin isolation level read committed; set local idle_in_transaction_session_timeout = ${holdMs}`,
    );
    if (!(await lockOwnedRun(client, database.schema, run.runId, epoch))) {
      throw new RuntimeError('LEASE_LOST', `Run ${run.runId} is no longer owned by this worker.`);
    }
    const turn = await build(await readMail(database, [{ runId: run.runId, after: run.mailRead }]));
    const { events, consumed, closes, mailRead } = turn.built;
    const writer = new LogWriter(client, database.schema, epoch, 0);
    const outcomes = await writer.append([
      {
        runId: run.runId,
        runKey: run.runKey,
        events,
        consumed,
        ...(closes === undefined ? {} : { close: { status: closes, mail: mailRead } }),
      },
    ]);
    if (outcomes?.[0] !== 'committed') throw new RuntimeError('LEASE_LOST', 'This worker was declared dead.');
    await client.query('commit');
    client.release();
    done = turn.done;
  } catch (error) {
    client.release(true);
    throw error;
  }
  done();
}
