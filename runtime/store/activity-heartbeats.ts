// Progress of running attempts, kept for the next attempt. Written without waiting for the disk: losing the last one costs
// the next attempt some work, never correctness.
import type { Database } from './database.ts';

/** Stores progress, unless the writer was declared dead. */
export async function storeHeartbeat(
  database: Database,
  epoch: number,
  runId: string,
  seq: number,
  details: Uint8Array,
): Promise<void> {
  await database.pool.query({
    name: `reprise_activity_heartbeat_${database.schema}`,
    text: `insert into ${database.schema}.activity_heartbeats (run_id, seq, details)
select $2, $3, $4 from ${database.schema}.fences where epoch = $1 and slot = 0 and set_config('synchronous_commit', 'off', true) is not null
on conflict (run_id, seq) do update set details = excluded.details`,
    values: [epoch, runId, seq, Buffer.from(details.buffer, details.byteOffset, details.byteLength)],
  });
}

/** Stored progress of a run's activities, by the seq of their ActivityScheduled. */
export async function readHeartbeats(database: Database, runId: string): Promise<Map<number, Uint8Array>> {
  const { rows } = await database.pool.query<{ seq: number; details: Buffer }>(
    `select seq, details from ${database.schema}.activity_heartbeats where run_id = $1`,
    [runId],
  );
  return new Map(rows.map((row) => [row.seq, row.details]));
}

export async function deleteHeartbeat(database: Database, runId: string, seq: number): Promise<void> {
  await database.pool.query(`delete from ${database.schema}.activity_heartbeats where run_id = $1 and seq = $2`, [
    runId,
    seq,
  ]);
}
