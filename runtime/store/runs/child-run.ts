// Finds and starts the run that a ChildWorkflowInitiated requests. A start can be repeated, because the child's run id
// is computed from the event.
import type { RunLink } from '../../core/log/activation.ts';
import { type LogOwner, runIdAt } from '../../core/log/line.ts';
import { childStartMeta } from '../../core/run/start-meta.ts';
import { type StartTiming, timingOfStart } from '../../core/run/chain.ts';
import { placeAfter, queueKey, type RunVersioning, type VersionedPlace } from '../../core/run/deployment.ts';
import type { PropertiesMeta } from '../../core/run/run-properties.ts';
import type { RunStatus } from '../../core/log/transition.ts';
import { refusedAfter } from '../../core/run/refused-after.ts';
import type { OpenChild } from '../../core/run/run-links.ts';
import { isPolledBy } from '../deployments/deployments.ts';
import type { Queryable } from '../sql/queryable.ts';
import { childRunId, newSeed } from './run-id.ts';
import { startRunId } from './start-facts.ts';
import type { NewRun } from './start-run.ts';

/** The parts of the parent that a child's start depends on. */
export interface ParentRun extends LogOwner {
  readonly workflowId: string;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly root: RunLink | undefined;
  readonly versioning: RunVersioning | undefined;
}

export interface ChildStart {
  readonly run: NewRun;
  readonly timing: StartTiming;
  /** The start is refused if the last run of its workflow id has one of these statuses. */
  readonly refusedAfter: readonly RunStatus[];
}

/**
 * The place of a child. A child of a pinned run starts on the parent's version if workers of that version poll its
 * queue.
 */
async function placeOf(
  client: Queryable,
  schema: string,
  { runId, taskQueue, versioning }: ParentRun,
  child: OpenChild,
): Promise<VersionedPlace | undefined> {
  const place = placeAfter(versioning, 'child');
  const queue = child.meta.taskQueue ?? taskQueue;
  if (place === undefined || queue === taskQueue) return place;
  return (await isPolledBy(client, schema, runId, place, queue)) ? place : undefined;
}

/** The run that the child names as its parent: the run whose row holds the request, or the fork that repeats it. */
function homeOf(parent: LogOwner, child: { readonly seq: number; readonly restartedBy?: string }): string {
  return child.restartedBy ?? runIdAt(parent, child.seq);
}

export async function childStart(
  client: Queryable,
  schema: string,
  parent: ParentRun,
  { child, args }: { readonly child: OpenChild; readonly args: Uint8Array },
): Promise<ChildStart> {
  const place = await placeOf(client, schema, parent, child);
  const { namespace } = parent;
  const { workflowId, workflowType, seq } = child;
  // A fork starts a child of its origin under the same id as the origin would.
  const parentRunId = homeOf(parent, child);
  const { reuse } = child.meta;
  const meta = childStartMeta({ ...parent, runId: parentRunId }, child, newSeed(), place?.inherits);
  const { taskQueue } = meta;
  return {
    run: {
      runId: childRunId(parentRunId, seq, child.initiatedAt),
      namespace,
      workflowId,
      workflowType,
      taskQueue,
      queue: (place?.prefix ?? '') + queueKey(namespace, taskQueue),
      parentRunId,
      properties: propertiesOf(child.meta),
      args,
      meta: JSON.stringify(meta),
    },
    timing: timingOfStart(meta),
    refusedAfter: reuse === undefined ? [] : refusedAfter[reuse],
  };
}

/** JSON of a PropertiesMeta; null when there are none. */
function propertiesOf({ memo, searchAttributes, searchAttributeTypes }: PropertiesMeta): string | null {
  const text = JSON.stringify({ memo, searchAttributes, searchAttributeTypes });
  return text === '{}' ? null : text;
}

/** Whether the run exists, open or closed. */
export async function runExists(client: Queryable, schema: string, runId: string): Promise<boolean> {
  const { rows } = await client.query(`select 1 from ${schema}.runs where run_id = $1`, [runId]);
  return rows.length > 0;
}

/** The open run of a child's chain; undefined when the chain has ended or never started. */
export async function openRunOfChild(
  client: Queryable,
  schema: string,
  parent: Pick<ParentRun, 'runId' | 'line' | 'namespace'>,
  child: { readonly workflowId: string; readonly seq: number; readonly restartedBy?: string },
): Promise<string | undefined> {
  const { rows } = await client.query(
    `select r.run_id from ${schema}.runs r join ${schema}.events s on s.run_id = ${startRunId('r')} and s.seq = 1
where r.namespace = $1 and r.workflow_id = $2 and r.parent_run_id = $3 and r.closed_at is null and (s.meta->'parent'->>'seq')::int = $4`,
    [parent.namespace, child.workflowId, homeOf(parent, child), child.seq],
  );
  return (rows as { run_id: string }[])[0]?.run_id;
}

/** The latest run of a child's chain, open or closed; undefined when the child never started. */
export async function lastRunOfChild(
  client: Queryable,
  schema: string,
  parent: Pick<ParentRun, 'runId' | 'line' | 'namespace'>,
  child: { readonly workflowId: string; readonly seq: number; readonly restartedBy?: string },
): Promise<string | undefined> {
  const { rows } = await client.query(
    `select r.run_id from ${schema}.runs r join ${schema}.events s on s.run_id = ${startRunId('r')} and s.seq = 1
where r.namespace = $1 and r.workflow_id = $2 and r.parent_run_id = $3 and (s.meta->'parent'->>'seq')::int = $4
order by r.run_id desc limit 1`,
    [parent.namespace, child.workflowId, homeOf(parent, child), child.seq],
  );
  return (rows as { run_id: string }[])[0]?.run_id;
}

/**
 * Whether the open run that has a child's workflow id will end by its parent close policy: its parent is a run that
 * this fork took the place of, and the fork has not adopted it.
 */
export async function isToEnd(
  client: Queryable,
  schema: string,
  { runId, namespace }: Pick<ParentRun, 'runId' | 'namespace'>,
  { workflowId }: Pick<OpenChild, 'workflowId'>,
): Promise<boolean> {
  const { rows } = await client.query(
    `select from ${schema}.runs c join ${schema}.events s on s.run_id = ${startRunId('c')} and s.seq = 1
join ${schema}.runs p on p.run_id = c.parent_run_id and p.taken_over_by = $3 and p.closed_at is not null
cross join lateral (select (s.meta->'parent'->>'seq')::int as seq) own
join lateral ${schema}.line(p.run_id) l on own.seq between l.first and l.last
join ${schema}.events e on e.run_id = l.run_id and e.seq = own.seq
where c.namespace = $1 and c.workflow_id = $2 and c.closed_at is null
  and ${schema}.heir(p.run_id, own.seq) is null and coalesce(e.meta->>'parentClose', '') <> 'ABANDON'`,
    [namespace, workflowId, runId],
  );
  return rows.length > 0;
}
