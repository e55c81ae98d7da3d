// How a worker lets go of runs.
import assert from 'node:assert/strict';
import { it } from 'node:test';
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

it('a run that is let go late is due then, not in the past, where claims seldom look', async () => {
  const { connection, client, pool } = engine;
  let blockedUntil = 0;
  const failPoint = (name: string): void => {
    // Holds up the whole process, as others that compute do, until the run's timer is long due.
    if (name === 'before park') while (Date.now() < blockedUntil);
  };
  const worker = await fixtureWorker(connection, 'late', { failPoint });
  const handle = await worker.runUntil(async () => {
    const started = await client.workflow.start('nap', { workflowId: 'late', taskQueue: 'late', args: [1000] });
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
  it(`activities at work do not keep a worker with maxCachedRuns ${maxCachedRuns} from other runs`, {
    timeout: 20_000,
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
