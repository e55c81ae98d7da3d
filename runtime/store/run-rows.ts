// Rows of the runs table: one by its id, the latest of a workflow id, and lists. Apart from runs.ts, and imported when first
// used, because a process that only starts, works and waits for results has no need of Kysely's 250 files.
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from 'kysely';
import type { RunStatus } from '../history/transition.ts';
import type { Database } from './database.ts';

interface RunsTable {
  run_id: string;
  namespace: string;
  workflow_id: string;
  workflow_type: string;
  task_queue: string;
  status: RunStatus;
  started_at: Date;
  closed_at: Date | null;
  parent_run_id: string | null;
  forked_from: string | null;
  forked_seq: number | null;
  memo: unknown;
  final_seq: number | null;
  final_hash: Buffer | null;
}

export type RunRow = RunsTable;

/** Only builds statements; they run on the database's own pool. */
const builder = new Kysely<{ runs: RunsTable }>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

export interface RunFilter {
  readonly namespace: string;
  readonly workflowId?: string;
  readonly workflowType?: string;
  readonly taskQueue?: string;
  readonly status?: RunStatus;
}

/** The latest run of a workflow id; undefined when there is none. */
export async function findRun(database: Database, namespace: string, workflowId: string): Promise<RunRow | undefined> {
  const [row] = await listRuns(database, { namespace, workflowId }, { limit: 1 });
  return row;
}

export async function getRun(database: Database, runId: string): Promise<RunRow | undefined> {
  const query = builder.withSchema(database.schema).selectFrom('runs').selectAll().where('run_id', '=', runId);
  const { sql: text, parameters } = query.compile();
  const { rows } = await database.pool.query<RunRow>(text, [...parameters]);
  return rows[0];
}

/** A page of runs, the newest first; `before` is the run id that the page before ended with. */
export async function listRuns(
  database: Database,
  filter: RunFilter,
  page: { limit: number; before?: string },
): Promise<RunRow[]> {
  let query = builder
    .withSchema(database.schema)
    .selectFrom('runs')
    .selectAll()
    .where('namespace', '=', filter.namespace);
  if (filter.workflowId !== undefined) query = query.where('workflow_id', '=', filter.workflowId);
  if (filter.workflowType !== undefined) query = query.where('workflow_type', '=', filter.workflowType);
  if (filter.taskQueue !== undefined) query = query.where('task_queue', '=', filter.taskQueue);
  if (filter.status !== undefined) query = query.where('status', '=', filter.status);
  if (page.before !== undefined) query = query.where('run_id', '<', page.before);
  const { sql: text, parameters } = query.orderBy(sql`run_id desc`).limit(page.limit).compile();
  const { rows } = await database.pool.query<RunRow>(text, [...parameters]);
  return rows;
}
