// Activities that clients complete: the task that waits for a client, and what a client may do to an attempt. The
// statements that make a task wait do wait for the disk, because an activity that was handed over must not start again.
import { type EventType, eventCode, type Micros } from '../../core/log/event.ts';
import { lockedRuns, type SentOutcome, sending } from './activity-outcomes.ts';
import { stateText, type TaskKey, type TaskState } from './activity-tasks.ts';
import type { OfferedTask } from '../../core/activity/offered-task.ts';
import { intervalOf } from './task-offers.ts';
import { lineWithin, rowsOf } from '../log/line.ts';
import type { Fence } from '../ownership/fence.ts';
import type { Database } from '../sql/database.ts';
import { closingTypes } from '../../core/log/event-groups.ts';
import { timestampArray } from '../codec/pg-binary.ts';

const codes = (types: readonly EventType[]): string => types.map((type) => eventCode[type]).join(', ');

/**
 * Creates a task for an attempt that its run's owner executed itself and that a client will complete.
 * `staged`: JSON text of the patches that the attempt staged; null without any.
 * @returns false when a sender holds the run's row or another worker owns the run; undefined when the owner is dead.
 */
export async function awaitCompletion(
  database: Database,
  owner: Fence,
  task: OfferedTask & { readonly startedAt: Micros; readonly staged: string | null },
): Promise<boolean | undefined> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{ owned: boolean; fence: boolean }>({
    name: `reprise_await_completion_${schema}`,
    text: `with fence as materialized (select 1 from ${schema}.fences where epoch = $1 and slot = $2 for share),
owned as materialized (
  select run_id from ${schema}.ready where run_id = $3 and owner = $1 and exists (select from fence) for share skip locked),
given as materialized (
  select ($8::timestamptz[])[1] as started_at, ($8::timestamptz[])[2] as close_by,
    ${intervalOf('$9::float8')} as schedule_to_start, ${intervalOf('$10::float8')} as start_to_close,
    ${intervalOf('$11::float8')} as heartbeat),
waiting as (
  insert into ${schema}.activity_tasks
    (run_id, seq, queue, type, attempt, started_at, close_by, schedule_to_start, start_to_close, heartbeat, deadline,
     staged)
  select $3, $4, $5, $6, $7, started_at, close_by, schedule_to_start, start_to_close, heartbeat,
    least(close_by, started_at + start_to_close, started_at + heartbeat), $12::json
  from owned, given on conflict (run_id, seq) do nothing)
select exists (select from owned) as owned, exists (select from fence) as fence`,
    values: [
      owner.epoch,
      owner.slot,
      task.runId,
      task.seq,
      task.queue,
      task.type,
      task.attempt,
      timestampArray(task.closeBy === null ? [task.startedAt] : [task.startedAt, task.closeBy]),
      task.scheduleToStartMs,
      task.startToCloseMs,
      task.heartbeatMs,
      task.staged,
    ],
  });
  const [row] = rows;
  return row === undefined || !row.fence ? undefined : row.owned;
}

/**
 * Leaves an attempt and the patches that it staged to a client, which will complete it. False when the attempt has ended
 * or the worker is dead.
 */
export async function leaveToClient(
  database: Database,
  worker: Fence,
  task: TaskKey & { readonly attempt: number },
  staged: string | null,
): Promise<boolean> {
  const { schema, pool } = database;
  const { rowCount } = await pool.query({
    name: `reprise_leave_to_client_${schema}`,
    text: `with fence as materialized (select 1 from ${schema}.fences where epoch = $1 and slot = $2 for share)
update ${schema}.activity_tasks t set worker = null, staged = $6::json from fence
where t.run_id = $3 and t.seq = $4 and t.attempt = $5 and t.worker = $1`,
    values: [worker.epoch, worker.slot, task.runId, task.seq, task.attempt, staged],
  });
  return rowCount === 1;
}

/** An attempt as a client identifies it. */
export interface AttemptKey extends TaskKey {
  /** Undefined: the present attempt. */
  readonly attempt: number | undefined;
}

export interface ClientOutcome {
  readonly type: 'ActivityCompleted' | 'ActivityFailed' | 'ActivityCancelled';
  readonly payload: Uint8Array;
  readonly reason: string | null;
}

/**
 * Ends the attempt of a task. `locked`: another session holds the run's row, try again. `missing`: the task does not
 * exist, or has another attempt. `not_requested`: nobody requested the attempt's cancellation.
 */
export async function endByClient(
  database: Database,
  key: AttemptKey,
  outcome: ClientOutcome,
): Promise<SentOutcome | 'locked' | 'missing' | 'not_requested'> {
  const { schema, pool } = database;
  const cancels = eventCode.ActivityCancelled;
  const { rows } = await pool.query<{ sent: SentOutcome[]; locked: boolean; standing: boolean }>({
    name: `reprise_end_by_client_${schema}`,
    text: `with ${lockedRuns(schema, '$1::uuid[]')},
gone as (
  delete from ${schema}.activity_tasks t using locked l
  where t.run_id = any ($1::uuid[]) and t.run_id = l.run_id and t.seq = $2 and ($3::int is null or t.attempt = $3)
    and ($4::int <> ${cancels} or t.cancel_requested)
  returning t.run_id, t.seq, t.attempt, t.unsafe, t.staged),
forgotten as (
  delete from ${schema}.activity_heartbeats h using gone
  where h.run_id = gone.run_id and h.seq = gone.seq and $4 = ${eventCode.ActivityCompleted}),
outgoing as materialized (
  select run_id, seq, $4::int as code, null::text as name, $5::bytea as payload, $6::text as reason,
    case when staged is null or $4 <> ${eventCode.ActivityCompleted}
      then json_build_object('seq', seq, 'attempt', attempt, 'unsafe', unsafe)
      else json_build_object('seq', seq, 'attempt', attempt, 'unsafe', unsafe, 'patches', staged) end as meta from gone),
${sending(
  schema,
  `exists (select from locked) as locked, exists (select from ${schema}.activity_tasks t
    where t.run_id = any ($1::uuid[]) and t.seq = $2 and ($3::int is null or t.attempt = $3)) as standing, `,
)}`,
    values: [
      [key.runId],
      key.seq,
      key.attempt ?? null,
      eventCode[outcome.type],
      Buffer.from(outcome.payload),
      outcome.reason,
    ],
  });
  const { sent, locked, standing } = rows[0]!;
  if (sent[0] !== undefined) return sent[0];
  if (!locked) return 'locked';
  return standing && outcome.type === 'ActivityCancelled' ? 'not_requested' : 'missing';
}

