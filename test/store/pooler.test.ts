// Poolers between a process and Postgres: a pooler that loses prepared statements is refused at connect; other poolers
// work.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import { Database } from '../../runtime/store/sql/database.ts';
import { startRuns } from '../../runtime/store/runs/start-run.ts';
import { newRun, testStore } from '../support/store.ts';
import { transactionPooler } from '../support/transaction-pooler.ts';

const store = await testStore();

function isRefused(error: unknown): boolean {
  assert.ok(error instanceof RuntimeError, String(error));
  assert.equal(error.code, 'POOLER_UNSUPPORTED');
  assert.match(error.message, /max_prepared_statements/);
  return true;
}

test('a transaction pooler without support for prepared statements is refused at connect', async (t) => {
  const connectionString = await transactionPooler(t, store.url, 'transaction');
  await assert.rejects(Database.open({ connectionString }), isRefused);
});

test('such a pooler is refused behind a caller’s pool too, and the pool stays open', async (t) => {
  const pool = new pg.Pool({ connectionString: await transactionPooler(t, store.url, 'transaction'), max: 1 });
  t.after(() => pool.end());
  await assert.rejects(Database.open({ pool }), isRefused);
  assert.equal((await pool.query('select 1')).rowCount, 1);
});

test('a transaction pooler with a single server session is refused without a wait for a second session', async (t) => {
  const connectionString = await transactionPooler(t, store.url, 'transaction', 1);
  await assert.rejects(Database.open({ connectionString }), isRefused);
});

test('a session pooler works', async (t) => {
  const database = await Database.open({ connectionString: await transactionPooler(t, store.url, 'session') });
  t.after(() => database.close());
  for (let i = 0; i < 3; i++) assert.equal((await startRuns(database.pool, 'reprise', [newRun()])).size, 1);
});
