// Activities offered to the workers of a task queue: claims, heartbeats and states of tasks. Writes here do not wait
// for the disk: a crash that loses them also ends the sessions of owner and worker, and then both start again.
// task-offers.ts creates tasks, and activity-outcomes.ts ends them.
import type pg from 'pg';
import type { Micros } from '../../core/log/event.ts';
import { placedQueue, type WorkerDeploymentVersion } from '../../core/run/deployment.ts';
import { isOfActivities, userNamespace } from '../../core/activity/standalone.ts';
import type { Fence } from '../ownership/fence.ts';
import type { ClaimRoute } from '../ownership/claim.ts';
import { routedText, routeText } from '../deployments/deployments.ts';
import type { Database } from '../sql/database.ts';
import { microsOf } from '../sql/sql-text.ts';
import { timestampArray } from '../codec/pg-binary.ts';
import { mayTake, type Poller, pollerColumns, versionText } from '../ownership/pollers.ts';

/** A task stands for an activity of a run. The activity's seq is that of its ActivityScheduled. */
export interface TaskKey {
  readonly runId: string;
  readonly seq: number;
}

export interface ClaimedTask extends TaskKey {
  readonly type: string;
  readonly attempt: number;
  readonly dueAt: Micros;
  readonly startedAt: Micros;
  readonly scheduledAt: Micros;
  /** The run whose row holds the schedule: the run itself, or an ancestor of a fork. */
  readonly scheduledIn: string;
  /** Arguments, encoded. */
  readonly args: Uint8Array | null;
  /** JSON text of a ScheduledMeta. */
  readonly meta: string;
  /** Last progress of an earlier attempt, encoded. */
  readonly details: Uint8Array | null;
  /** Deadline of all attempts together; null without one. */
  readonly closeBy: Micros | null;
  readonly workflowId: string;
  readonly workflowType: string;
  /** True for an activity without a workflow: its run holds nothing else. */
  readonly isStandalone: boolean;
  /** JSON text of a ReplayPolicy, when the run is a replay fork. */
  readonly replay: string | null;
}

interface TaskRow {
  run_id: string;
  seq: number;
  type: string;
  attempt: number;
  due_at: string;
  scheduled_at: string;
  args: Buffer | null;
  meta: string;
  details: Buffer | null;
  close_by: string | null;
  workflow_id: string;
  workflow_type: string;
  namespace: string;
  scheduled_in: string;
  replay: string | null;
}

/** The activity types that a worker executes; `any` when it has a default activity. */
export interface ActivityTypes {
  readonly names: readonly string[];
  readonly any: boolean;
}

/** The type that a worker with a default activity registers. It stands for every type. */
export const anyType = 'default';

/** What a versioned worker adds to a claim. */
export interface VersionedClaim {
  readonly version: WorkerDeploymentVersion;
  /** Key of the task queue. Set if only workers of this version count as executors of an activity type. */
  readonly among?: string;
  /** Claims only tasks that the version may take at this moment. */
  readonly route?: ClaimRoute;
}

interface ClaimTexts {
  readonly name: string;
  readonly route: string;
  readonly routed: string;
  /** SQL: live workers that count as executors of an activity type. */
  readonly workers: string;
  readonly values: readonly string[];
}

const withoutVersion: ClaimTexts = { name: '', route: '', routed: '', workers: 'l.queue = $3', values: [] };

function claimTexts(schema: string, versioned: VersionedClaim | undefined): ClaimTexts {
  if (versioned === undefined) return withoutVersion;
  const { version, among, route } = versioned;
  const values = [version.deploymentName, version.buildId];
  const parameter = (value: string): string => `$${7 + values.push(value)}`;
  const namespace = route === undefined ? undefined : parameter(route.namespace);
  return {
    name: `${among === undefined ? '' : '_of_version'}${route === undefined ? '' : '_routed'}`,
    route:
      namespace === undefined
        ? ''
        : `route as materialized (${routeText(schema, { namespace, deployment: '$8', build: '$9' })}),
`,
    routed: namespace === undefined ? '' : `and ${routedText(schema, 't.run_id')}`,
    workers:
      among === undefined
        ? 'l.queue = $3'
        : `l.queue = ${parameter(among)} and w.deployment_name = $8 and w.build_id = $9`,
    values,
  };
}

