// A user's open transaction holds rows that calls need. Those calls wait and other calls do not. Workers have their own
// connections.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pg from 'pg';
import { Client, Connection } from 'reprise/client';
import { backendPid, waits } from '../support/store.ts';
import { testEngine } from '../support/engine.ts';

describe('rows that an open transaction holds', async () => {
  const engine = await testEngine();
  const { client, taskQueue, start } = engine;

  /** Opens a session of an application that holds the row of a run. */
  async function holding(runId: string | undefined): Promise<pg.Client> {
    const user = new pg.Client({ connectionString: engine.url, application_name: 'accounting' });
    await user.connect();
    await user.query('begin');
    await user.query('select 1 from reprise.ready where run_id = $1 for update', [runId]);
    return user;
  }

  const soon = <T>(call: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + 200, call);

  it('make a signal, a cancellation and a termination fail with RUN_BUSY, which names the session', async () => {
    const handle = await start('accumulate');
    const user = await holding(handle.runId);
    const expected = { code: 'RUN_BUSY', runId: handle.runId };
    const named = new RegExp(`pid ${await backendPid(user)} \\(application_name "accounting"\\)`);
    for (const call of [() => handle.signal('add', 1), () => handle.cancel(), () => handle.terminate()]) {
      await assert.rejects(soon(call), expected);
      await assert.rejects(soon(call), named);
    }
    await user.query('rollback');
    await user.end();
    await handle.signal('finish');
    assert.equal(await handle.result(), 0);
  });

  it('make a start with the same workflow id fail with RUN_BUSY, which names the session', async () => {
    const user = new pg.Client({ connectionString: engine.url, application_name: 'orders' });
    await user.connect();
    await user.query('begin');
    const options = { workflowId: 'ordered', taskQueue };
    await client.workflow.start('accumulate', { ...options, transaction: user });
    const named = new RegExp(`Workflow id ordered .*pid ${await backendPid(user)} \\(application_name "orders"\\)`);
    await assert.rejects(
      soon(() => client.workflow.start('accumulate', options)),
      named,
    );
    await assert.rejects(
      soon(() => client.workflow.start('accumulate', { ...options, workflowIdConflictPolicy: 'USE_EXISTING' })),
      { code: 'RUN_BUSY' },
    );
    await user.query('rollback');
    await user.end();
    const handle = await client.workflow.start('accumulate', options);
    await handle.terminate();
  });

  it('do not block other calls when more calls wait for them than the pool has connections', async () => {
    const handle = await start('accumulate');
    const user = await holding(handle.runId);
    const signals = Array.from({ length: 30 }, () => handle.signal('add', 1));
    const all = Promise.all(signals);
    await waits(engine, all);
    for (let i = 0; i < 5; i++) {
      assert.equal(await (await start('greet', ['Ada'])).result(), 'Hello, Ada!');
    }
    await user.query('commit');
    await user.end();
    await all;
    await handle.signal('finish');
    assert.equal(await handle.result(), 30);
  });

  it('do not affect workers, which have their own connections when clients use all of the pool', async () => {
    const { pool } = engine.connection.database;
    const taken = await Promise.all(Array.from({ length: pool.options.max ?? 10 }, () => pool.connect()));
    const connection = await Connection.connect({ connectionString: engine.url });
    const other = new Client({ connection });
    const handle = await other.workflow.start('accumulate', { workflowId: 'own connections', taskQueue });
    await handle.signal('add', 1);
    assert.equal(await handle.query('total'), 1);
    await handle.signal('finish');
    assert.equal(await handle.result(), 1);
    for (const session of taken) session.release();
    await connection.close();
  });
});
