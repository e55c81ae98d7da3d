// Standalone activities: runs without an owner. Any process may advance such a run in a short transaction. The locked
// ready row keeps other processes away, as ownership would.
import type pg from 'pg';
import type { Settlement, StandaloneState, TaskTerms } from '../../core/activity/standalone-turn.ts';
import type { HistoryEvent, Micros } from '../../core/log/event.ts';
import { type RunStatus, statusAfter } from '../../core/log/transition.ts';
import { givenTasks, insertedTasks, intervalOf, offeredValues } from './task-offers.ts';
import type { Database } from '../sql/database.ts';
import { eventColumns, EventRows } from '../codec/event-rows.ts';
import { readEventsAfter } from '../log/history.ts';
import { readMail } from '../messages/inbox.ts';
import { isTriable } from '../ownership/quarantine.ts';
import { timestampArray } from '../codec/pg-binary.ts';
import { deleteOpenRows, writeClosed } from '../runs/closed-run.ts';
import { transaction } from '../sql/transaction.ts';
import { microsOf } from '../sql/sql-text.ts';
import { runIdBytes } from '../runs/run-id.ts';

export interface Settled {
  readonly events: readonly HistoryEvent[];
  readonly status: RunStatus;
  /** Epoch of the worker whose attempt must stop or has new options. */
  readonly stops: number | undefined;
}

/** A time that never comes: only a message wakes the run. */
const never: Micros = 9_000_000_000_000_000;

/** Runs of a queue that have something to do. */
export async function dueStandalone(
  database: Database,
  queue: string,
  { now, limit }: { readonly now: Micros; readonly limit: number },
): Promise<string[]> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{ run_id: string }>({
    name: `reprise_due_standalone_${schema}`,
    text: `select run_id from ${schema}.ready where owner is null and queue = $1 and wake_at <= ($2::timestamptz[])[1]
  and ${isTriable(schema, '($2::timestamptz[])[1]')} order by wake_at limit $3`,
    values: [queue, timestampArray([now]), limit],
  });
  return rows.map((row) => row.run_id);
}

/**
 * Runs of any queue with mail that has been unread since `since`: the process that should have read it died, or no
 * worker polls the queue that the run moved to. Finds the queues by jumping from one to the next in the index.
 */
export async function forsakenStandalone(
  { schema, pool }: Database,
  { since, limit }: { readonly since: Micros; readonly limit: number },
): Promise<string[]> {
  const queues = `select min(r.queue) from ${schema}.ready r where r.owner is null`;
  const { rows } = await pool.query<{ run_id: string }>({
    name: `reprise_forsaken_standalone_${schema}`,
    text: `with recursive queues(queue) as (
  ${queues} union all select (${queues} and r.queue > q.queue) from queues q where q.queue is not null)
select d.run_id from queues q cross join lateral (
  select ready.run_id from ${schema}.ready
  where ready.owner is null and ready.queue = q.queue and ready.wake_at <= ($1::timestamptz[])[1] and ready.claimed
    and ${isTriable(schema, 'clock_timestamp()')} order by ready.wake_at limit $2) d
where q.queue like '%#activities/%' limit $2`,
    values: [timestampArray([since]), limit],
  });
  return rows.map((row) => row.run_id);
}

/**
 * Locks the run, lets `decide` settle it and writes the result. Undefined when the run is closed, when `decide` returns
 * undefined, or when another session holds the run. With `waits`, the call waits for that session.
 * @throws lock_not_available when the wait takes too long
 */
export async function settleStandalone(
  database: Database,
  runId: string,
  decide: (state: StandaloneState) => Settlement | undefined,
  waits = false,
): Promise<Settled | undefined> {
  return transaction(
    database.pool,
    {},
    async (client) => {
      const state = await readState(database, client, runId, waits);
      const settlement = state === undefined ? undefined : decide(state);
      return settlement === undefined ? undefined : write(database, client, state!, settlement);
    },
    (settled) => settled !== undefined,
  );
}

async function readState(
  database: Database,
  client: pg.ClientBase,
  runId: string,
  waits: boolean,
): Promise<StandaloneState | undefined> {
  const { schema } = database;
  const { rows } = await client.query<{ now: string }>(
    `select ${microsOf('clock_timestamp()')} as now from ${schema}.ready
where run_id = $1 and owner is null for no key update${waits ? '' : ' skip locked'}`,
    [runId],
  );
  if (rows[0] === undefined) return undefined;
  const { rows: tasks } = await client.query<{ waiting: boolean }>(
    `select due_at is not null or started_at is null as waiting from ${schema}.activity_tasks where run_id = $1 for no key update`,
    [runId],
  );
  const events = await readEventsAfter(client, schema, runId, 0);
  const mail = await readMail(database, [{ runId, after: 0 }], client);
  const task = tasks[0] === undefined ? undefined : tasks[0].waiting ? 'waiting' : 'taken';
  return { runId, now: Number(rows[0].now), events, mail, task };
}