/**
 * Claims up to `limit` due tasks of a queue, the longest due first. Claims tasks of the given types, and of types that
 * no live worker of the queue executes, because some worker must report those as failed. Finds waiting types by jumping
 * from one to the next in the index, so a worker does not read past tasks that it cannot use.
 */
export async function claimTasks(
  client: pg.ClientBase,
  schema: string,
  fence: Fence,
  options: { queue: string; types: ActivityTypes; now: Micros; limit: number; versioned?: VersionedClaim | undefined },
): Promise<ClaimedTask[]> {
  const waiting = `select min(t.type) from ${schema}.activity_tasks t where t.queue = $3 and t.due_at is not null`;
  const texts = claimTexts(schema, options.versioned);
  const { rows } = await client.query<TaskRow>({
    name: `reprise_claim_tasks_${schema}${texts.name}`,
    text: `with recursive ${texts.route}waiting(type) as (
  ${waiting} union all select (${waiting} and t.type > w.type) from waiting w where w.type is not null),
mine as materialized (
  select type from waiting where type is not null and ($4 or type = any($5::text[]) or not exists (
    select from ${schema}.leases l join ${schema}.workers w on w.epoch = l.epoch
    where ${texts.workers} and w.activity_types && array[waiting.type, '${anyType}']))),
due as materialized (
  select d.run_id, d.seq, d.due_at, d.args_seq from mine cross join lateral (
    select t.run_id, t.seq, t.due_at, t.args_seq from ${schema}.activity_tasks t
    where t.queue = $3 and t.type = mine.type and t.due_at <= ($6::timestamptz[])[1]
      and exists (select from ${schema}.ready r where r.run_id = t.run_id) ${texts.routed}
    order by t.due_at limit $7 for no key update of t skip locked) d order by d.due_at limit $7),
fence as materialized (
  select set_config('synchronous_commit', 'off', true) from ${schema}.fences
  where epoch = $1 and slot = $2 and exists (select from due) for share)
update ${schema}.activity_tasks t set worker = $1, due_at = null, start_by = null, started_at = ($6::timestamptz[])[1],
  beat_at = null, deadline = least(t.close_by, ($6::timestamptz[])[1] + t.start_to_close, ($6::timestamptz[])[1] + t.heartbeat)
from fence, due
cross join lateral (
  select r.workflow_id, r.workflow_type, r.namespace, case when due.seq <= r.forked_seq then (
    select l.run_id from ${schema}.line(due.run_id) l where due.seq between l.first and l.last) else due.run_id end as scheduled_in,
    case when due.args_seq <= r.forked_seq then (
    select l.run_id from ${schema}.line(due.run_id) l where due.args_seq between l.first and l.last) else due.run_id end as edited_in,
    case when r.kind = 'replay' then (
      select f.meta->>'replay' from ${schema}.events f where f.run_id = due.run_id order by f.seq limit 1) end as replay
  from ${schema}.runs r where r.run_id = due.run_id limit 1) r
cross join lateral (
  select e.at, e.meta, case when due.args_seq is null then e.payload else (
    select p.payload from ${schema}.events p where p.run_id = r.edited_in and p.seq = due.args_seq) end as payload
  from ${schema}.events e where e.run_id = r.scheduled_in and e.seq = due.seq limit 1) e
left join lateral (
  select h.details from ${schema}.activity_heartbeats h where h.run_id = due.run_id and h.seq = due.seq limit 1) h on true
where t.run_id = due.run_id and t.seq = due.seq and t.run_id = any (array(select run_id from due))
returning t.run_id, t.seq, t.type, t.attempt, ${microsOf('due.due_at')} as due_at, ${microsOf('e.at')} as scheduled_at,
  e.payload as args, coalesce(t.options::text, e.meta::text) as meta, h.details, ${microsOf('t.close_by')} as close_by, r.workflow_id, r.workflow_type, r.namespace, r.scheduled_in, r.replay`,
    values: [
      fence.epoch,
      fence.slot,
      options.queue,
      options.types.any,
      options.types.names,
      timestampArray([options.now]),
      options.limit,
      ...texts.values,
    ],
  });
  return rows.map((row) => ({
    runId: row.run_id,
    seq: row.seq,
    type: row.type,
    attempt: row.attempt,
    dueAt: Number(row.due_at),
    startedAt: options.now,
    scheduledAt: Number(row.scheduled_at),
    args: row.args,
    meta: row.meta,
    details: row.details,
    closeBy: row.close_by === null ? null : Number(row.close_by),
    scheduledIn: row.scheduled_in,
    workflowId: row.workflow_id,
    workflowType: row.workflow_type,
    isStandalone: isOfActivities(row.namespace),
    replay: row.replay,
  }));
}

