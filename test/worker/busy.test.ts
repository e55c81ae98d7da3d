// Workflow code that computes for a long time, in one run or in several: the worker keeps its lease, and other runs
// continue.
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { Client, Connection } from 'reprise/client';
import type { Worker } from 'reprise/worker';
import { fixtureWorker, testEngine, until } from '../support/engine.ts';

const leaseMs = 2_500;
const deadlockTimeoutMs = 300;
const engine = await testEngine({ leaseMs, deadlockTimeoutMs });
/** A client with a separate connection, which the engine treats like another process. */
const elsewhere = new Client({ connection: await Connection.connect({ connectionString: engine.url }) });
after(() => elsewhere.connection.close());

async function epochs(): Promise<number> {
  const { rows } = await engine.pool.query<{ n: number }>('select count(*)::int as n from reprise.workers');
  return rows[0]!.n;
}

for (const [where, client] of [
  ['here', engine.client],
  ['elsewhere', elsewhere],
] as const) {
  it(`runs that loop endlessly, started ${where}, fail their tasks and delay no other run`, async () => {
    const { taskQueue } = engine;
    const loops = await Promise.all(
      Array.from({ length: Math.ceil(leaseMs / deadlockTimeoutMs) }, (_, i) =>
        client.workflow.start('endlessLoop', { workflowId: `loop-${where}-${i}`, taskQueue }),
      ),
    );
    const options = { workflowId: `healthy-${where}`, taskQueue, args: [3] };
    assert.equal(await client.workflow.execute('chain', options), 3);
    for (const loop of loops) {
      const failure = await until(async () => (await loop.describe()).taskFailure);
      assert.equal(failure.code, 'DEADLOCK');
      await loop.terminate('seen');
    }
    assert.equal(await epochs(), 1);
  });
}

it('runs that together compute for longer than a lease recover after the loss of their worker', async () => {
  const { url, taskQueue } = engine;
  const connection = await Connection.connect({ connectionString: url });
  const create = (): Promise<Worker> => fixtureWorker(connection, `${taskQueue}-2`, { leaseMs });
  const first = await create();
  const handles = await first.runUntil(async () => {
    const started = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        elsewhere.workflow.start('computesFirst', {
          workflowId: `computes-${i}`,
          taskQueue: `${taskQueue}-2`,
          args: [leaseMs / 8],
        }),
      ),
    );
    await until(async () => first.getStatus().cachedRuns === started.length);
    return started;
  });
  const before = await epochs();
  const second = await create();
  await second.runUntil(async () => {
    await Promise.all(handles.map((handle) => handle.signal('finish')));
    for (const handle of handles) assert.equal(await handle.result(), 'done');
  });
  assert.equal(await epochs(), before + 1);
  await connection.close();
});

it('a patch that cannot be written fails the task of its own run, and no other start', async () => {
  const healthy = Array.from({ length: 5 }, () => engine.start('greet', ['x']));
  const bad = await engine.start('namelessPatch');
  for (const start of healthy) assert.equal(await (await start).result(), 'Hello, x!');
  const failure = await until(async () => (await bad.describe()).taskFailure);
  assert.equal(failure.code, 'INVALID_INPUT');
  assert.match(failure.message, /sourceId 5, expected text/);
  await bad.terminate('seen');
});

it('a worker stops even if a start in its process waits for another transaction', async () => {
  const connection = await Connection.connect({ connectionString: engine.url });
  const client = new Client({ connection });
  const taskQueue = 'stopping';
  const worker = await fixtureWorker(connection, taskQueue);
  const running = worker.run();
  await until(async () => worker.getStatus().epoch !== undefined);
  const other = await engine.pool.connect();
  await other.query('begin');
  await client.workflow.start('chain', { workflowId: 'held', taskQueue, args: [1], transaction: other });
  const waiting = client.workflow.start('chain', { workflowId: 'held', taskQueue, args: [1] }).catch(String);
  await until(async () => {
    const { rows } = await engine.pool.query(
      'select from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0',
    );
    return rows.length > 0;
  });
  worker.shutdown();
  await running;
  await other.query('rollback');
  other.release();
  await waiting;
  await connection.close();
});

it('incarnations that fail during their start leave nothing behind', async () => {
  const connection = await Connection.connect({ connectionString: engine.url });
  const taskQueue = 'unlucky';
  const worker = await fixtureWorker(connection, taskQueue);
  const hearts = "from pg_stat_activity where datname = current_database() and application_name = 'reprise heart'";
  const { rows: others } = await engine.pool.query<{ pid: number }>(`select pid ${hearts}`);
  const running = worker.run();
  for (let i = 0; i < 200; i++) {
    await engine.pool.query(`select pg_terminate_backend(pid) ${hearts} and pid <> all($1)`, [
      others.map(({ pid }) => pid),
    ]);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until(async () => worker.getStatus().epoch !== undefined);
  worker.shutdown();
  await running;
  assert.equal(connection.database.localWorkers.get(`default/${taskQueue}`)?.size ?? 0, 0);
  await connection.close();
});
