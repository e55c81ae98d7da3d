// Tasks of paused runs: no worker may begin one, and an attempt that runs may end. The owner of the run holds and
// releases them. Does not wait for the disk: the run's next owner does the same again.
import type { Micros } from '../../core/log/event.ts';
import type { Fence } from '../ownership/fence.ts';
import type { Database } from '../sql/database.ts';
import { microsOf } from '../sql/sql-text.ts';

/** SQL: the task waits for a worker, now or when its run is resumed. */
export const isWaiting = '(t.due_at is not null or (t.due_when_resumed is not null and t.started_at is null))';

/** SQL: what holds a task. The timeout of its wait for a worker does not count while it is held. */
export const heldColumns = `due_when_resumed = coalesce(t.due_at, clock_timestamp()), due_at = null, start_by = null,
  deadline = case when t.started_at is null then t.close_by else t.deadline end`;

/** SQL: what releases a task. */
export const releasedColumns = `due_when_resumed = null,
  due_at = case when t.started_at is null then t.due_when_resumed end,
  start_by = case when t.started_at is null then greatest(t.due_when_resumed, clock_timestamp()) + t.schedule_to_start end,
  deadline = case when t.started_at is not null then t.deadline
    else least(t.close_by, greatest(t.due_when_resumed, clock_timestamp()) + t.schedule_to_start) end`;

const owned = (
  schema: string,
): string => `unsynced as materialized (select set_config('synchronous_commit', 'off', true)),
owned as materialized (
  select run_id from ${schema}.ready where run_id = $1 and owner = $2 and exists (select from unsynced) for share skip locked)`;

/** Holds the run's tasks. Returns false when the owner has lost the run, or when another session holds its row. */
export async function holdTasks(database: Database, { epoch }: Fence, runId: string): Promise<boolean> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{ owned: boolean }>(
    `with ${owned(schema)},
held as (update ${schema}.activity_tasks t set ${heldColumns} from owned
  where t.run_id = owned.run_id and t.due_when_resumed is null)
select exists (select from owned) as owned`,
    [runId, epoch],
  );
  return rows[0]!.owned;
}

/** Releases the run's tasks, and returns those that wait for a worker. Undefined: as `holdTasks` returns false. */
export async function releaseTasks(
  database: Database,
  { epoch }: Fence,
  runId: string,
): Promise<readonly { readonly queue: string; readonly dueAt: Micros }[] | undefined> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{ owned: boolean; tasks: { queue: string; due: number | null }[] }>(
    `with ${owned(schema)},
released as (update ${schema}.activity_tasks t set ${releasedColumns} from owned
  where t.run_id = owned.run_id and t.due_when_resumed is not null returning t.queue, ${microsOf('t.due_at')} as due)
select exists (select from owned) as owned, coalesce((select json_agg(released) from released), '[]') as tasks`,
    [runId, epoch],
  );
  const { owned: isOwned, tasks } = rows[0]!;
  if (!isOwned) return undefined;
  return tasks.flatMap(({ queue, due }) => (due === null ? [] : [{ queue, dueAt: due }]));
}
