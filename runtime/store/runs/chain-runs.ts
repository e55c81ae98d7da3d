// The runs before a run in its chain: the runs that continued as new, the earlier attempts and the earlier runs of a
// schedule. Only runs whose rows are still there.
import { startRunId } from './start-facts.ts';
import type { Database } from '../sql/database.ts';

export interface ChainRun {
  readonly runId: string;
  readonly startedAt: Date;
}

/** The run and its predecessors, newest first. Ends where a predecessor was pruned. */
export async function readChain({ pool, schema }: Database, runId: string): Promise<ChainRun[]> {
  const { rows } = await pool.query<{ run_id: string; started_at: Date }>(
    `with recursive chain(run_id, started_at, start_run_id, place) as (
  select run_id, started_at, start_run_id, 0 from ${schema}.runs where run_id = $1
  union all
  select r.run_id, r.started_at, r.start_run_id, place + 1 from chain c
  cross join lateral (select (meta->>'continuedFrom')::uuid as before from ${schema}.events
    where run_id = ${startRunId('c')} and seq = 1 limit 1) s
  join ${schema}.runs r on r.run_id = s.before)
select run_id, started_at from chain order by place`,
    [runId],
  );
  return rows.map((row) => ({ runId: row.run_id, startedAt: row.started_at }));
}
