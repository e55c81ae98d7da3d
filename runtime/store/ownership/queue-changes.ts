// Owned runs whose place to wait in changes: that of a version, of a deployment, or of none. What the log says of a run
// decides; its ready row only keeps it for claims.
import type pg from 'pg';
import type { Fence } from './fence.ts';
import { ownedRows } from './claim.ts';
import { uuidArray } from '../codec/pg-binary.ts';

/** Where owned runs will wait, should their owner die. Returns the ids of those that were changed; locked rows are left. */
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
