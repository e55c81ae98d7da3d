// Creates the successor of a run: its row, its start, the context it inherits, and the unread mail. Runs in the transaction
// that closes the predecessor.
import type pg from 'pg';
import { notInherited, type SuccessorMeta } from '../../core/run/start-meta.ts';
import { placeAfter, type RunVersioning, type VersionedPlace } from '../../core/run/deployment.ts';
import { eventCode } from '../../core/log/event.ts';
import { isPolledBy } from '../deployments/deployments.ts';
import { closingTypes, linkTypes } from '../../core/log/event-groups.ts';
import { microsOf, timeOf } from '../sql/sql-text.ts';
import { newRunId, newSeed } from './run-id.ts';
import { startedText, startRunId } from './start-facts.ts';

const ofThisRun = [
  ...(['ActivityAttemptStarted', 'WorkerLost', 'WorkflowRolledBack', 'WorkflowRecovered', 'RecoveryApplied'] as const),
];

/** Messages about the old run's activities, children and messages to other runs do not concern the new run. */
const ofOldLog = ([...closingTypes, ...linkTypes, ...ofThisRun] as const).map((type) => eventCode[type]).join(', ');

const ofOldStart = notInherited.map((name) => `'${name}'`).join(', ');

export interface CarriedContext {
  /** JSON text of operations. */
  readonly ops: string;
  /** JSON text of a PatchMeta, which says where the document comes from. */
  readonly meta: string;
}

export interface ContinuedRun {
  readonly runId: string;
  readonly workflowType: string;
  /** Null: the arguments of the predecessor. */
  readonly args: Uint8Array | null;
  /** Changes to the meta of the start. */
  readonly meta: SuccessorMeta;
  /** The patch that creates the run's context; null when the run starts without a context. */
  readonly context: CarriedContext | null;
  /** Queue prefix and inherited version; undefined when the run is unversioned. */
  readonly place: VersionedPlace | undefined;
}

/** Checks whether the place is also valid in the new run's task queue, and returns the meta that records it. */
async function placeFor(
  client: pg.ClientBase,
  schema: string,
  oldRunId: string,
  { place, meta }: ContinuedRun,
): Promise<{ prefix: string; meta: SuccessorMeta }> {
  if (place === undefined) return { prefix: '', meta };
  const { prefix, inherits, isOverride } = place;
  const { taskQueue } = meta;
  if (taskQueue !== undefined && !isOverride && !(await isPolledBy(client, schema, oldRunId, place, taskQueue))) {
    return { prefix: '', meta };
  }
  return { prefix, meta: inherits === undefined ? meta : { ...meta, inheritedVersion: inherits } };
}

/** The place of a retry, or of the next run of a schedule. */
export function placeOfNext(next: SuccessorMeta, versioning: RunVersioning | undefined): VersionedPlace | undefined {
  return placeAfter(versioning, next.attempt === undefined ? 'scheduled' : 'retried');
}

/** A run of the same type, with the same arguments and a context of its own. */
export function nextRunOf(workflowType: string, meta: SuccessorMeta, place: VersionedPlace | undefined): ContinuedRun {
  return { runId: newRunId(), workflowType, args: null, meta: { ...meta, seed: newSeed() }, context: null, place };
}

/** Creates the run and returns the queue that it waits in. */
export async function continueRun(
  client: pg.ClientBase,
  schema: string,
  oldRunId: string,
  next: ContinuedRun,
): Promise<string> {
  const { prefix, meta } = await placeFor(client, schema, oldRunId, next);
  const { rows } = await client.query<{ queue: string }>({
    name: `reprise_continue_${schema}`,
    text: `with old as materialized (
  select r.namespace, r.workflow_id, r.parent_run_id, clock_timestamp() as at,
    case when $4::bytea is null then s.payload end as payload,
    ((started.meta - array[${ofOldStart}] - p.names) || p.properties
      || jsonb_build_object('firstRunId', coalesce(started.meta->>'firstRunId', started.run_id::text),
      'continuedFrom', $1::text,
      'chainStartedAt', coalesce((started.meta->>'chainStartedAt')::bigint, ${microsOf('s.at')})) || $5::jsonb) as meta
  from ${schema}.runs r join ${schema}.events s on s.run_id = ${startRunId('r')} and s.seq = 1
  cross join lateral ${startedText(schema, 'r', 's')} started
  -- A run that continues as new passes on its present memo and search attributes, a retry those it started with.
  cross join lateral (
    select coalesce(array_agg(key), '{}') as names, coalesce(jsonb_object_agg(key, value) filter (where value <> 'null'), '{}') as properties
    from jsonb_each(case when $4::bytea is null then '{}' else jsonb_build_object('memo', r.memo,
      'searchAttributes', r.search_attributes, 'searchAttributeTypes', r.search_attribute_types) end)) p
  where r.run_id = $1::uuid),
made as (
  insert into ${schema}.runs (run_id, namespace, workflow_id, workflow_type, task_queue, status, started_at,
    parent_run_id, memo, search_attributes, search_attribute_types)
  select $2::uuid, namespace, workflow_id, $3, meta->>'taskQueue', 'running', at,
    parent_run_id, meta->'memo', nullif(meta->'searchAttributes', '{}'), nullif(meta->'searchAttributeTypes', '{}') from old),
started as (
  insert into ${schema}.events (run_id, at, seq, type, name, payload, meta)
  select $2::uuid, at, 1, ${eventCode.WorkflowStarted}, $3, coalesce($4::bytea, payload), meta::text::json from old),
inherited as (
  insert into ${schema}.events (run_id, at, seq, type, answers, source, source_id, ops, meta)
  select $2::uuid, at, 2, ${eventCode.ContextPatched}, 1, 'system', $3, $6::json, $8::json from old where $6::text is not null),
unread as materialized (
  select id, row_number() over (order by id) as number from ${schema}.inbox where run_id = $1::uuid and type not in (${ofOldLog})),
forgotten as (delete from ${schema}.inbox where run_id = $1::uuid and type in (${ofOldLog})),
moved as (
  update ${schema}.inbox i set run_id = $2::uuid, id = u.number, owner = null from unread u
  where i.run_id = $1::uuid and i.id = u.id),
timed as (
  select *, at + (coalesce((meta->>'startDelayMs')::float8, 0) + coalesce((meta->>'backoffMs')::float8, 0))
    * interval '1 millisecond' as first_task from old),
due as (
  insert into ${schema}.ready (run_id, wake_at, deadline, queue, mail, claimed)
  select $2::uuid, least(first_task, deadline), deadline, $7::text || namespace || '/' || (meta->>'taskQueue'),
    (select count(*) from unread), $6::text is not null
  from timed cross join lateral (select least(
    first_task + (meta->>'runTimeoutMs')::float8 * interval '1 millisecond',
    ${timeOf("(meta->>'executionDeadline')")}) as deadline) d
  returning queue)
select queue from due`,
    values: [
      oldRunId,
      next.runId,
      next.workflowType,
      next.args,
      JSON.stringify(meta),
      next.context?.ops ?? null,
      prefix,
      next.context?.meta ?? null,
    ],
  });
  return rows[0]!.queue;
}
