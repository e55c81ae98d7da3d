// Starts that share a statement: they commit together, the failure of a start does not fail the others, and an unknown
// outcome is reported as unknown.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Database } from '../../runtime/store/sql/database.ts';
import { StartBatcher } from '../../runtime/store/runs/start-batcher.ts';
import { startRuns } from '../../runtime/store/runs/start-run.ts';
import { newRun, patiently, readyRow, testStore, waits } from '../support/store.ts';

const store = await testStore();
const { pool, database } = store;

test('starts that are requested at the same time share one commit', async () => {
  const batcher = new StartBatcher(database);
  const runs = Array.from({ length: 50 }, () => newRun());
  assert.deepEqual(
    await Promise.all(runs.map((run) => batcher.start(run))),
    runs.map(() => true),
  );
  const { rows } = await pool.query('select distinct xmin from reprise.runs where run_id = any($1)', [
    runs.map((run) => run.runId),
  ]);
  assert.equal(rows.length, 1);
});

test('more starts than fit into one statement are all executed', async () => {
  const batcher = new StartBatcher(database);
  const runs = Array.from({ length: 1_501 }, () => newRun());
  const started = await Promise.all(runs.map((run) => batcher.start(run)));
  assert.ok(started.every(Boolean));
  const { rows } = await pool.query('select count(*)::int as n from reprise.ready where run_id = any($1)', [
    runs.map((run) => run.runId),
  ]);
  assert.deepEqual(rows, [{ n: 1_501 }]);
});

test('of two concurrent starts with one workflow id, only the first succeeds', async () => {
  const batcher = new StartBatcher(database);
  const started = ['twice', 'other', 'twice'].map((workflowId) => batcher.start(newRun({ workflowId })));
  assert.deepEqual(await Promise.all(started), [true, true, false]);
});

test('a start that the database refuses fails alone', async () => {
  const batcher = new StartBatcher(database);
  const starts = [newRun(), newRun({ properties: '{' }), newRun(), newRun({ workflowType: 'a\0b' })].map((run) =>
    batcher.start(run),
  );
  const results = await Promise.allSettled(starts);
  assert.deepEqual(
    results.map((result) => result.status),
    ['fulfilled', 'rejected', 'fulfilled', 'rejected'],
  );
});

test('starts that wait for another transaction do not delay others', async (t) => {
  const batcher = new StartBatcher(database);
  const holder = await store.session(t);
  await holder.query('begin');
  const taken = ['waits-1', 'waits-2', 'waits-3'];
  await startRuns(
    holder,
    'reprise',
    taken.map((workflowId) => newRun({ workflowId })),
  );
  const waiting: Promise<boolean>[] = [];
  for (const run of taken.map((workflowId) => newRun({ workflowId }))) {
    waiting.push(patiently((isRepeated) => batcher.start(run, isRepeated)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(await batcher.start(newRun()), true);
  await holder.query('rollback');
  assert.deepEqual(await Promise.all(waiting), [true, true, true]);
});

test('starts whose arguments are too large for one statement use several statements', async () => {
  const batcher = new StartBatcher(database);
  const runs = Array.from({ length: 4 }, () => newRun({ args: new Uint8Array(5 * 1024 * 1024) }));
  await Promise.all(runs.map((run) => batcher.start(run)));
  const { rows } = await pool.query('select distinct xmin from reprise.runs where run_id = any($1)', [
    runs.map((run) => run.runId),
  ]);
  assert.equal(rows.length, 4);
});

test('after a lost session, no start is reported as refused because of a workflow id in use', async (t) => {
  const own = await Database.open({ connectionString: store.url });
  t.after(() => own.close());
  const batcher = new StartBatcher(own, 20_000);
  const holder = await store.session(t);
  await holder.query('begin');
  await startRuns(holder, 'reprise', [newRun({ workflowId: 'held' })]);
  const starts = Promise.allSettled([newRun({ workflowId: 'held' }), newRun()].map((run) => batcher.start(run)));
  await waits(store, starts);
  await pool.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0',
  );
  for (const result of await starts) {
    assert.equal(result.status, 'rejected');
    assert.equal((result.reason as { code?: string }).code, '57P01');
  }
  await holder.query('rollback');
  assert.equal(await batcher.start(newRun({ workflowId: 'held' })), true);
});

test('a worker of this process is woken directly, and other workers by a notice', async (t) => {
  const own = await Database.open({ connectionString: store.url });
  t.after(() => own.close());
  const woken: string[] = [];
  own.localWorkers.set('default/here', new Set([{ wake: () => woken.push('here'), start: () => undefined }]));
  const session = await store.session(t);
  const notified = new Promise<string | undefined>((resolve) =>
    session.once('notification', ({ payload }) => resolve(payload)),
  );
  await session.query('listen reprise_wake');
  const batcher = new StartBatcher(own);
  const [here, there] = [newRun({ queue: 'default/here' }), newRun({ queue: 'default/there' })];
  await Promise.all([
    batcher.start(here),
    batcher.start(there),
    batcher.start(newRun({ workflowId: here.workflowId, queue: 'default/here' })),
  ]);
  assert.equal(await notified, 'default/there');
  assert.deepEqual(woken, ['here']);
  assert.equal((await readyRow(store, there.runId))?.owner, null);
});