/** `gone`: the attempt has ended. */
export type TaskState = 'running' | 'cancel_requested' | 'paused' | 'gone';

/** SQL: the TaskState of a running attempt. */
export const stateText =
  "case when cancel_requested then 'cancel_requested' when paused then 'paused' else 'running' end";

/** Records a heartbeat of an attempt, with its progress. */
export async function beatTask(
  database: Database,
  epoch: number,
  task: TaskKey & { readonly attempt: number },
  beat: { readonly now: Micros; readonly details: Uint8Array },
): Promise<TaskState> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{ state: TaskState }>({
    name: `reprise_beat_task_${schema}`,
    text: `with beat as (
  update ${schema}.activity_tasks set beat_at = ($5::timestamptz[])[1],
    deadline = least(close_by, started_at + start_to_close, ($5::timestamptz[])[1] + heartbeat)
  where run_id = $2 and seq = $3 and attempt = $4 and worker = $1
    and set_config('synchronous_commit', 'off', true) is not null
  returning run_id, seq, ${stateText} as state),
kept as (
  insert into ${schema}.activity_heartbeats (run_id, seq, details) select run_id, seq, $6 from beat
  on conflict (run_id, seq) do update set details = excluded.details)
select state from beat`,
    values: [epoch, task.runId, task.seq, task.attempt, timestampArray([beat.now]), Buffer.from(beat.details)],
  });
  return rows[0]?.state ?? 'gone';
}

/** The state, options and deadline of a running attempt. */
export interface AttemptTerms {
  readonly state: TaskState;
  /** JSON text of a ScheduledMeta that replaces the original one; null when nothing changed. */
  readonly options: string | null;
  readonly closeBy: Micros | null;
}

/** The running attempts of a worker, by `taskName`. */
export async function tasksOfWorker(database: Database, epoch: number): Promise<Map<string, AttemptTerms>> {
  const { rows } = await database.pool.query<{
    run_id: string;
    seq: number;
    attempt: number;
    state: TaskState;
    options: string | null;
    close_by: string | null;
  }>({
    name: `reprise_tasks_of_worker_${database.schema}`,
    text: `select run_id, seq, attempt, ${stateText} as state, options::text, ${microsOf('close_by')} as close_by
from ${database.schema}.activity_tasks where worker = $1`,
    values: [epoch],
  });
  return new Map(
    rows.map(({ run_id: runId, seq, attempt, state, options, close_by: closeBy }) => [
      taskName(runId, seq, attempt),
      { state, options, closeBy: closeBy === null ? null : Number(closeBy) },
    ]),
  );
}

export function taskName(runId: string, seq: number, attempt: number): string {
  return `${runId}:${seq}:${attempt}`;
}

