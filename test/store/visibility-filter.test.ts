// The query plans of list filters.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from 'kysely';
import { visibilityFilter } from '../../runtime/store/visibility/visibility-filter.ts';
import { parseVisibilityQuery } from '../../runtime/store/visibility/visibility-query.ts';
import { testStore } from '../support/store.ts';

const { pool } = await testStore();
const builder = new Kysely<object>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

/** The query plan, with sequential scans disabled. */
async function planOf(query: string): Promise<string> {
  const filter = visibilityFilter(parseVisibilityQuery(query), 'reprise');
  const { sql: text, parameters } = sql`explain select * from reprise.runs where ${filter}`.compile(builder);
  const client = await pool.connect();
  try {
    await client.query('begin; set local enable_seqscan = off; set local enable_indexscan = off');
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(text, [...parameters]);
    await client.query('rollback');
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  } finally {
    client.release();
  }
}

test('equality of an attribute uses the index for texts, words, items of lists, numbers and times', async () => {
  for (const query of ["A = 'x'", 'A = 5', 'A = true', "A = '2026-01-31'", "A IN ('x', 'y') AND B = 5"]) {
    const plan = await planOf(query);
    assert.match(plan, /Bitmap Index Scan on runs_search_attributes/, `${query}\n${plan}`);
    assert.doesNotMatch(plan, /Seq Scan/, query);
  }
});

test('names and values are parameters, whatever they contain', () => {
  const name = `a'"); drop table reprise.runs; --`;
  const value = `x'"\\ $1`;
  const query = parseVisibilityQuery(`\`${name}\` = '${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`);
  const { sql: text, parameters } = visibilityFilter(query, 'reprise').compile(builder);
  assert.ok(!text.includes('drop table') && !text.includes("x'"));
  assert.ok(parameters.some((parameter) => parameter === JSON.stringify({ [name]: value })));
});
