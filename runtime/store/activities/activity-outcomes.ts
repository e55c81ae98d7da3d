// Ends tasks. One statement deletes the task's row (or offers the task again when its worker died) and puts a message
// for the run's owner into the inbox. So each outcome is committed exactly once, whether a worker, a client, a timeout
// or a reaper comes first.
//
// Lock order: ready rows first, skipping those that are locked, then tasks.
import { type EventType, eventCode, type Micros } from '../../core/log/event.ts';
import { TimeoutType } from '../../core/failure/failure.ts';
import type { TaskKey } from './activity-tasks.ts';
import { isWaiting } from './task-holds.ts';
import type { Fence } from '../ownership/fence.ts';
import type { Database } from '../sql/database.ts';
import { wakenAt } from '../sql/sql-text.ts';
import { isDataRefusal } from '../sql/sqlstate.ts';
import type { Delivery } from '../messages/inbox.ts';
import { announce } from '../messages/run-messages.ts';
import { ColumnEncoder, timestampArray } from '../codec/pg-binary.ts';
import { runIdBytes } from '../runs/run-id.ts';

/** A message that was sent, and its receiver. */
export interface SentOutcome extends TaskKey, Delivery {}

/** Part of a statement: locks the ready rows of `runIds` (an SQL array) and reads the mail counters that messages increment. */
export function lockedRuns(schema: string, runIds: string, condition = 'true'): string {
  return `locked as materialized (
  select run_id, mail, owner, queue from ${schema}.ready where run_id = any (${runIds}) and ${condition}
  order by run_id for no key update skip locked)`;
}

/**
 * Rest of a statement: sends the rows of the CTE `outgoing` to the runs in `locked`. Returns the sent rows as `sent`.
 */
export function sending(schema: string, answer = ''): string {
  return `numbered as materialized (
  select o.*, l.owner, l.queue, l.mail + row_number() over (partition by o.run_id order by o.seq) as id
  from outgoing o join locked l using (run_id)),
counted as (
  update ${schema}.ready r set mail = r.mail + n.messages,
    wake_at = ${wakenAt}
  from (select run_id, count(*)::int as messages from numbered group by run_id) n
  where r.run_id = any (array(select run_id from numbered)) and r.run_id = n.run_id),
sent as (
  insert into ${schema}.inbox (run_id, id, owner, type, name, payload, reason, meta)
  select run_id, id, owner, code, name, payload, reason, meta from numbered)
select ${answer}coalesce((select json_agg(json_build_object('runId', run_id, 'seq', seq, 'owner', owner, 'queue', queue))
  from numbered), '[]') as sent`;
}

const metaOf = (columns: string): string => `json_build_object('seq', t.seq, 'attempt', t.attempt${columns})`;
const nothing = 'null::text as name, null::bytea as payload, null::text as reason';

/** Notifies the runs' owners. Runs without an owner: notifies the workers of their queues. */
export function announceOutcomes(database: Database, outcomes: readonly SentOutcome[]): void {
  announce(
    database,
    outcomes.map((outcome) => ({ runId: outcome.runId, delivery: outcome })),
  );
}

/** The outcome of an attempt, as its worker reports it. */
export interface AttemptReport extends TaskKey {
  readonly attempt: number;
  /** ActivityCompleted, ActivityFailed, or, for an `unsafe` attempt whose task stays, ActivityAttemptStarted. */
  readonly type: EventType;
  readonly payload: Uint8Array | null;
  readonly reason: string | null;
  /** JSON text of an OutcomeMeta. */
  readonly meta: string;
}

/**
 * Commits outcomes of attempts of `worker`. Returns the outcomes that were sent. For the others, the attempt has ended,
 * or another session holds the run's row and the caller must send again. Undefined when the worker was declared dead.
 */