/** Records a heartbeat that a client sends for an attempt. Returns `gone` if there is no task. */
export async function beatByClient(database: Database, key: AttemptKey, details: Uint8Array): Promise<TaskState> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{ state: TaskState | null }>({
    name: `reprise_beat_by_client_${schema}`,
    text: `with beat as (
  update ${schema}.activity_tasks set beat_at = clock_timestamp(),
    deadline = least(close_by, started_at + start_to_close, clock_timestamp() + heartbeat)
  where run_id = $1 and seq = $2 and ($3::int is null or attempt = $3) and started_at is not null
    and exists (select from ${schema}.ready r where r.run_id = $1)
    and set_config('synchronous_commit', 'off', true) is not null
  returning run_id, seq, ${stateText} as state),
kept as (
  insert into ${schema}.activity_heartbeats (run_id, seq, details) select run_id, seq, $4 from beat
  on conflict (run_id, seq) do update set details = excluded.details)
select coalesce((select state from beat), (select 'paused' from ${schema}.activity_tasks
  where run_id = $1 and seq = $2 and paused and started_at is null)) as state`,
    values: [key.runId, key.seq, key.attempt ?? null, Buffer.from(details)],
  });
  return rows[0]?.state ?? 'gone';
}

/** The fork that goes on with the activity in place of a closed run: a token that names the old run stays valid. */
export async function heirOf({ pool, schema }: Database, { runId, seq }: TaskKey): Promise<string | undefined> {
  const { rows } = await pool.query<{ heir: string | null }>(`select ${schema}.heir($1, $2) as heir`, [runId, seq]);
  return rows[0]?.heir ?? undefined;
}

/** The state of an activity according to the log and the inbox. */
export interface LoggedActivity {
  /** True if nothing has ended the activity, and the inbox holds no message that certainly will. */
  readonly isOpen: boolean;
  readonly cancelRequested: boolean;
  /** Number of its present attempt: 1 + the attempts that failed or were lost. */
  readonly attempt: number;
  /** True if the inbox holds the message with the given id. */
  readonly isWaiting: boolean;
  /** True if the log holds the message with the given id. */
  readonly isTaken: boolean;
}

/** `messageId`: the correlation id of the client's own message. Undefined when there is no such activity. */
export async function readActivity(
  database: Database,
  { runId, seq }: TaskKey,
  messageId: string | null,
): Promise<LoggedActivity | undefined> {
  const { schema, pool } = database;
  const { rows } = await pool.query<LoggedActivity>(
    `select coalesce(not bool_or(e.type in (${codes(closingTypes)})), true) and run.closed_at is null and not exists (
    select from ${schema}.inbox i where i.run_id = $1 and i.type in (${codes(closingTypes)}) and (i.meta->>'seq')::int = $2
      and i.correlation_id is null)
    as "isOpen",
  coalesce(bool_or(e.type = ${eventCode.ActivityCancelRequested}), false) as "cancelRequested",
  1 + count(*) filter (where e.type = ${eventCode.ActivityAttemptFailed})::int + (
    select count(*)::int from ${schema}.line($1) l join ${schema}.events w
      on w.run_id = l.run_id and w.seq between l.first and l.last
    where w.seq > $2 and w.type = ${eventCode.WorkerLost} and w.meta::jsonb->'activities' @> to_jsonb($2::int)) as attempt,
  exists (select from ${schema}.inbox i where i.run_id = $1 and i.correlation_id = $3) as "isWaiting",
  coalesce(bool_or(e.correlation_id = $3), false) as "isTaken"
from ${schema}.runs run
-- A fork may have inherited the activity, and its failed attempts.
join lateral (select l.run_id from ${schema}.line($1) l where $2 between l.first and l.last) home on true
join ${schema}.events s on s.run_id = home.run_id and s.seq = $2
left join lateral (select e.* from ${schema}.line($1) l join ${schema}.events e
  on e.run_id = l.run_id and e.seq between l.first and l.last where e.seq > s.seq and e.answers = s.seq) e on true
where run.run_id = $1 and s.type = ${eventCode.ActivityScheduled} group by run.closed_at`,
    [runId, seq, messageId],
  );
  return rows[0];
}

/** The seq of the run's latest activity with this activity id; undefined if there is none. */
export async function findActivity(database: Database, runId: string, activityId: string): Promise<number | undefined> {
  const { pool, schema } = database;
  const rowsOfLine = rowsOf(schema, await lineWithin(pool, schema, runId));
  const { rows } = await pool.query<{ seq: number | null }>(
    `select max(seq) as seq from ${rowsOfLine} and type = ${eventCode.ActivityScheduled} and meta->>'id' = $1`,
    [activityId],
  );
  return rows[0]?.seq ?? undefined;
}
