// Starting runs: one short statement for any number of starts, on the caller's own transaction when it has one.
import type pg from 'pg';
import { eventCode, type Micros } from '../history/event.ts';
import type { Fence } from './claim.ts';
import { ColumnEncoder } from './pg-binary.ts';
import { runIdBytes } from './run-id.ts';

export interface NewRun {
  readonly runId: string;
  readonly namespace: string;
  readonly workflowId: string;
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly queue: string;
  readonly memo: string | null;
  readonly args: Uint8Array;
  readonly meta: string;
}

/** Where a statement with positional parameters can run: a pg client, a pool, or the caller's transaction. */
export interface Queryable {
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>;
}

/** Starts runs; returns the ids of those that were started. The others' workflow ids belong to an open run. */
export async function startRuns(
  client: pg.ClientBase | pg.Pool,
  schema: string,
  runs: readonly NewRun[],
): Promise<Set<string>> {
  const { text, values } = insertRuns(schema, runs);
  const { rows } = await client.query<{ run_id: string }>({ name: `reprise_start_${schema}`, text, values });
  return new Set(rows.map((row) => row.run_id));
}

/**
 * Starts a run in the caller's transaction; false when its workflow id belongs to an open run. The transaction may belong
 * to any driver and pooler, so only text and values are used.
 */
export async function startRunWithin(transaction: Queryable, schema: string, run: NewRun): Promise<boolean> {
  const { text, values } = insertRuns(schema, [run]);
  const { rows } = await transaction.query(text, values);
  return rows.length > 0;
}

export interface OwnedStart {
  /** µs since 1970. */
  readonly at: Micros;
  /** False when the owner was declared dead meanwhile: any worker may claim the run. */
  readonly owned: boolean;
}

/** Starts runs that `owner` owns from the first moment, if it still lives; by run id, without those not started. */
export async function startOwnedRuns(
  client: pg.ClientBase,
  schema: string,
  owner: Fence,
  runs: readonly NewRun[],
): Promise<Map<string, OwnedStart>> {
  const { text, values } = insertRuns(schema, runs, owner);
  const { rows } = await client.query<{ run_id: string; at: string; owned: boolean }>({
    name: `reprise_start_owned_${schema}`,
    text,
    values,
  });
  return new Map(rows.map((row) => [row.run_id, { at: Number(row.at), owned: row.owned }]));
}

function insertRuns(schema: string, runs: readonly NewRun[], owner?: Fence): { text: string; values: unknown[] } {
  const column = {
    id: new ColumnEncoder('uuid'),
    namespace: new ColumnEncoder('text'),
    workflowId: new ColumnEncoder('text'),
    type: new ColumnEncoder('text'),
    taskQueue: new ColumnEncoder('text'),
    queue: new ColumnEncoder('text'),
    memo: new ColumnEncoder('text'),
    args: new ColumnEncoder('bytea'),
    meta: new ColumnEncoder('json'),
  };
  // Two batches that share workflow ids wait for each other's rows: in one order, or they deadlock.
  for (const run of runs.length > 1 ? runs.toSorted(byWorkflowId) : runs) {
    column.id.bytes(runIdBytes(run.runId));
    column.namespace.text(run.namespace);
    column.workflowId.text(run.workflowId);
    column.type.text(run.workflowType);
    column.taskQueue.text(run.taskQueue);
    column.queue.text(run.queue);
    column.memo.text(run.memo);
    column.args.bytes(run.args);
    column.meta.text(run.meta);
  }
  const text = `with given as materialized (
  select *, clock_timestamp() as at from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::json[])
    as g(run_id, namespace, workflow_id, workflow_type, task_queue, queue, memo, args, meta)),
started as (
  insert into ${schema}.runs (run_id, namespace, workflow_id, workflow_type, task_queue, status, started_at, memo)
  select run_id, namespace, workflow_id, workflow_type, task_queue, 'running', at, memo::jsonb from given
  on conflict (namespace, workflow_id) where closed_at is null do nothing returning run_id),
first as (
  insert into ${schema}.events (run_id, at, seq, type, name, payload, meta)
  select run_id, at, 1, ${eventCode.WorkflowStarted}, workflow_type, args, meta from given join started using (run_id)),
${dueText(schema, owner)}`;
  const values: unknown[] = [
    column.id.take(),
    column.namespace.take(),
    column.workflowId.take(),
    column.type.take(),
    column.taskQueue.take(),
    column.queue.take(),
    column.memo.take(),
    column.args.take(),
    column.meta.take(),
  ];
  if (owner !== undefined) values.push(owner.epoch, owner.slot);
  return { text, values };
}

function dueText(schema: string, owner: Fence | undefined): string {
  if (owner === undefined) {
    return `due as (
  insert into ${schema}.ready (run_id, wake_at, queue) select run_id, at, queue from given join started using (run_id))
select run_id from started`;
  }
  return `fence as materialized (select epoch from ${schema}.fences where epoch = $10 and slot = $11 for share),
due as (
  insert into ${schema}.ready (run_id, wake_at, queue, owner, claimed)
  select run_id, at, queue, epoch, epoch is not null from given join started using (run_id) left join fence on true)
select run_id, (extract(epoch from at) * 1000000)::bigint as at, exists (select from fence) as owned
from given join started using (run_id)`;
}

function byWorkflowId(a: NewRun, b: NewRun): number {
  if (a.workflowId !== b.workflowId) return a.workflowId < b.workflowId ? -1 : 1;
  return a.namespace < b.namespace ? -1 : a.namespace > b.namespace ? 1 : 0;
}
