// Starts runs: one short statement for any number of starts, on the caller's transaction if there is one.
import type { Queryable } from '../sql/queryable.ts';
import type pg from 'pg';
import { eventCode, type Micros } from '../../core/log/event.ts';
import type { Fence } from '../ownership/fence.ts';
import { eventColumns } from '../codec/event-rows.ts';
import { ColumnEncoder } from '../codec/pg-binary.ts';
import { lockMs } from '../sql/transaction.ts';
import { runIdBytes } from './run-id.ts';

export interface NewRun {
  readonly runId: string;
  readonly namespace: string;
  readonly workflowId: string;
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly queue: string;
  /** Id of the parent, if the run is a child. */
  readonly parentRunId?: string;
  /** JSON of a PropertiesMeta (memo and search attributes); null when the run has none. */
  readonly properties: string | null;
  readonly args: Uint8Array;
  readonly meta: string;
}

/**
 * Starts runs and returns the ids of the runs that were started. Open runs have the workflow ids of the others. Waits
 * up to `waitMs` for another open transaction that uses one of the workflow ids.
 * @throws lock_not_available
 */
export async function startRuns(
  client: pg.ClientBase | pg.Pool,
  schema: string,
  runs: readonly NewRun[],
  waitMs: number = lockMs,
): Promise<Set<string>> {
  const text = insertText(schema, `, ${patience('$11')}`);
  const values = [...givenValues(runs.toSorted(byWorkflowId)), String(waitMs)];
  const { rows } = await client.query<{ run_id: string }>({ name: `reprise_start_${schema}`, text, values });
  return new Set(rows.map((row) => row.run_id));
}

/**
 * Starts a run in the caller's transaction. Returns false when an open run has its workflow id. The transaction may use
 * any driver and pooler, so the call passes only text and values.
 */
export async function startRunWithin(transaction: Queryable, schema: string, run: NewRun): Promise<boolean> {
  const { rows } = await transaction.query(insertText(schema, ''), givenValues([run]));
  return rows.length > 0;
}

export interface OwnedStart {
  readonly run: NewRun;
  /** µs since 1970. */
  readonly at: Micros;
}

/**
 * Starts runs that `owner` owns from the start, if the owner's fence still exists, and appends `events` (of EventRows)
 * of those runs. Returns, by run id, whether `owner` owns the run. Omits runs whose workflow id belongs to an open run.
 * @throws lock_not_available when another open transaction uses a workflow id
 */
export async function startOwnedRuns(
  client: pg.ClientBase,
  schema: string,
  owner: Fence,
  starts: readonly OwnedStart[],
  events: Buffer,
): Promise<Map<string, boolean>> {
  const at = new ColumnEncoder('timestamptz');
  const sorted = starts.toSorted((a, b) => byWorkflowId(a.run, b.run));
  for (const start of sorted) at.timestamp(start.at);
  const { rows } = await client.query<{ run_id: string; owned: boolean }>({
    name: `reprise_start_owned_${schema}`,
    text: `with given as materialized (
  select g.* from unnest(${givenArrays}, $11::timestamptz[]) as g(${givenColumns}, at), ${patience('$15')}),
fence as materialized (select epoch from ${schema}.fences where epoch = $12 and slot = $13 for share),
${startedText(schema)},
due as (
  insert into ${schema}.ready (run_id, wake_at, queue, owner, claimed)
  select run_id, at, queue, epoch, epoch is not null from given join started using (run_id) left join fence on true),
followed as (
  insert into ${schema}.events (${eventColumns}) select ${eventColumns}
  from fence, unnest($14::${schema}.new_event[]) as e join started using (run_id))
select run_id, exists (select from fence) as owned from started`,
    values: [
      ...givenValues(sorted.map((start) => start.run)),
      at.take(),
      owner.epoch,
      owner.slot,
      events,
      String(lockMs),
    ],
  });
  return new Map(rows.map((row) => [row.run_id, row.owned]));
}

const givenColumns =
  'run_id, namespace, workflow_id, workflow_type, task_queue, queue, properties, args, meta, parent_run_id';
const givenArrays =
  '$1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::json[], $10::uuid[]';

/** Part of every start: inserts the run's row, unless an open run has its workflow id, and the run's first event. */
function startedText(schema: string): string {
  return `started as (
  insert into ${schema}.runs (run_id, namespace, workflow_id, workflow_type, task_queue, status, started_at,
    memo, search_attributes, search_attribute_types, parent_run_id)
  select run_id, namespace, workflow_id, workflow_type, task_queue, 'running', at,
    properties::jsonb -> 'memo', nullif(properties::jsonb -> 'searchAttributes', '{}'),
    nullif(properties::jsonb -> 'searchAttributeTypes', '{}'), parent_run_id
  from given
  on conflict (namespace, workflow_id) where closed_at is null do nothing returning run_id),
first as (
  insert into ${schema}.events (run_id, at, seq, type, name, payload, meta)
  select run_id, at, 1, ${eventCode.WorkflowStarted}, workflow_type, args, meta from given join started using (run_id))`;
}

/** Limits how long a start waits for another transaction that started a run of the same workflow id. */
function patience(parameter: string): string {
  return `(select set_config('lock_timeout', ${parameter}, true)) as patience(limit_set)`;
}

function insertText(schema: string, from: string): string {
  return `with given as materialized (
  select g.*, clock_timestamp() as at from unnest(${givenArrays}) as g(${givenColumns})${from}),
${startedText(schema)},
due as (
  insert into ${schema}.ready (run_id, wake_at, queue) select run_id, at, queue from given join started using (run_id))
select run_id from started`;
}

/**
 * `runs` must be sorted: statements that share workflow ids wait for each other's rows, and would otherwise deadlock.
 */
function givenValues(runs: readonly NewRun[]): unknown[] {
  // In the order of `givenColumns`.
  const column = {
    id: new ColumnEncoder('uuid'),
    namespace: new ColumnEncoder('text'),
    workflowId: new ColumnEncoder('text'),
    type: new ColumnEncoder('text'),
    taskQueue: new ColumnEncoder('text'),
    queue: new ColumnEncoder('text'),
    properties: new ColumnEncoder('text'),
    args: new ColumnEncoder('bytea'),
    meta: new ColumnEncoder('json'),
    parent: new ColumnEncoder('uuid'),
  };
  for (const run of runs) {
    column.id.bytes(runIdBytes(run.runId));
    column.namespace.text(run.namespace);
    column.workflowId.text(run.workflowId);
    column.type.text(run.workflowType);
    column.taskQueue.text(run.taskQueue);
    column.queue.text(run.queue);
    column.properties.text(run.properties);
    column.args.bytes(run.args);
    column.meta.text(run.meta);
    column.parent.bytes(run.parentRunId === undefined ? null : runIdBytes(run.parentRunId));
  }
  return Object.values(column).map((values) => values.take());
}

function byWorkflowId(a: NewRun, b: NewRun): number {
  if (a.workflowId !== b.workflowId) return a.workflowId < b.workflowId ? -1 : 1;
  return a.namespace < b.namespace ? -1 : a.namespace > b.namespace ? 1 : 0;
}
