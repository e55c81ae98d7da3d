// Lists and counts runs by a visibility query. Imported on first use, because Kysely's 250 files take 200 ms to load and a
// process that only starts runs, works and awaits results does not need them.
import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
  sql,
} from 'kysely';
import type { RunStatus } from '../../core/log/transition.ts';
import type { Database } from '../sql/database.ts';
import type { RunRow } from '../runs/run-row.ts';
import {
  historyLengthOf,
  problemOf,
  type RunProblem,
  type StartFacts,
  startOf,
  visibilityFilter,
} from './visibility-filter.ts';
import { parseVisibilityQuery, type VisibilityQuery } from './visibility-query.ts';
import { queryError } from './visibility-token.ts';

/** Only builds statements. The database's pool runs them. */
const builder = new Kysely<{ runs: RunRow }>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

/** The end of a page: its last run, and that run's value of the ORDER BY column. */
export interface PageEnd {
  readonly runId: string;
  /** The value as Postgres prints it, because a Date would lose µs. */
  readonly orderedBy: string | null;
}

export interface ListedRun extends RunRow {
  readonly history_length: number;
  readonly start: StartFacts | null;
  readonly problem: RunProblem | null;
}

export interface RunPage {
  readonly rows: readonly ListedRun[];
  /** Undefined after the last page. */
  readonly end: PageEnd | undefined;
}

interface ListOrder {
  /** The column to order by before the run id; undefined: only the run id. */
  readonly column: RawBuilder<unknown> | undefined;
  readonly descending: boolean;
}

/** A page of runs, newest first unless the query has ORDER BY. @throws INVALID_INPUT for a query with an error */
export async function listRuns(
  database: Database,
  namespace: string,
  query: string,
  page: { readonly limit: number; readonly after?: PageEnd },
): Promise<RunPage> {
  const { schema } = database;
  const parsed = parseVisibilityQuery(query);
  if (parsed.groupBy !== undefined) {
    throw queryError(query, parsed.groupBy.position, 'GROUP BY in a list', 'it in a count');
  }
  const { column, descending } = listOrder(parsed);
  const direction = descending ? sql`desc` : sql`asc`;
  const beyond = descending ? sql`<` : sql`>`;
  let select = builder
    .withSchema(schema)
    .selectFrom('runs')
    .selectAll()
    .select([
      historyLengthOf(schema).as('history_length'),
      startOf(schema).as('start'),
      problemOf(schema).as('problem'),
    ])
    .select(sql<string | null>`${column === undefined ? sql`null` : column}::text`.as('ordered_by'))
    .where('namespace', '=', namespace)
    .where('kind', 'is', null)
    .where(visibilityFilter(parsed, schema));
  const { after } = page;
  if (after !== undefined) {
    select = select.where(
      column === undefined
        ? sql<boolean>`run_id ${beyond} ${after.runId}::uuid`
        : sql<boolean>`(${column}, run_id) ${beyond} (${after.orderedBy}::timestamptz, ${after.runId}::uuid)`,
    );
  }
  if (column !== undefined) select = select.orderBy(sql`${column} ${direction}`);
  const { sql: text, parameters } = select.orderBy(sql`run_id ${direction}`).limit(page.limit).compile();
  const { rows } = await database.pool.query<ListedRun & { ordered_by: string | null }>(text, [...parameters]);
  const last = rows.at(-1);
  const end =
    last === undefined || rows.length < page.limit ? undefined : { runId: last.run_id, orderedBy: last.ordered_by };
  return { rows, end };
}

/** In an order by CloseTime, open runs count as closed last. */
function listOrder({ text, orderBy }: VisibilityQuery): ListOrder {
  switch (orderBy?.name) {
    case undefined:
      return { column: undefined, descending: true };
    case 'StartTime':
      return { column: sql`started_at`, descending: orderBy.descending };
    case 'CloseTime':
      return { column: sql`coalesce(closed_at, 'infinity')`, descending: orderBy.descending };
    default:
      throw queryError(text, orderBy!.position, orderBy!.name, 'StartTime or CloseTime');
  }
}

export interface RunCount {
  readonly count: number;
  /** Set for a query with GROUP BY ExecutionStatus. */
  readonly groups: readonly { readonly status: RunStatus; readonly count: number }[];
}

/** @throws INVALID_INPUT for a query with an error */
export async function countRuns(database: Database, namespace: string, query: string): Promise<RunCount> {
  const { schema } = database;
  const parsed = parseVisibilityQuery(query);
  const { groupBy, orderBy } = parsed;
  if (orderBy !== undefined) throw queryError(query, orderBy.position, 'ORDER BY in a count', 'it in a list');
  if (groupBy !== undefined && groupBy.name !== 'ExecutionStatus') {
    throw queryError(query, groupBy.position, groupBy.name, 'ExecutionStatus');
  }
  const filtered = builder
    .withSchema(schema)
    .selectFrom('runs')
    .select(sql<string>`count(*)`.as('count'))
    .where('namespace', '=', namespace)
    .where('kind', 'is', null)
    .where(visibilityFilter(parsed, schema));
  const { sql: text, parameters } =
    groupBy === undefined
      ? filtered.compile()
      : filtered.select('status').groupBy('status').orderBy('status').compile();
  const { rows } = await database.pool.query<{ count: string; status?: RunStatus }>(text, [...parameters]);
  const groups = rows.flatMap(({ count, status }) => (status === undefined ? [] : [{ status, count: Number(count) }]));
  return { count: rows.reduce((sum, row) => sum + Number(row.count), 0), groups };
}
