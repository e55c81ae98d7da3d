// Which runs stay in a worker's memory, and how runs leave the memory.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fixtureWorker, testEngine, until } from '../support/engine.ts';

const answers = new Map<string, PromiseWithResolvers<string>>();
const activities = {
  async untilAnswered(name: string): Promise<string> {
    return answers.get(name)!.promise;
  },
  async answer(name: string): Promise<void> {
    answers.get(name)!.resolve('answered');
  },
};
const engine = await testEngine({ activities });

it('a run that is released after its timer was due is due at the time of its release, where claims look', async () => {
  const { connection, client, pool } = engine;
  let blockedUntil = 0;
  const failPoint = (name: string): void => {
    // Blocks the whole process until after the run's timer is due, as other runs that compute would.
    const ms = blockedUntil - Date.now();
    if (name === 'before park' && ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  };
  const worker = await fixtureWorker(connection, 'late', { failPoint });
  const handle = await worker.runUntil(async () => {
    const started = await client.workflow.start('nap', { workflowId: 'late', taskQueue: 'late', args: [3000] });
    const timer = await until(async () => (await started.history()).find(({ type }) => type === 'TimerStarted'));
    blockedUntil = (timer.meta as { due: number }).due / 1000 + 100;
    return started;
  });
  const { rows } = await pool.query<{ wake_at: Date }>('select wake_at from reprise.ready where run_id = $1', [
    handle.runId,
  ]);
  assert.ok(rows[0]!.wake_at.getTime() >= blockedUntil - 50, 'due when it was let go');
});

for (const maxCachedRuns of [0, 1]) {
  it(`running activities do not keep a worker with maxCachedRuns ${maxCachedRuns} from other runs`, {
    timeout: 120_000,
  }, async () => {
    const { connection, client } = engine;
    const taskQueue = `narrow ${maxCachedRuns}`;
    answers.set(taskQueue, Promise.withResolvers());
    const call = (type: string) => {
      const args = [{ type, args: [taskQueue], options: { startToCloseTimeout: '1 minute' } }];
      const options = { workflowId: `${type} ${taskQueue}`, taskQueue, args };
      return client.workflow.start('callActivity', options);
    };
    const worker = await fixtureWorker(connection, taskQueue, { activities, maxCachedRuns });
    await worker.runUntil(async () => {
      const waiting = await call('untilAnswered');
      await until(async () => (await waiting.describe()).pendingActivities.length === 1);
      await call('answer');
      assert.equal(await waiting.result(), 'answered');
    });
  });
}

describe('runs that wait for a slot', { concurrency: 2 }, () => {
  for (const local of [false, true]) {
    it(`do not keep a worker from claiming the run that a running activity waits for; local: ${local}`, async () => {
      const { connection, client } = engine;
      const taskQueue = `stalled ${local}`;
      const gate = Promise.withResolvers<void>();
      const executing = {
        async execute(name: string): Promise<unknown> {
          await gate.promise;
          return client.workflow.execute('nap', { workflowId: `for ${name}`, taskQueue, args: [1] });
        },
      };
      const limits = { maxCachedRuns: 1, maxConcurrentActivities: 1, maxConcurrentLocalActivityExecutions: 1 };
      const worker = await fixtureWorker(connection, taskQueue, { activities: executing, ...limits });
      const call = (name: string) => {
        const args = [{ type: 'execute', args: [name], local, options: { startToCloseTimeout: '1 minute' } }];
        return client.workflow.start('callActivity', { workflowId: `${name} ${local}`, taskQueue, args });
      };
      await worker.runUntil(async () => {
        const handles = [await call('first'), await call('second')];
        for (const handle of handles) await until(async () => (await handle.describe()).pendingActivities.length === 1);
        gate.resolve();
        for (const handle of handles) await handle.result();
      });
    });
  }
});

it('a worker that stops does not release a run before it has offered the run’s activities to other workers', async () => {
  const { connection, client, pool } = engine;
  const taskQueue = 'stopping';
  let offers = 0;
  const failPoint = (point: string): void => {
    if (point !== 'before offer' || offers++ > 0) return;
    stopping.shutdown();
    throw new Error('the database cannot be reached just now');
  };
  const tools = await fixtureWorker(connection, 'tools of others', {
    activities: { double: async (n: number) => 2 * n },
  });
  const stopping = await fixtureWorker(connection, taskQueue, { activities: {}, failPoint });
  const running = stopping.run();
  const handles = await Promise.all(
    Array.from({ length: 20 }, (_, i) => {
      const args = [{ type: 'double', args: [i], options: { taskQueue: 'tools of others' } }];
      return client.workflow.start('callActivity', { workflowId: `stopping ${i}`, taskQueue, args });
    }),
  );
  await running;
  const { rows } = await pool.query(
    `select r.run_id from reprise.ready r where r.queue = 'default/stopping' and wake_at > now() + interval '1 year'
and not exists (select from reprise.activity_tasks t where t.run_id = r.run_id)`,
  );
  assert.deepEqual(rows, [], 'nothing waits for a task that is not there');
  const heir = await fixtureWorker(connection, taskQueue, { activities: {} });
  const results = tools.runUntil(heir.runUntil(Promise.all(handles.map((handle) => handle.result()))));
  assert.deepEqual(
    await results,
    handles.map((_, i) => 2 * i),
  );
});
