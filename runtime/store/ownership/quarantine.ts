// The quarantine: open runs that no worker could load or continue. Writes only this table; the caller also releases the
// run.
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import type { Micros } from '../../core/log/event.ts';
import type { QuarantineInfo } from '../../core/run/quarantine-info.ts';
import { timestampArray } from '../codec/pg-binary.ts';
import type { Database } from '../sql/database.ts';
import { isDataRefusal } from '../sql/sqlstate.ts';

/**
 * SQL: a row of `ready` is not in quarantine, or its next try is due. A scalar subquery, because a join would change
 * the plan.
 */
export function isTriable(schema: string, now: string): string {
  return `coalesce((select q.next_try from ${schema}.quarantine q where q.run_id = ready.run_id) <= ${now}, true)`;
}

/**
 * Whether the run itself causes the error. An error of the database does not count, because a later try may succeed.
 */
export function isFaultOfRun(error: unknown): boolean {
  const ofEngine = [RuntimeError, TypeError, RangeError, SyntaxError].some((type) => error instanceof type);
  return ofEngine || isDataRefusal(error);
}

export interface QuarantinedRun {
  readonly runId: string;
  readonly nextTry: Micros;
  readonly attempts: number;
  readonly cause: string;
  readonly message: string;
  /** The worker that failed. */
  readonly epoch: number;
  /** The epoch that must own the run; null: the run must have no owner. */
  readonly owner: number | null;
}

/** Puts an open run into quarantine or extends its stay. Does nothing when the run has another owner. */
export async function putIntoQuarantine({ pool, schema }: Database, run: QuarantinedRun): Promise<void> {
  await pool.query(
    `insert into ${schema}.quarantine (run_id, next_try, attempts, cause, message, epoch)
select run_id, ($2::timestamptz[])[1], $3, $4, $5, $6 from ${schema}.ready
where run_id = $1 and owner is not distinct from $7::int
on conflict (run_id) do update set next_try = excluded.next_try, attempts = excluded.attempts, cause = excluded.cause,
  message = excluded.message, epoch = excluded.epoch`,
    [run.runId, timestampArray([run.nextTry]), run.attempts, run.cause, run.message, run.epoch, run.owner],
  );
}

export async function leaveQuarantine({ pool, schema }: Database, runId: string): Promise<void> {
  await pool.query(`delete from ${schema}.quarantine where run_id = $1`, [runId]);
}

/** Whether the run is open and `epoch` owns it. */
export async function isOwnedBy({ pool, schema }: Database, runId: string, epoch: number): Promise<boolean> {
  const { rowCount } = await pool.query(`select from ${schema}.ready where run_id = $1 and owner = $2`, [runId, epoch]);
  return rowCount === 1;
}

/** Undefined for a run that is not in quarantine. */
export async function readQuarantine({ pool, schema }: Database, runId: string): Promise<QuarantineInfo | undefined> {
  const { rows } = await pool.query<Omit<QuarantineInfo, 'code'>>(
    `select cause, message, attempts as attempt, since, next_try as "nextAttempt", epoch
from ${schema}.quarantine join ${schema}.ready using (run_id) where run_id = $1`,
    [runId],
  );
  return rows[0] && { code: 'RUN_QUARANTINED', ...rows[0] };
}
