// Starting runs: one short statement for any number of starts, on the caller's own transaction when it has one.
import type pg from 'pg';
import { eventCode } from '../history/event.ts';
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
  client: Queryable | pg.ClientBase | pg.Pool,
  schema: string,
  runs: readonly NewRun[],
): Promise<Set<string>> {
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
due as (
  insert into ${schema}.ready (run_id, wake_at, queue) select run_id, at, queue from given join started using (run_id))
select run_id from started`;
  const values = [
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
  // A caller's transaction may belong to any driver and pooler, so only text and values are used there; ours gets a name.
  const result =
    'totalCount' in client
      ? await client.query({ name: `reprise_start_${schema}`, text, values })
      : await client.query(text, values);
  return new Set((result.rows as { run_id: string }[]).map((row) => row.run_id));
}

function byWorkflowId(a: NewRun, b: NewRun): number {
  if (a.workflowId !== b.workflowId) return a.workflowId < b.workflowId ? -1 : 1;
  return a.namespace < b.namespace ? -1 : a.namespace > b.namespace ? 1 : 0;
}