export async function reportAttempts(
  database: Database,
  worker: Fence,
  reports: readonly AttemptReport[],
): Promise<readonly SentOutcome[] | undefined> {
  const { schema, pool } = database;
  const begins = eventCode.ActivityAttemptStarted;
  const mine = `t.run_id = any ($3::uuid[]) and t.run_id = g.run_id and t.seq = g.seq and t.attempt = g.attempt
    and t.worker = $1 and l.run_id = t.run_id`;
  const { rows } = await pool.query<{ fence: boolean; sent: SentOutcome[] }>({
    name: `reprise_report_attempts_${schema}`,
    text: `with fence as materialized (select 1 from ${schema}.fences where epoch = $1 and slot = $2 for share),
given as materialized (
  select * from unnest($3::uuid[], $4::int[], $5::int[], $6::int[], $7::bytea[], $8::text[], $9::json[])
  as g(run_id, seq, attempt, code, payload, reason, meta)),
${lockedRuns(schema, '$3::uuid[]', 'exists (select from fence)')},
gone as (
  delete from ${schema}.activity_tasks t using given g, locked l where ${mine} and g.code <> ${begins}
  returning t.run_id, t.seq),
begun as (
  update ${schema}.activity_tasks t set unsafe = true from given g, locked l where ${mine} and g.code = ${begins}
  returning t.run_id, t.seq),
forgotten as (
  delete from ${schema}.activity_heartbeats h using gone, given g
  where h.run_id = gone.run_id and h.seq = gone.seq and g.run_id = h.run_id and g.seq = h.seq
    and g.code = ${eventCode.ActivityCompleted}),
outgoing as materialized (
  select g.run_id, g.seq, g.code, null::text as name, g.payload, g.reason, g.meta
  from given g join (select * from gone union all select * from begun) done using (run_id, seq)),
${sending(schema, 'exists (select from fence) as fence, ')}`,
    values: [worker.epoch, worker.slot, ...reportValues(reports)],
  });
  const [row] = rows;
  return row === undefined || !row.fence ? undefined : row.sent;
}

function reportValues(reports: readonly AttemptReport[]): unknown[] {
  const [runId, payload] = [new ColumnEncoder('uuid'), new ColumnEncoder('bytea')];
  const [reason, meta] = [new ColumnEncoder('text'), new ColumnEncoder('json')];
  for (const report of reports) {
    runId.bytes(runIdBytes(report.runId));
    payload.bytes(report.payload);
    reason.text(report.reason);
    meta.text(report.meta);
  }
  return [
    runId.take(),
    reports.map((report) => report.seq),
    reports.map((report) => report.attempt),
    reports.map((report) => eventCode[report.type]),
    payload.take(),
    reason.take(),
    meta.take(),
  ];
}

export interface CancelledTask extends TaskKey {
  /** The worker that must stop the attempt; null when a client completes the activity. */
  readonly worker: number | null;
}

/**
 * Cancels tasks of a run. A task without a worker ends at once; other tasks are marked. If a task does not exist, its
 * message is in the inbox. Undefined when another session holds the run's row: try again.
 */
export async function cancelTasks(
  database: Database,
  runId: string,
  seqs: readonly number[],
): Promise<{ readonly sent: readonly SentOutcome[]; readonly marked: readonly CancelledTask[] } | undefined> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{ sent: SentOutcome[]; marked: CancelledTask[]; locked: boolean }>({
    name: `reprise_cancel_tasks_${schema}`,
    text: `with ${lockedRuns(schema, '$1::uuid[]')},
task as materialized (
  select t.run_id, t.seq, ${isWaiting} as is_waiting, t.worker from ${schema}.activity_tasks t
  where t.run_id = any ($1::uuid[]) and t.seq = any ($2::int[]) and exists (select from locked)
  order by t.seq for no key update of t),
gone as (
  delete from ${schema}.activity_tasks t using task
  where t.run_id = any ($1::uuid[]) and t.run_id = task.run_id and t.seq = task.seq and task.is_waiting
  returning t.run_id, t.seq, t.attempt),
marked as (
  update ${schema}.activity_tasks t set cancel_requested = true from task
  where t.run_id = any ($1::uuid[]) and t.run_id = task.run_id and t.seq = task.seq and not task.is_waiting
  returning t.run_id, t.seq, t.worker),
outgoing as materialized (
  select t.run_id, t.seq, ${eventCode.ActivityCancelled} as code, ${nothing}, ${metaOf('')} as meta from gone t),
${sending(
  schema,
  `coalesce((select json_agg(json_build_object('runId', run_id, 'seq', seq, 'worker', worker)) from marked), '[]') as marked,
  exists (select from locked) as locked, `,
)}`,
    values: [[runId], seqs],
  });
  const { sent, marked, locked } = rows[0]!;
  return locked ? { sent, marked } : undefined;
}

