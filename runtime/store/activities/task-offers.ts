// Creates tasks for activities: the owner of a run offers them to the workers of a task queue, or of one version. Does
// not wait for the disk; of the writes about tasks, only their ends do.
import type { OfferedTask } from '../../core/activity/offered-task.ts';
import { placedQueue } from '../../core/run/deployment.ts';
import type { Fence } from '../ownership/fence.ts';
import type { Database } from '../sql/database.ts';
import { ColumnEncoder } from '../codec/pg-binary.ts';
import { runIdBytes } from '../runs/run-id.ts';

/** SQL: an interval of a number of milliseconds. */
export const intervalOf = (column: string): string => `make_interval(secs => ${column} / 1000.0)`;

/**
 * Offers tasks of runs that `owner` owns. A task that already exists stays unchanged.
 * @returns ids of the runs whose tasks exist now. Each other run has another owner, or a sender holds its row.
 * Undefined when the owner was declared dead.
 */
export async function offerTasks(
  database: Database,
  owner: Fence,
  tasks: readonly OfferedTask[],
): Promise<Set<string> | undefined> {
  const { schema, pool } = database;
  const places = placesOf(tasks);
  const { rows } = await pool.query<{ run_ids: string[]; fence: boolean }>({
    name: `reprise_offer_tasks_${schema}${places === undefined ? '' : '_placed'}`,
    // Locks the run's row, so that no other worker can take the run over, see no task, and offer the task again.
    text: `with fence as materialized (
  select set_config('synchronous_commit', 'off', true) from ${schema}.fences where epoch = $1 and slot = $2 for share),
${givenTasks(3)},
owned as materialized (
  select run_id from ${schema}.ready where run_id = any($3::uuid[]) and owner = $1 and exists (select from fence)
  order by run_id for share skip locked),
${places === undefined ? '' : `${placedTasks(schema, 3 + taskArrays.length)},`}
${insertedTasks(schema, `${places === undefined ? 'given' : 'placed'} join owned using (run_id)`)}
select array(select run_id::text from owned) as run_ids, exists (select from fence) as fence`,
    values: [owner.epoch, owner.slot, ...offeredValues(tasks), ...(places ?? [])],
  });
  const [row] = rows;
  return row === undefined || !row.fence ? undefined : new Set(row.run_ids);
}

const taskArrays = 'uuid int text text int timestamptz timestamptz timestamptz float8 float8 float8 int'.split(' ');

/** Part of a statement: the tasks of `offeredValues`, whose parameters start at `$first`. */
export function givenTasks(first: number): string {
  const arrays = taskArrays.map((type, i) => `$${first + i}::${type}[]`).join(', ');
  return `given as materialized (select * from unnest(${arrays}) as g(run_id, seq, queue, ${givenRest}))`;
}

const givenRest = 'type, attempt, due_at, start_by, close_by, wait_ms, run_ms, beat_ms, args_seq';

/** The queue prefixes of tasks, each with its version; undefined when no task has a prefix. */
function placesOf(tasks: readonly OfferedTask[]): unknown[] | undefined {
  if (!tasks.some(({ queue }) => queue.startsWith('@'))) return undefined;
  const places = [
    ...new Map(tasks.map(({ queue }) => placedQueue(queue)).map((place) => [place.prefix, place])).values(),
  ];
  return [
    places.map(({ prefix }) => prefix),
    places.map(({ deploymentName }) => deploymentName ?? null),
    places.map(({ buildId }) => buildId ?? null),
  ];
}

/** Part of a statement: each given task with the queue where it waits. The parameters of `placesOf` start at `$first`. */
function placedTasks(schema: string, first: number): string {
  return `places as materialized (
  select * from unnest($${first}::text[], $${first + 1}::text[], $${first + 2}::text[]) as p(prefix, deployment, build)),
placed as materialized (
  select g.run_id, g.seq, case when exists (
      select from ${schema}.workers w where w.queue = substr(g.queue, length(p.prefix) + 1)
        and w.deployment_name = p.deployment and (p.build is null or w.build_id = p.build))
    then g.queue else substr(g.queue, coalesce(length(p.prefix), 0) + 1) end as queue, ${givenRest}
  from given g left join places p on p.prefix <> '' and starts_with(g.queue, p.prefix))`;
}

/**
 * Moves tasks from the shared queue of all workers (`queue` is its key) to the queues with these prefixes, if the
 * tasks' runs wait there. Call it when the first worker of a version starts. Skips locked tasks.
 */
export async function gatherTasks(database: Database, queue: string, prefixes: readonly string[]): Promise<void> {
  const { schema, pool } = database;
  await pool.query(
    `with unsynced as materialized (select set_config('synchronous_commit', 'off', true)),
found as materialized (
  select t.run_id, t.seq, p.prefix from ${schema}.activity_tasks t join ${schema}.ready r on r.run_id = t.run_id
  join unnest($2::text[]) as p(prefix) on starts_with(r.queue, p.prefix)
  where t.queue = $1 and exists (select from unsynced) for no key update of t skip locked)
update ${schema}.activity_tasks t set queue = found.prefix || t.queue from found
where t.run_id = found.run_id and t.seq = found.seq and t.queue = $1`,
    [queue, prefixes],
  );
}

/** Part of a statement: inserts the tasks of `from`. */
export function insertedTasks(schema: string, from: string): string {
  return `offered as (
  insert into ${schema}.activity_tasks (run_id, seq, queue, type, attempt, due_at, start_by, close_by, deadline,
    schedule_to_start, start_to_close, heartbeat, args_seq)
  select run_id, seq, queue, type, attempt, due_at, start_by, close_by, least(start_by, close_by),
    ${intervalOf('wait_ms')}, ${intervalOf('run_ms')}, ${intervalOf('beat_ms')}, args_seq
  from ${from} on conflict (run_id, seq) do nothing)`;
}

export function offeredValues(tasks: readonly OfferedTask[]): unknown[] {
  const [runId, dueAt] = [new ColumnEncoder('uuid'), new ColumnEncoder('timestamptz')];
  const [startBy, closeBy] = [new ColumnEncoder('timestamptz'), new ColumnEncoder('timestamptz')];
  for (const task of tasks) {
    runId.bytes(runIdBytes(task.runId));
    dueAt.timestamp(task.dueAt);
    for (const [column, at] of [[startBy, task.startBy] as const, [closeBy, task.closeBy] as const]) {
      if (at === null) column.null();
      else column.timestamp(at);
    }
  }
  return [
    runId.take(),
    tasks.map((task) => task.seq),
    tasks.map((task) => task.queue),
    tasks.map((task) => task.type),
    tasks.map((task) => task.attempt),
    dueAt.take(),
    startBy.take(),
    closeBy.take(),
    tasks.map((task) => task.scheduleToStartMs),
    tasks.map((task) => task.startToCloseMs),
    tasks.map((task) => task.heartbeatMs),
    tasks.map((task) => task.argsSeq ?? null),
  ];
}
