// Limits how many activities all workers of a task queue together start per second, by handing out consecutive start
// times.
import type { Database } from '../sql/database.ts';

/**
 * Reserves `count` starts of a queue that allows `perSecond`. Returns the time in ms until the first start; the others
 * follow evenly spaced. Does not wait for the disk, because a crash forgets starts of at most one second.
 */
export async function takeStarts(
  database: Database,
  queue: string,
  { perSecond, count }: { readonly perSecond: number; readonly count: number },
): Promise<number> {
  const { schema, pool } = database;
  const span = `$2::float8 * interval '1 second'`;
  const { rows } = await pool.query<{ ms: number }>({
    name: `reprise_take_starts_${schema}`,
    text: `insert into ${schema}.activity_rates as r (queue, next_at)
select $1, clock_timestamp() + ${span} where set_config('synchronous_commit', 'off', true) is not null
on conflict (queue) do update set next_at = greatest(r.next_at, clock_timestamp()) + ${span}
returning extract(epoch from (next_at - ${span} - clock_timestamp()))::float8 * 1000 as ms`,
    values: [queue, count / perSecond],
  });
  return Math.max(0, rows[0]!.ms);
}

/** Returns starts that were reserved but not used. */
export async function returnStarts(
  database: Database,
  queue: string,
  { perSecond, count }: { readonly perSecond: number; readonly count: number },
): Promise<void> {
  const { schema, pool } = database;
  await pool.query({
    name: `reprise_return_starts_${schema}`,
    text: `update ${schema}.activity_rates set next_at = next_at - $2::float8 * interval '1 second'
where queue = $1 and set_config('synchronous_commit', 'off', true) is not null`,
    values: [queue, count / perSecond],
  });
}