/** Ends up to `limit` tasks whose deadline has passed, with a message that names the timeout. Any worker may call it. */
export function expireTasks(
  database: Database,
  options: { now: Micros; limit: number },
): Promise<readonly SentOutcome[]> {
  const { schema, pool } = database;
  const dueRuns = async (): Promise<string[]> => {
    const { rows } = await pool.query<{ run_id: string }>(
      `select distinct run_id from (select run_id from ${schema}.activity_tasks
where deadline <= ($1::timestamptz[])[1] order by deadline limit $2) due`,
      [timestampArray([options.now]), options.limit],
    );
    return rows.map((row) => row.run_id);
  };
  return eachAlone(dueRuns, (runIds) => expireTasksOf(database, options, runIds));
}

/**
 * Does work for many runs in one statement. If the database refuses the data of one run, the work is done for each run
 * alone, so that this run does not hold up the others. `work` takes the runs, or undefined for all.
 * @throws AggregateError of the refusals if there are no results. The caller's next look thus reports refusals that had
 * results beside them, because only the refused runs are left by then.
 */
async function eachAlone<T>(
  runsOf: () => Promise<readonly string[]>,
  work: (runIds: readonly string[] | undefined) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  try {
    return await work(undefined);
  } catch (error) {
    if (!isDataRefusal(error)) throw error;
    const results: T[] = [];
    const refusals: unknown[] = [];
    for (const runId of await runsOf()) {
      try {
        results.push(...(await work([runId])));
      } catch (cause) {
        if (!isDataRefusal(cause)) throw cause;
        refusals.push(cause);
      }
    }
    if (results.length === 0 && refusals.length > 0) {
      throw new AggregateError(refusals, `The database refused the data of ${refusals.length} runs; it is tried again`);
    }
    return results;
  }
}

async function expireTasksOf(
  database: Database,
  options: { now: Micros; limit: number },
  runIds: readonly string[] | undefined,
): Promise<readonly SentOutcome[]> {
  const { schema, pool } = database;
  const now = '($1::timestamptz[])[1]';
  const { rows } = await pool.query<{ sent: SentOutcome[] }>({
    name: `reprise_expire_tasks_${schema}`,
    text: `with due as materialized (
  select run_id, seq from ${schema}.activity_tasks where deadline <= ${now}
  and ($3::uuid[] is null or run_id = any($3)) order by deadline limit $2 for no key update skip locked),
${lockedRuns(schema, 'array(select run_id from due)')},
gone as (
  delete from ${schema}.activity_tasks t using due, locked l
  where t.run_id = any (array(select run_id from due)) and t.run_id = due.run_id and t.seq = due.seq and l.run_id = t.run_id
  returning t.run_id, t.seq, t.attempt, t.close_by, t.started_at, t.start_to_close, t.unsafe),
outgoing as materialized (
  select t.run_id, t.seq, ${eventCode.ActivityTimedOut} as code, case
    when t.close_by <= ${now} then '${TimeoutType.SCHEDULE_TO_CLOSE}'
    when t.started_at is null then '${TimeoutType.SCHEDULE_TO_START}'
    when t.started_at + t.start_to_close <= ${now} then '${TimeoutType.START_TO_CLOSE}'
    else '${TimeoutType.HEARTBEAT}' end as name,
    (select h.details from ${schema}.activity_heartbeats h where h.run_id = t.run_id and h.seq = t.seq) as payload,
    null::text as reason, ${metaOf(", 'unsafe', t.unsafe")} as meta from gone t),
${sending(schema)}`,
    values: [timestampArray([options.now]), options.limit, runIds ?? null],
  });
  return rows[0]!.sent;
}

