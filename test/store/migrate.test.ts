// Migrations run once, whoever starts first. They never change a schema that a newer version made, and coexist with
// other schemas.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import pg from 'pg';
import { Database } from '../../runtime/store/sql/database.ts';
import { knownMigrations } from '../../runtime/store/sql/migration-files.ts';
import { checkSchemaName, migrate } from '../../runtime/store/sql/migrate.ts';
import { migrateToLatest } from '../../runtime/store/sql/migrator.ts';
import { findRun } from '../../runtime/store/runs/runs.ts';
import { startRuns } from '../../runtime/store/runs/start-run.ts';
import { databaseUrl } from '../support/cluster.ts';
import { dumpSchema } from '../support/schema-dump.ts';
import { newRun, type Scope, testStore } from '../support/store.ts';

const store = await testStore();
const known = await knownMigrations();

/** A database without migrations, and `count` pools on it that stand for as many processes. */
async function emptyDatabase(t: Scope, count: number): Promise<{ url: string; pools: pg.Pool[] }> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await store.pool.query(`create database ${name} template template0`);
  const url = databaseUrl(store.url, name);
  const pools = Array.from({ length: count }, () => new pg.Pool({ connectionString: url }));
  // The database may be dropped before the last session has closed.
  for (const pool of pools) pool.on('error', () => undefined);
  t.after(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
    await store.pool.query(`drop database ${name} with (force)`);
  });
  return { url, pools };
}

async function applied(pool: pg.Pool, schema = 'reprise'): Promise<unknown[]> {
  const { rows } = await pool.query(`select name, timestamp from ${schema}.migrations order by name`);
  return rows;
}

test('migrations are numbered without a gap, and only they are read from the folder', () => {
  assert.deepEqual(
    known.map((name) => Number(name.slice(0, 4))),
    known.map((_, i) => i + 1),
  );
  assert.ok(!known.includes('schema'));
});

test('concurrent starters in an empty database all succeed, and every migration runs once', async (t) => {
  const { pools } = await emptyDatabase(t, 6);
  await Promise.all(pools.map((pool) => migrate(pool)));
  const rows = (await applied(pools[0]!)) as { name: string }[];
  assert.deepEqual(
    rows.map((row) => row.name),
    known,
  );
  assert.equal(await dumpSchema(pools[0]!, ['reprise']), await dumpSchema(store.pool, ['reprise']));
});

test('databases of one server can be migrated at the same time', async (t) => {
  const first = await emptyDatabase(t, 1);
  const second = await emptyDatabase(t, 1);
  await Promise.all([...first.pools, ...second.pools].map((pool) => migrate(pool)));
  for (const pool of [first.pools[0]!, second.pools[0]!]) assert.equal((await applied(pool)).length, known.length);
});

test('a second call of migrate() does nothing', async (t) => {
  const { pools } = await emptyDatabase(t, 1);
  const [pool] = pools;
  await migrate(pool!);
  const before = [await applied(pool!), await dumpSchema(pool!, ['reprise', 'reprise_audit'])];
  await migrate(pool!);
  assert.deepEqual([await applied(pool!), await dumpSchema(pool!, ['reprise', 'reprise_audit'])], before);
});

test('a schema at an earlier migration gets the migrations that are not applied yet', async (t) => {
  const { pools } = await emptyDatabase(t, 1);
  const [pool] = pools;
  assert.equal(await migrateToLatest(pool!, 'reprise', ['0001_init']), undefined);
  await pool!.query("insert into reprise.workers (identity, queue) values ('kept', 'q')");
  await pool!.query("insert into reprise.ready (run_id, wake_at, queue) values (gen_random_uuid(), now(), 'q')");
  await migrate(pool!);
  assert.deepEqual(
    ((await applied(pool!)) as { name: string }[]).map((row) => row.name),
    known,
  );
  assert.equal((await pool!.query("select from reprise.workers where identity = 'kept'")).rowCount, 1);
  // A run that was open before the migration counts as claimed, because its log may have more events than its start.
  assert.deepEqual((await pool!.query('select claimed from reprise.ready')).rows, [{ claimed: true }]);
});

test('a schema that a newer version migrated is refused and not changed', async (t) => {
  const { url, pools } = await emptyDatabase(t, 1);
  const [pool] = pools;
  await migrate(pool!);
  await pool!.query("insert into reprise.migrations values ('9999_from_the_future', '2030-01-01T00:00:00.000Z')");
  await pool!.query('alter table reprise.runs add column from_the_future text');
  const before = [await applied(pool!), await dumpSchema(pool!, ['reprise', 'reprise_audit'])];
  const refusal = { code: 'UNSUPPORTED_SCHEMA', message: /9999_from_the_future.*Upgrade the package/ };
  await assert.rejects(migrate(pool!), refusal);
  await assert.rejects(Database.open({ connectionString: url }), refusal);
  assert.deepEqual([await applied(pool!), await dumpSchema(pool!, ['reprise', 'reprise_audit'])], before);
});

test('a migration that fails leaves nothing behind', async (t) => {
  const { pools } = await emptyDatabase(t, 1);
  const [pool] = pools;
  await pool!.query('create schema reprise_audit');
  await assert.rejects(migrate(pool!), { code: 'UNSUPPORTED_SCHEMA' });
  assert.equal(
    (await pool!.query("select from pg_tables where schemaname = 'reprise' and tablename = 'runs'")).rowCount,
    0,
  );
  await pool!.query('drop schema reprise_audit');
  await migrate(pool!);
  assert.equal((await applied(pool!)).length, known.length);
});

test('a schema with another name has the same contents, and both schemas coexist', async (t) => {
  const { pools } = await emptyDatabase(t, 2);
  const [pool, second] = pools;
  await Promise.all([migrate(pool!, 'reprise'), migrate(second!, 'shard_2')]);
  const other = await dumpSchema(pool!, ['shard_2', 'shard_2_audit']);
  assert.equal(other.replaceAll('shard_2', 'reprise'), await dumpSchema(pool!, ['reprise', 'reprise_audit']));

  const databases = [await Database.open({ pool: pool! }), await Database.open({ pool: pool!, schema: 'shard_2' })];
  const runs = [newRun({ workflowId: 'same' }), newRun({ workflowId: 'same' })];
  for (const [i, database] of databases.entries()) {
    assert.equal((await startRuns(pool!, database.schema, [runs[i]!])).size, 1);
    assert.equal((await findRun(database, 'default', 'same'))?.run_id, runs[i]!.runId);
  }
  await pool!.query('drop schema reprise cascade');
  assert.equal((await findRun(databases[1]!, 'default', 'same'))?.run_id, runs[1]!.runId);
});

test('the functions of each schema read that schema', async (t) => {
  const { pools } = await emptyDatabase(t, 1);
  const [pool] = pools;
  await migrate(pool!, 'shard_2');
  const run = newRun();
  await startRuns(pool!, 'shard_2', [run]);
  const { rows } = await pool!.query('select * from shard_2_audit.verify($1)', [run.runId]);
  assert.deepEqual(rows, [{ ok: true, seq: 1, problem: null }]);
});

test('only plain identifiers are accepted as the name of a schema', async () => {
  for (const good of ['reprise', '_x', 'a1_b', 'a'.repeat(40)]) checkSchemaName(good);
  for (const bad of ['', 'Reprise', '1a', 'a-b', 'a b', 'a;drop table x', 'a"b', 'ä', 'a'.repeat(41)]) {
    await assert.rejects(Database.open({ pool: store.pool, schema: bad }), {
      code: 'INVALID_INPUT',
      message: /name of the schema/,
    });
  }
});
