// Lists of runs by a filter. Apart from runs.ts, and imported when first used, because a process that only starts, works and
// waits for results has no need of Kysely's 250 files, which take 200 ms to load.
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from 'kysely';
import type { RunStatus } from '../history/transition.ts';
import type { Database } from './database.ts';
import type { RunRow } from './runs.ts';

/** Only builds statements; they run on the database's own pool. */
const builder = new Kysely<{ runs: RunRow }>({
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
