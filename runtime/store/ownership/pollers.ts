// Finds the live workers that could take a run.
import { deploymentPrefix, queueKey, versionPrefix } from '../../core/run/deployment.ts';
import type { Database } from '../sql/database.ts';
import type { RunRow } from '../runs/run-row.ts';

/** A live worker of a task queue. */
export interface Poller {
  deployment_name: string | null;
  build_id: string | null;
  /** True if the worker's version is current or ramping. */
  is_routed: boolean;
}

/** SQL: the columns of a Poller, from `workers w left join ${versionText}`. */
export const pollerColumns =
  'w.deployment_name, w.build_id, coalesce(v.is_current or v.ramp_percentage > 0, false) as is_routed';

/** SQL: the join with the version of a worker `w`. */
export function versionText(schema: string, namespace: string): string {
  return `${schema}.deployment_versions v
  on v.namespace = ${namespace} and v.deployment_name = w.deployment_name and v.build_id = w.build_id`;
}

interface PollerRow extends Poller {
  /** Queue of the run's ready row; null for a closed run. */
  waits_in: string | null;
}

/** Live workers that may claim the run where it waits now; for a closed run, workers that poll its task queue. */
export async function countPollers(database: Database, run: RunRow): Promise<number> {
  const { schema, pool } = database;
  const queue = queueKey(run.namespace, run.task_queue);
  const { rows } = await pool.query<PollerRow>(
    `select (select queue from ${schema}.ready where run_id = $1) as waits_in, ${pollerColumns}
from ${schema}.leases l join ${schema}.workers w on w.epoch = l.epoch
left join ${versionText(schema, '$3')}
where l.queue = $2 and l.expires_at > clock_timestamp() and w.bundle_hash is not null`,
    [run.run_id, queue, run.namespace],
  );
  return rows.filter((row) => row.waits_in === null || mayTake(row, row.waits_in, queue)).length;
}

/**
 * Whether a worker of task queue `queue` takes work that waits in `waitsIn`: the task queue's key, or the queue of a
 * version.
 */
export function mayTake(worker: Poller, waitsIn: string, queue: string): boolean {
  const { deployment_name: deploymentName, build_id: buildId } = worker;
  if (deploymentName === null || buildId === null) return waitsIn === queue;
  if (waitsIn === versionPrefix({ deploymentName, buildId }) + queue) return true;
  return worker.is_routed && (waitsIn === queue || waitsIn === deploymentPrefix(deploymentName) + queue);
}
