// Activities that were left to a client before their worker was killed. They are not executed again, and a client can
// complete them while no worker is alive.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../support/engine.ts';
import { checkLog, crashLab, exited, kill, taskQueue } from './crash-lab.ts';

const lab = await crashLab();

/** The token of an attempt. Activities write their tokens into the file of effects. */
async function tokenOf(key: string, attempt: number): Promise<string> {
  const prefix = `token ${key} ${attempt} `;
  return until(async () => (await lab.effects()).find((line) => line.startsWith(prefix))?.slice(prefix.length));
}

const executions = async (key: string): Promise<number> =>
  (await lab.effects()).filter((line) => line.startsWith(`token ${key} `)).length;

for (const queue of [taskQueue, 'tools']) {
  it(`a client completes an activity of queue ${queue} after all workers died`, async () => {
    const key = `dead-${queue}`;
    const owner = await lab.worker();
    const tools = await lab.worker({ tools: true, taskQueue: 'tools' });
    const handle = await lab.client.workflow.start('callRemote', {
      workflowId: key,
      taskQueue,
      args: ['handOver', [key], { taskQueue: queue }],
    });
    const token = await tokenOf(key, 1);
    await until(async () => (await handle.describe()).pendingActivities[0]?.remote?.state === 'WAITING');
    await kill(owner);
    await kill(tools);
    await lab.client.activity.complete(token, 'by hand');
    const survivor = await lab.worker();
    assert.equal(await handle.result(), 'by hand');
    assert.equal(await executions(key), 1);
    assert.ok(!(await handle.history()).some(({ type }) => type === 'WorkerLost'));
    await checkLog(lab.pool, handle.runId);
    await kill(survivor);
  });
}

for (const failPoint of ['before leaving', 'after leaving'] as const) {
  it(`an owner is killed while it leaves an activity to a client: ${failPoint}`, async () => {
    const key = failPoint.replace(' ', '-');
    const handle = await lab.client.workflow.start('callRemote', {
      workflowId: key,
      taskQueue,
      args: ['handOver', [key], { taskQueue }],
    });
    const doomed = await lab.worker({ failPoint });
    await exited(doomed);
    const survivor = await lab.worker();
    // An attempt whose worker died before the log recorded that a client completes it is repeated.
    const attempt = failPoint === 'before leaving' ? 2 : 1;
    await lab.client.activity.complete(await tokenOf(key, attempt), attempt);
    assert.equal(await handle.result(), attempt);
    assert.equal(await executions(key), attempt);
    await checkLog(lab.pool, handle.runId);
    await kill(survivor);
  });
}

it('an activity that was completed while its owner was dead is not executed again', async () => {
  const key = 'told-the-dead';
  const owner = await lab.worker({ leaseMs: 60_000 });
  const handle = await lab.client.workflow.start('callRemote', {
    workflowId: key,
    taskQueue,
    args: ['handOver', [key, 60_000], { taskQueue }],
  });
  const token = await tokenOf(key, 1);
  await kill(owner);
  const completing = lab.client.activity.complete(token, 'told');
  await until(async () => (await handle.describe()).unreadMail === 1);
  const survivor = await lab.worker();
  await completing;
  assert.equal(await handle.result(), 'told');
  assert.equal(await executions(key), 1);
  await checkLog(lab.pool, handle.runId);
  await kill(survivor);
});
