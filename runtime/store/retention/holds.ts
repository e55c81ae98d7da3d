// Holds: runs that retention must keep. Their own table, because a closed run is never written again.
import { readChain } from '../runs/chain-runs.ts';
import type { Database } from '../sql/database.ts';

/** Holds the run and its predecessors in the chain. A second hold replaces reason and actor. */
export async function holdRun(
  database: Database,
  runId: string,
  { reason, actor }: { readonly reason: string; readonly actor: string },
): Promise<void> {
  const runs = (await readChain(database, runId)).map((run) => run.runId);
  const { pool, schema } = database;
  // The lock makes a prune that has chosen the run see the hold, or this statement find the run gone.
  await pool.query(
    `with kept as materialized (select run_id from ${schema}.runs where run_id = any($1::uuid[]) order by run_id for key share)
insert into ${schema}.run_holds (run_id, reason, actor) select run_id, $2, $3 from kept
on conflict (run_id) do update set reason = excluded.reason, actor = excluded.actor, at = clock_timestamp()`,
    [runs, reason, actor],
  );
}

/** False when no run of the chain was held. */
export async function releaseRun(database: Database, runId: string): Promise<boolean> {
  const runs = (await readChain(database, runId)).map((run) => run.runId);
  const { rowCount } = await database.pool.query(
    `delete from ${database.schema}.run_holds where run_id = any($1::uuid[])`,
    [runs],
  );
  return (rowCount ?? 0) > 0;
}
