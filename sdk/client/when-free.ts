// Calls that need a row which another transaction may hold. They wait in short tries. Each try takes a connection and
// returns it, so that waiting calls do not keep other calls from the database.
import { setTimeout } from 'node:timers/promises';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import { type Holder, holderOfRun } from '../../runtime/store/ownership/row-holder.ts';
import type { Database } from '../../runtime/store/sql/database.ts';
import { isLockTimeout } from '../../runtime/store/sql/sqlstate.ts';
import type { Connection } from '../common/connection.ts';
import { limitReached, waitAtMost } from './call-limits.ts';

/** How long a call without a deadline waits, ms. */
const patienceMs = 10_000;
/** The wait between two tries, in ms, which grows from try to try. Other calls use the connection meanwhile. */
const pauseMs = { first: 20, max: 200 } as const;

export interface Awaited {
  /** Names what is held, for the error message: "Run x". */
  readonly what: string;
  readonly runId: string;
  holder(database: Database): Promise<Holder | undefined>;
}

export function rowOf(runId: string): Awaited {
  return { what: `Run ${runId}`, runId, holder: (database) => holderOfRun(database, runId) };
}

/**
 * Repeats `work` while another transaction holds what `work` needs.
 * @throws RuntimeError RUN_BUSY when the caller's deadline has passed; nothing was changed
 */
export async function whenFree<T>(
  connection: Connection,
  awaited: Awaited,
  work: (database: Database, isRepeated: boolean) => Promise<T>,
): Promise<T> {
  const begun = performance.now();
  const patience = waitAtMost(patienceMs);
  for (let pause: number = pauseMs.first; ; pause = Math.min(2 * pause, pauseMs.max)) {
    try {
      return await connection.reach((database) => work(database, pause > pauseMs.first));
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      const waited = performance.now() - begun;
      if (waited >= patience || limitReached() !== undefined) throw await busy(connection, awaited, waited, error);
    }
    await setTimeout(pause);
  }
}

async function busy(
  connection: Connection,
  { what, runId, holder }: Awaited,
  waited: number,
  cause: unknown,
): Promise<RuntimeError> {
  const found = await connection.reach(holder);
  const who =
    found === undefined
      ? 'of an unknown session'
      : `of the session with pid ${found.pid} (application_name ${JSON.stringify(found.applicationName)})`;
  return new RuntimeError(
    'RUN_BUSY',
    `${what} has been locked by an open transaction ${who} for ${Math.round(waited)} ms; the call has changed nothing. End that transaction, or repeat the call later.`,
    { runId, cause },
  );
}
