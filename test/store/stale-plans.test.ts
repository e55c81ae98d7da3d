// Tables that change while sessions have prepared statements: new columns affect no session. A session whose statement
// no longer matches its table ends.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { isCleanRefusal, isStalePlan } from '../../runtime/store/sql/sqlstate.ts';
import { testStore } from '../support/store.ts';

const store = await testStore();

test('a session whose prepared statement no longer matches its table ends, and counts as lost', async () => {
  const { pool, database } = store;
  await pool.query('create table altered (a int)');
  const session = await database.dedicated('reprise of a test');
  const ended = once(session, 'end');
  const ask = { name: 'ask', text: 'select a from altered' };
  await session.query(ask);
  await pool.query('alter table altered alter column a type text');
  const error = await session.query(ask).catch((fault: unknown) => fault);
  assert.ok(isStalePlan(error), String(error));
  assert.equal(isCleanRefusal(error), false);
  await ended;
});

test('a pool opens another session for a statement that no longer matches its table', async () => {
  const { pool, database } = store;
  await pool.query('create table moved (a int)');
  const ask = { name: 'ask moved', text: 'select a from moved' };
  await database.pool.query(ask);
  await pool.query("alter table moved alter column a type text using 'new'");
  await database.pool.query(ask).catch((error: unknown) => assert.ok(isStalePlan(error)));
  assert.equal((await database.pool.query(ask)).rowCount, 0);
});
