// Moves owned runs to the queue of a version, of a deployment, or of unversioned runs. The run's log decides on the
// queue. The ready row is a copy for claims.
import type pg from 'pg';
import type { Fence } from './fence.ts';
import { ownedRows } from './claim.ts';
import { uuidArray } from '../codec/pg-binary.ts';

/**
 * Sets the queues where owned runs wait if their owner dies. Returns the ids of the changed runs; skips locked rows.
 */
export async function assignQueues(
  client: pg.ClientBase,
  schema: string,
  fence: Fence,
  runs: readonly { readonly runKey: Uint8Array; readonly queue: string }[],
): Promise<string[]> {
  const { rows } = await client.query<{ run_id: string }>({
    name: `reprise_assign_queues_${schema}`,
    text: `with ${ownedRows(schema)}
update ${schema}.ready r set queue = p.queue
from unnest($3::uuid[], $4::text[]) as p(run_id, queue), locked, fence
where r.run_id = any ($3::uuid[]) and r.run_id = p.run_id and locked.run_id = p.run_id
returning r.run_id`,
    values: [fence.epoch, fence.slot, uuidArray(runs.map((run) => run.runKey)), runs.map((run) => run.queue)],
  });
  return rows.map((row) => row.run_id);
}
