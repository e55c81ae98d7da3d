// A start that depends on other runs of its workflow id, or that sends a message. All of it happens, or nothing.
import type { StartTiming } from '../../core/run/chain.ts';
import type { RunStatus } from '../../core/log/transition.ts';
import type { Database } from '../sql/database.ts';
import { type Delivery, type Message, send } from '../messages/inbox.ts';
import { wakeOnCommit } from '../sql/notifier.ts';
import type { Queryable } from '../sql/queryable.ts';
import { isRunId } from './run-id.ts';
import { type NewRun, startRunWithin } from './start-run.ts';
import { transaction } from '../sql/transaction.ts';

export interface StartWith {
  /** Sent to the new run, or to the open run. */
  readonly message?: Message;
  /** Use the open run of the workflow id, if there is one, instead of starting a run. */
  readonly useExisting: boolean;
  /** A new run is refused if the last run of the workflow id has one of these statuses. */
  readonly refusedAfter: readonly RunStatus[];
  readonly timing: StartTiming;
}

export interface Placed {
  /** Id of the new run, or of the open run. */
  readonly runId: string;
  readonly isNew: boolean;
  readonly delivery: Delivery | undefined;
}

/** Why no run was started: an open run has the workflow id, or the last run's status forbids a new run. */
export type Taken = 'open' | 'closed';

/**
 * Starts in the caller's transaction, or in a transaction of its own.
 * @throws lock_not_available when another transaction uses the workflow id or holds the open run's row
 */
export async function startWith(
  database: Database,
  within: Queryable | undefined,
  run: NewRun,
  how: StartWith,
): Promise<Placed | Taken> {
  if (within !== undefined) return startWithin(within, database.schema, run, how);
  return transaction(
    database.pool,
    {},
    (client) => attempt(client, database.schema, run, how),
    (placed) => typeof placed !== 'string',
  );
}

/** Starts in the caller's transaction, which stays usable if the start is refused. */
export async function startWithin(
  transaction: Queryable,
  schema: string,
  run: NewRun,
  how: StartWith,
): Promise<Placed | Taken> {
  await transaction.query('savepoint reprise_start', []);
  const placed = await attempt(transaction, schema, run, how);
  if (typeof placed === 'string') {
    await transaction.query('rollback to savepoint reprise_start', []);
    return placed;
  }
  await transaction.query('release savepoint reprise_start', []);
  // The caller decides when to commit, so the notice is sent when the transaction commits.
  await wakeOnCommit(transaction, schema, run.queue);
  return placed;
}

/** Repeats because an open run may close before the message reaches it, and its workflow id is then free. */
async function attempt(transaction: Queryable, schema: string, run: NewRun, how: StartWith): Promise<Placed | Taken> {
  for (;;) {
    const isNew = await startRunWithin(transaction, schema, run);
    // Check only now: no other transaction can start a run of this workflow id any longer, and every close is visible.
    if (isNew && (await endedSo(transaction, schema, run, how.refusedAfter))) return 'closed';
    if (!isNew && !how.useExisting) return 'open';
    const runId = isNew ? run.runId : await openRunOf(transaction, schema, { ...run, runId: undefined });
    if (runId === undefined) continue;
    const delivery = how.message === undefined ? undefined : await send(transaction, schema, runId, how.message);
    if (how.message !== undefined && delivery === undefined) continue;
    if (isNew) await schedule(transaction, schema, runId, how.timing);
    return { runId, isNew, delivery };
  }
}

async function schedule(
  transaction: Queryable,
  schema: string,
  runId: string,
  { delayMs, deadlineMs }: StartTiming,
): Promise<void> {
  if (delayMs === 0 && deadlineMs === undefined) return;
  // The delay counts from the start's time in the log, as in the fold.
  await transaction.query(
    `update ${schema}.ready r set deadline = e.at + $3::float8 * interval '1 millisecond',
  wake_at = least(e.at + $2::float8 * interval '1 millisecond', e.at + $3::float8 * interval '1 millisecond')
from ${schema}.events e where r.run_id = $1 and e.run_id = $1 and e.seq = 1`,
    [runId, delayMs, deadlineMs ?? null],
  );
}

async function endedSo(
  transaction: Queryable,
  schema: string,
  { namespace, workflowId }: NewRun,
  statuses: readonly RunStatus[],
): Promise<boolean> {
  if (statuses.length === 0) return false;
  // Only the latest run counts.
  const { rows } = await transaction.query(
    `select status = any($3::text[]) as refused from ${schema}.runs
where namespace = $1 and workflow_id = $2 and closed_at is not null order by run_id desc limit 1`,
    [namespace, workflowId, statuses],
  );
  return (rows as { refused: boolean }[])[0]?.refused === true;
}

/** The open run of a workflow id, or the given run if it is open, or the fork that took its place. */
export async function openRunOf(
  client: Queryable,
  schema: string,
  { namespace, workflowId, runId }: { namespace: string; workflowId: string; runId: string | undefined },
): Promise<string | undefined> {
  const { rows } = await client.query(
    `select run_id from ${schema}.runs where namespace = $1 and workflow_id = $2 and closed_at is null
  and ($3::text is null or run_id::text = $3
    or run_id = (select taken_over_by from ${schema}.runs where run_id = $4::uuid))`,
    [namespace, workflowId, runId ?? null, runId !== undefined && isRunId(runId) ? runId : null],
  );
  return (rows as { run_id: string }[])[0]?.run_id;
}