async function write(
  { schema }: Database,
  client: pg.ClientBase,
  { runId, mail }: StandaloneState,
  settlement: Settlement,
): Promise<Settled> {
  const { events, offer, cancels, withdraws, terms } = settlement;
  const last = events.at(-1);
  const status = last === undefined ? 'running' : (statusAfter('running', last.type) as RunStatus);
  if (last !== undefined) {
    const rows = await EventRows.open(client, schema);
    for (const event of events) rows.add(runIdBytes(runId), event);
    const from = `from unnest($1::${schema}.new_event[]) as e`;
    await client.query(`insert into ${schema}.events (${eventColumns}) select ${eventColumns} ${from}`, [rows.take()]);
  }
  await client.query(`delete from ${schema}.inbox where run_id = $1 and id = any ($2::int[])`, [
    runId,
    mail.map(({ id }) => id),
  ]);
  if (status !== 'running') {
    await writeClosed(client, schema, runId, status, last!);
    await deleteOpenRows(client, schema, runId);
    return { events, status, stops: undefined };
  }
  if (withdraws) await client.query(`delete from ${schema}.activity_tasks where run_id = $1`, [runId]);
  if (offer !== undefined) {
    const text = `with ${givenTasks(1)}, ${insertedTasks(schema, 'given')} select 1`;
    await client.query(text, offeredValues([offer]));
  }
  const told = terms === undefined ? undefined : await applyTerms(schema, client, runId, terms);
  await control(schema, client, runId, settlement);
  // From now on the task has its own timeouts.
  await client.query(
    `with settled as (delete from ${schema}.quarantine where run_id = $1)
update ${schema}.ready set wake_at = ($2::timestamptz[])[1], deadline = null, claimed = true where run_id = $1`,
    [runId, timestampArray([never])],
  );
  return { events, status, stops: cancels ? await stop(schema, client, runId) : told };
}

/** Changes the task's options. Returns the epoch of the worker that executes the task. */
async function applyTerms(
  schema: string,
  client: pg.ClientBase,
  runId: string,
  { task, paused, options }: TaskTerms,
): Promise<number | undefined> {
  const { rows } = await client.query<{ worker: number | null }>(
    // An unsafe attempt of a dead worker must not be repeated, so its attempt timeouts no longer apply.
    `update ${schema}.activity_tasks t set paused = $2, options = $3, queue = $4, close_by = given.close_by,
  due_at = case when $2 then null else t.due_at end, start_by = case when $2 then null else t.start_by end,
  schedule_to_start = given.schedule_to_start, start_to_close = given.start_to_close, heartbeat = given.heartbeat,
  deadline = case when t.started_at is null then least(given.close_by, case when $2 then null else t.start_by end)
    else least(given.close_by, t.started_at + given.start_to_close, coalesce(t.beat_at, t.started_at) + given.heartbeat) end
from (select ($5::timestamptz[])[1] as close_by, ${intervalOf('$6::float8')} as schedule_to_start,
  case when not is_lost then ${intervalOf('$7::float8')} end as start_to_close,
  case when not is_lost then ${intervalOf('$8::float8')} end as heartbeat from (
    select unsafe and worker is not null and not exists (select from ${schema}.fences f where f.epoch = l.worker) as is_lost
    from ${schema}.activity_tasks l where run_id = $1) lost) given
where t.run_id = $1 returning t.worker`,
    [
      runId,
      paused,
      options,
      task.queue,
      timestampArray(task.closeBy === null ? [] : [task.closeBy]),
      task.scheduleToStartMs,
      task.startToCloseMs,
      task.heartbeatMs,
    ],
  );
  return rows[0]?.worker ?? undefined;
}

/** Writes the status, queue and heartbeats that commands changed. */
async function control(
  schema: string,
  client: pg.ClientBase,
  runId: string,
  { status, queue, forgets }: Settlement,
): Promise<void> {
  if (status !== undefined) {
    await client.query(`update ${schema}.runs set status = $2 where run_id = $1 and status <> $2`, [runId, status]);
  }
  if (queue !== undefined) {
    await client.query(`update ${schema}.runs set task_queue = $2 where run_id = $1`, [runId, queue.name]);
    await client.query(`update ${schema}.ready set queue = $2 where run_id = $1`, [runId, queue.key]);
  }
  if (forgets) await client.query(`delete from ${schema}.activity_heartbeats where run_id = $1`, [runId]);
}

async function stop(schema: string, client: pg.ClientBase, runId: string): Promise<number | undefined> {
  const { rows } = await client.query<{ worker: number | null }>(
    `update ${schema}.activity_tasks set cancel_requested = true where run_id = $1 returning worker`,
    [runId],
  );
  return rows[0]?.worker ?? undefined;
}

/** Notifies everyone who waits for the outcome. */
export function tellSettled(database: Database, runId: string, { events, status, stops }: Settled): void {
  for (const { correlationId } of events) if (correlationId !== null) database.notifier.answered(correlationId);
  if (stops !== undefined) database.notifier.attempts(stops);
  if (status === 'running') return;
  const { type, payload, reason, meta } = events.at(-1)!;
  const { retryState } = JSON.parse(meta ?? '{}') as { retryState?: string };
  const outcome = { type, payload, reason, ...(retryState === undefined ? {} : { retryState }) };
  database.local.emit('closed', runId, outcome);
  database.notifier.closed(runId);
}
