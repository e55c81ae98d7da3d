// Finds the database session that holds the row lock a call is waiting for, so that the error message can name it.
import type { Database } from '../sql/database.ts';
import { type NewRun, startRunWithin } from '../runs/start-run.ts';

export interface Holder {
  readonly pid: number;
  readonly applicationName: string;
}

/** The session that has changed or locked a run's `ready` row in an open transaction; undefined for none or several. */
export async function holderOfRun({ pool, schema }: Database, runId: string): Promise<Holder | undefined> {
  const { rows } = await pool.query<Holder>(
    `select l.pid, a.application_name as "applicationName" from ${schema}.ready r
join pg_locks l on l.locktype = 'transactionid' and l.granted and l.transactionid = r.xmax
join pg_stat_activity a on a.pid = l.pid where r.run_id = $1`,
    [runId],
  );
  return rows[0];
}

/**
 * The session that has started a run of the same workflow id in an open transaction. Other sessions cannot see that
 * run, so this tries the start once more while another session asks Postgres which session the start waits for.
 */
export async function holderOfWorkflowId(database: Database, run: NewRun): Promise<Holder | undefined> {
  const { starters, pool, schema } = database;
  const waiter = await starters.connect();
  let isOver = false;
  try {
    await waiter.query("begin isolation level read committed; set local lock_timeout = '500ms'");
    const { rows } = await waiter.query<{ pid: number }>('select pg_backend_pid() as pid');
    const waiting = startRunWithin(waiter, schema, run)
      .catch(() => undefined) // the start is expected to time out
      .finally(() => (isOver = true));
    let found: Holder | undefined;
    while (found === undefined && !isOver) {
      const { rows: holders } = await pool.query<Holder>(
        `select pid, application_name as "applicationName" from pg_stat_activity where pid = any(pg_blocking_pids($1))`,
        [rows[0]!.pid],
      );
      [found] = holders;
    }
    await waiting;
    return found;
  } finally {
    // Ending the session undoes the start.
    waiter.release(true);
  }
}