/** A pending activity that the run's owner does not execute itself, as `describe` shows it. */
export interface RemoteTask {
  /** WAITING: a client completes the activity. PAUSED: the activity is paused, and no attempt is running. */
  readonly state: 'SCHEDULED' | 'STARTED' | 'WAITING' | 'CANCEL_REQUESTED' | 'PAUSED';
  readonly taskQueue: string;
  readonly attempt: number;
  /** Identity of the worker that executes it. */
  readonly worker: string | undefined;
  readonly startedAt: Date | undefined;
  readonly heartbeatAt: Date | undefined;
  /** When its next timeout fires. */
  readonly deadline: Date | undefined;
  /**
   * Number of live workers of its queue that execute its type and may take its version. While it is 0, the activity
   * waits.
   */
  readonly pollers: number;
  /** True if the attempt began on a worker that died, and must not be repeated. */
  readonly unknownEffect: boolean;
}

/** Tasks of a run, by seq. */
export async function tasksOfRun(
  database: Database,
  run: { readonly run_id: string; readonly namespace: string },
): Promise<Map<number, RemoteTask>> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{
    seq: number;
    queue: string;
    attempt: number;
    due_at: Date | null;
    identity: string | null;
    alive: boolean;
    started_at: Date | null;
    beat_at: Date | null;
    deadline: Date | null;
    cancel_requested: boolean;
    unsafe: boolean;
    pollers: readonly Poller[];
  }>(
    `select t.seq, t.queue, t.attempt, t.due_at, w.identity, t.started_at, t.beat_at, t.deadline, t.cancel_requested, t.unsafe,
  exists (select from ${schema}.fences f where f.epoch = t.worker) as alive,
  (select coalesce(json_agg(g), '[]') from (
    select ${pollerColumns} from ${schema}.leases l join ${schema}.workers w on w.epoch = l.epoch
    left join ${versionText(schema, '$2')}
    where l.queue = regexp_replace(t.queue, '^@[^/]*/', '') and l.expires_at > clock_timestamp()
      and w.activity_types && array[t.type, '${anyType}']) g) as pollers
from ${schema}.activity_tasks t left join ${schema}.workers w on w.epoch = t.worker where t.run_id = $1`,
    [run.run_id, userNamespace(run.namespace)],
  );
  return new Map(
    rows.map((row) => [
      row.seq,
      {
        state: taskState(row),
        taskQueue: placedQueue(row.queue).key.slice(userNamespace(run.namespace).length + 1),
        attempt: row.attempt,
        worker: row.identity ?? undefined,
        startedAt: row.started_at ?? undefined,
        heartbeatAt: row.beat_at ?? undefined,
        deadline: row.deadline ?? undefined,
        pollers: row.pollers.filter((poller) => mayTake(poller, row.queue, placedQueue(row.queue).key)).length,
        unknownEffect: row.unsafe && !row.alive,
      },
    ]),
  );
}

function taskState(row: {
  cancel_requested: boolean;
  due_at: Date | null;
  identity: string | null;
  started_at: Date | null;
}): RemoteTask['state'] {
  if (row.cancel_requested) return 'CANCEL_REQUESTED';
  if (row.due_at !== null) return 'SCHEDULED';
  if (row.started_at === null) return 'PAUSED';
  return row.identity === null ? 'WAITING' : 'STARTED';
}

/** Deletes the tasks of a closed run. */
export async function dropTasks(database: Database, runId: string): Promise<void> {
  await database.pool.query({
    name: `reprise_drop_tasks_${database.schema}`,
    text: `delete from ${database.schema}.activity_tasks where run_id = $1`,
    values: [runId],
  });
}

/**
 * Deletes tasks of closed runs that `dropTasks` missed, because the process that closed the run did not know of them or
 * died.
 */
export async function sweepTasks(database: Database): Promise<void> {
  const { schema, pool } = database;
  await pool.query(
    `delete from ${schema}.activity_tasks t where not exists (select from ${schema}.ready r where r.run_id = t.run_id)`,
  );
}