/**
 * Offers the tasks of a dead worker to other workers. The run's log records the lost attempt. An `unsafe` task keeps
 * its row, because nobody knows whether the attempt took effect. Returns the task queues to notify.
 */
export async function freeTasks(database: Database, epoch: number): Promise<string[]> {
  const { schema, pool } = database;
  const runsOf = async (): Promise<string[]> => {
    const { rows } = await pool.query<{ run_id: string }>(
      `select distinct run_id from ${schema}.activity_tasks where worker = $1`,
      [epoch],
    );
    return rows.map((row) => row.run_id);
  };
  return [...(await eachAlone(runsOf, (runIds) => freeTasksOf(database, epoch, runIds)))];
}

/** SQL: neither a client nor the pause of its run keeps an attempt from beginning. */
const isFree = 'not t.paused and t.due_when_resumed is null';

async function freeTasksOf(
  database: Database,
  epoch: number,
  runIds: readonly string[] | undefined,
): Promise<readonly string[]> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{ sent: SentOutcome[]; queues: string[] }>({
    name: `reprise_free_tasks_${schema}`,
    text: `with task as materialized (
  select run_id, seq, cancel_requested, unsafe from ${schema}.activity_tasks where worker = $1
  and ($2::uuid[] is null or run_id = any($2)) for no key update skip locked),
${lockedRuns(schema, 'array(select run_id from task where not unsafe)')},
freed as (
  update ${schema}.activity_tasks t set worker = null, attempt = t.attempt + 1, started_at = null, beat_at = null,
    due_at = case when ${isFree} then clock_timestamp() end,
    start_by = case when ${isFree} then clock_timestamp() + t.schedule_to_start end,
    deadline = least(t.close_by, case when ${isFree} then clock_timestamp() + t.schedule_to_start end)
  from task, locked l where t.worker = $1 and t.run_id = task.run_id and t.seq = task.seq and l.run_id = t.run_id
    and not task.unsafe and not task.cancel_requested returning t.run_id, t.seq, t.queue),
gone as (
  delete from ${schema}.activity_tasks t using task, locked l
  where t.worker = $1 and t.run_id = task.run_id and t.seq = task.seq and l.run_id = t.run_id
    and not task.unsafe and task.cancel_requested
  returning t.run_id, t.seq, t.attempt),
kept as (
  update ${schema}.activity_tasks t set deadline = t.close_by, start_to_close = null, heartbeat = null from task
  where t.worker = $1 and t.run_id = task.run_id and t.seq = task.seq and task.unsafe
    and t.deadline is distinct from t.close_by),
outgoing as materialized (
  select t.run_id, t.seq, ${eventCode.WorkerLost} as code, null::text as name, null::bytea as payload,
    'worker ' || $1 || ' was lost while it had the activity at work' as reason,
    json_build_object('epoch', $1, 'activities', json_build_array(t.seq)) as meta from freed t
  union all select t.run_id, t.seq, ${eventCode.ActivityCancelled}, ${nothing}, ${metaOf('')} from gone t),
${sending(schema, "coalesce((select json_agg(distinct queue) from freed), '[]') as queues, ")}`,
    values: [epoch, runIds ?? null],
  });
  const { sent, queues } = rows[0]!;
  announceOutcomes(database, sent);
  return queues;
}
