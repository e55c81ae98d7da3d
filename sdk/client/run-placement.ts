// The deployment version of a run, according to its log, and the workers that can answer queries about the run.
import {
  effectiveVersioning,
  prefixOf,
  queueKey,
  type RunVersioning,
  toCanonicalString,
  type VersioningBehavior,
  type VersioningOverride,
  type WorkerDeploymentVersion,
} from '../../runtime/core/run/deployment.ts';
import type { Database } from '../../runtime/store/sql/database.ts';
import { readRunVersioning } from '../../runtime/store/deployments/deployments.ts';
import type { RunRow } from '../../runtime/store/runs/run-row.ts';

export interface WorkflowVersioningInfo {
  /** Undefined until the first task completes, unless the start or the predecessor has set the behavior. */
  readonly behavior: VersioningBehavior | undefined;
  /** Version of the worker that completed the last task; before the first task, the version that the run is pinned to. */
  readonly deploymentVersion: WorkerDeploymentVersion | undefined;
  readonly versioningOverride: VersioningOverride | undefined;
}

/** Undefined for an unversioned run. */
export function versioningInfo(versioning: RunVersioning | undefined): WorkflowVersioningInfo | undefined {
  if (versioning === undefined) return undefined;
  const effective = effectiveVersioning(versioning);
  return {
    behavior: effective?.behavior ?? (versioning.versioningOverride === 'AUTO_UPGRADE' ? 'AUTO_UPGRADE' : undefined),
    deploymentVersion: versioning.recorded?.version ?? effective?.version,
    versioningOverride: versioning.versioningOverride,
  };
}

/** The queue whose workers can replay the run. Only the log knows the version of a closed run. */
export async function answeringQueue(database: Database, run: RunRow): Promise<string> {
  const queue = queueKey(run.namespace, run.task_queue);
  if (run.closed_at === null) return queue;
  return prefixOf(effectiveVersioning(await readRunVersioning(database.pool, database.schema, run.run_id))) + queue;
}

/** Describes the workers that can answer, for error messages. */
export async function whoAnswers(database: Database, run: RunRow): Promise<string> {
  const effective = effectiveVersioning(await readRunVersioning(database.pool, database.schema, run.run_id));
  const place = `polls task queue ${run.task_queue}`;
  if (effective === undefined) return `a worker ${place}`;
  const { behavior, version } = effective;
  const name = behavior === 'PINNED' ? `version ${toCanonicalString(version)}` : `deployment ${version.deploymentName}`;
  return `a worker of ${name} ${place}`;
}
