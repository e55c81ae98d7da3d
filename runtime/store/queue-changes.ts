// Owned runs whose place to wait in changes: that of a version, of a deployment, or of none. What the log says of a run
// decides; its ready row only keeps it for claims.
import type pg from 'pg';
import type { Fence, ParkedRun } from './claim.ts';
import { timestampArray, uuidArray } from './pg-binary.ts';

const fenceText = (schema: string): string =>
  `fence as materialized (
  select set_config('synchronous_commit', 'off', true) from ${schema}.fences where epoch = $1 and slot = $2 for share),
locked as materialized (
  select run_id from ${schema}.ready where run_id = any($3::uuid[]) and owner = $1 and exists (select from fence)
  order by run_id for no key update skip locked)`;

/** As `park`, into the queues that the runs name; runs that were not begun here keep the owner that they lost. */
export async function parkInto(
  client: pg.ClientBase,
  schema: string,
  fence: Fence,
  runs: readonly ParkedRun[],
): Promise<string[]> {
  const { rows } = await client.query<{ run_id: string }>({
    name: `reprise_park_into_${schema}`,
    text: `with ${fenceText(schema)}
update ${schema}.ready r set owner = null, queue = coalesce(p.queue, r.queue), lost = coalesce(p.lost, r.lost),
  wake_at = case when r.mail = p.mail then p.wake_at else clock_timestamp() end
from unnest($3::uuid[], $4::int[], $5::timestamptz[], $6::text[], $7::int[]) as p(run_id, mail, wake_at, queue, lost), locked, fence
where r.run_id = any ($3::uuid[]) and r.run_id = p.run_id and locked.run_id = p.run_id
returning r.run_id`,
    values: [
      fence.epoch,
      fence.slot,
      uuidArray(runs.map((run) => run.runKey)),
      runs.map((run) => run.mail),
      timestampArray(runs.map((run) => run.wakeAt)),
      runs.map((run) => run.queue ?? null),
      runs.map((run) => run.lost ?? null),
    ],
  });
  return rows.map((row) => row.run_id);
}

/** Where owned runs will wait, should their owner die. Returns the ids of those that were changed; locked rows are left. */
export async function assignQueues(
  client: pg.ClientBase,
  schema: string,
  fence: Fence,
  runs: readonly { readonly runKey: Uint8Array; readonly queue: string }[],
): Promise<string[]> {
  const { rows } = await client.query<{ run_id: string }>({
    name: `reprise_assign_queues_${schema}`,
    text: `with ${fenceText(schema)}
update ${schema}.ready r set queue = p.queue
from unnest($3::uuid[], $4::text[]) as p(run_id, queue), locked, fence
where r.run_id = any ($3::uuid[]) and r.run_id = p.run_id and locked.run_id = p.run_id
returning r.run_id`,
    values: [fence.epoch, fence.slot, uuidArray(runs.map((run) => run.runKey)), runs.map((run) => run.queue)],
  });
  return rows.map((row) => row.run_id);
}
