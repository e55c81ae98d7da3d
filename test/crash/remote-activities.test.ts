// One worker owns the run, and another executes its activities. When one of them is killed, the run ends with every
// result, reported activities are not executed again, and a lost attempt does not count.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { taskFailPoints } from '../../runtime/worker/life/fail-point.ts';
import { until } from '../support/engine.ts';
import { checkLog, crashLab, exited, kill, tally, taskQueue } from './crash-lab.ts';

const count = 12;
const rounds = 3;
const lab = await crashLab();
const ofTools = { tools: true, taskQueue: 'tools' } as const;

async function noTasks(): Promise<void> {
  await until(async () => (await lab.pool.query('select 1 from reprise.activity_tasks')).rows.length === 0);
}

describe('a killed worker that executes activities', () => {
  for (const failPoint of [...taskFailPoints.slice(2), 'before activity', 'after activity'] as const) {
    it(`loses nothing: ${failPoint}`, async () => {
      const owner = await lab.worker();
      const before = (await lab.effects()).length;
      const doomed = await lab.worker({ ...ofTools, failPoint, hits: 2 });
      const handle = await lab.client.workflow.start('callMany', {
        workflowId: `tools ${failPoint}`,
        taskQueue,
        args: ['double', count, rounds],
      });
      await exited(doomed);
      const survivor = await lab.worker(ofTools);
      const result = (await handle.result()) as unknown[];
      assert.equal(result.filter((value) => typeof value === 'number').length, count * rounds);
      await checkLog(lab.pool, handle.runId);
      const effects = tally((await lab.effects()).slice(before).filter((line) => line.startsWith('double')));
      assert.equal(effects.size, count * rounds);
      // Only activities that the dead worker was running and had not reported are executed twice.
      assert.ok([...effects.values()].every((times) => times <= 2));
      if (failPoint === 'after report') {
        const reported = (await handle.history()).filter(({ type }) => type === 'ActivityCompleted').length;
        assert.equal(reported, count * rounds + rounds);
      }
      await noTasks();
      await kill(owner);
      await kill(survivor);
    });
  }

  it('does not use up an attempt, and its loss is in the log', async () => {
    const owner = await lab.worker();
    const first = await lab.worker(ofTools);
    const handle = await lab.client.workflow.start('callRemote', {
      workflowId: 'lost attempt',
      taskQueue,
      args: ['takeLong', [300], { retry: { maximumAttempts: 1 } }],
    });
    await until(async () => (await lab.effects()).includes('take long 1'));
    await kill(first);
    const second = await lab.worker(ofTools);
    assert.equal(await handle.result(), 2);
    const history = await handle.history();
    assert.equal(history.find(({ type }) => type === 'ActivityCompleted')?.attempt, 2);
    assert.equal(history.filter(({ type }) => type === 'WorkerLost').length, 1);
    await checkLog(lab.pool, handle.runId);
    await kill(owner);
    await kill(second);
  });

  it('leaves an unsafe activity to a person', async () => {
    const owner = await lab.worker();
    const first = await lab.worker(ofTools);
    const handle = await lab.client.workflow.start('callRemote', {
      workflowId: 'unsafe lost',
      taskQueue,
      args: ['once', [60_000]],
    });
    await until(async () => (await lab.effects()).includes('once'));
    await kill(first);
    const second = await lab.worker(ofTools);
    await until(async () => (await handle.describe()).pendingActivities[0]?.unknownEffect);
    // Once the second worker has executed another activity, it has claimed every task that it can claim.
    const other = { workflowId: 'after unsafe', taskQueue, args: ['double', [1]] };
    assert.equal(await lab.client.workflow.execute('callRemote', other), 2);
    assert.equal((await lab.effects()).filter((line) => line === 'once').length, 1);
    assert.equal((await handle.history()).filter(({ type }) => type === 'ActivityAttemptStarted').length, 1);
    await handle.terminate('seen');
    await checkLog(lab.pool, handle.runId);
    await kill(owner);
    await kill(second);
  });
});

describe('a killed owner of the run', () => {
  for (const [failPoint, hits] of [
    ['before offer', 2],
    ['after offer', 2],
    ['before append', 3],
    ['after append', 3],
    ['after append', 5],
  ] as const) {
    it(`causes no activity to be executed twice: ${failPoint}, time ${hits}`, async () => {
      const tools = await lab.worker(ofTools);
      const before = (await lab.effects()).length;
      const doomed = await lab.worker({ failPoint, hits });
      const handle = await lab.client.workflow.start('callMany', {
        workflowId: `owner ${failPoint} ${hits}`,
        taskQueue,
        args: ['double', count, rounds],
      });
      await exited(doomed);
      const survivor = await lab.worker();
      const result = (await handle.result()) as unknown[];
      assert.equal(result.length, count * rounds + rounds);
      await checkLog(lab.pool, handle.runId);
      const effects = tally((await lab.effects()).slice(before).filter((line) => line.startsWith('double')));
      assert.deepEqual([effects.size, Math.max(...effects.values())], [count * rounds, 1]);
      await noTasks();
      await kill(tools);
      await kill(survivor);
    });
  }

  it('does not disturb a running attempt', async () => {
    const tools = await lab.worker(ofTools);
    const first = await lab.worker();
    const before = (await lab.effects()).length;
    const handle = await lab.client.workflow.start('callRemote', {
      workflowId: 'owner lost',
      taskQueue,
      args: ['takeLong', [700]],
    });
    await until(async () => (await lab.effects()).length > before);
    await kill(first);
    const second = await lab.worker();
    assert.equal(await handle.result(), 1);
    assert.deepEqual((await lab.effects()).slice(before), ['take long 1']);
    assert.ok(!(await handle.history()).some(({ type }) => type === 'WorkerLost'));
    await checkLog(lab.pool, handle.runId);
    await kill(tools);
    await kill(second);
  });
});

it('a worker that hangs past its lease commits nothing when it wakes up', async () => {
  const owner = await lab.worker({ leaseMs: 1000 });
  const hung = await lab.worker({ ...ofTools, leaseMs: 1000 });
  const before = (await lab.effects()).length;
  const handle = await lab.client.workflow.start('callRemote', {
    workflowId: 'hung',
    taskQueue,
    args: ['takeLong', [600]],
  });
  await until(async () => (await lab.effects()).length > before);
  hung.kill('SIGSTOP');
  const other = await lab.worker({ ...ofTools, leaseMs: 1000 });
  await until(async () => (await lab.effects()).slice(before).includes('take long 2'));
  hung.kill('SIGCONT');
  assert.equal(await handle.result(), 2);
  assert.equal((await handle.history()).filter(({ type }) => type === 'ActivityCompleted').length, 1);
  await checkLog(lab.pool, handle.runId);
  for (const child of [owner, hung, other]) await kill(child);
});
