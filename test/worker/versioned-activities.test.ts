// Activities of versioned runs that other workers execute: workers of the run's version, if the version has workers on
// the task queue. With runs cached, rebuilt from the log for every turn, and replayed.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { activityInfo } from 'reprise/activity';
import type { WorkflowHandle } from 'reprise/client';
import { Worker } from 'reprise/worker';
import { buildLab, type BuildLab, deploymentName } from '../support/builds.ts';
import { quiet, until } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

interface Scope {
  after(fn: () => Promise<void>): void;
}

const uncached = { maxCachedRuns: 0 };
const cachedLab = await buildLab('shop');
const evictedLab = await buildLab('shop', uncached);

const answering = (build: string): { whichBuild(): Promise<string> } => ({ whichBuild: async () => build });

/** Runs a worker that has no version and only activities. */
async function withoutVersion(t: Scope, lab: BuildLab, taskQueue: string): Promise<void> {
  const worker = await Worker.create({
    connection: lab.connection,
    taskQueue,
    activities: answering('none'),
    logger: quiet,
  });
  const running = worker.run();
  t.after(async () => {
    worker.shutdown();
    await running;
  });
}

for (const [way, lab] of [
  ['cached', cachedLab],
  ['evicted after every turn', evictedLab],
] as const) {
  const { client } = lab;
  const setCurrent = (buildId: string): Promise<unknown> =>
    client.workerDeployment.setCurrentVersion(deploymentName, buildId);
  const one = await lab.build('1.0', { activities: {} });

  describe(`an activity for other workers, its run ${way}`, () => {
    let isFirst = true;
    beforeEach(async () => {
      if (isFirst) await setCurrent('1.0');
      else await lab.reset(one);
      isFirst = false;
    });

    /** Starts one more activity on the queue. Waits until `times` activities have answered, and returns all answers. */
    async function ask(handle: WorkflowHandle, times: number): Promise<string[]> {
      await handle.signal('step');
      return until(async () => {
        const answers = await handle.query<string[]>('seen').catch(() => []);
        return answers.length >= times && answers;
      });
    }

    /** The state of the pending activity in the run's description, and the number of workers that could claim it. */
    async function told(handle: WorkflowHandle): Promise<[string | undefined, number | undefined]> {
      const remote = (await handle.describe()).pendingActivities[0]?.remote;
      return [remote?.state, remote?.pollers];
    }

    async function finish(handle: WorkflowHandle): Promise<void> {
      await handle.signal('finish');
      await handle.result();
      await assertReplays(lab.connection.database, handle.runId!, 'builds.ts');
    }

    it('is executed only by the run’s version if the run is pinned, otherwise only by the current version', async (t) => {
      for (const buildId of ['1.0', '2.0'])
        await lab.build(buildId, { queue: 'tools', activities: answering(buildId) });
      await lab.build('2.0', { activities: {} });
      await withoutVersion(t, lab, 'tools');
      const pinned = await lab.start('asks', { args: ['tools'] });
      const moving = await lab.start('asksMoving', { args: ['tools'] });
      for (const handle of [pinned, moving]) {
        for (const count of [1, 2, 3]) await ask(handle, count);
        assert.deepEqual(await handle.query('seen'), ['1.0', '1.0', '1.0']);
      }
      await setCurrent('2.0');
      assert.deepEqual((await ask(pinned, 4)).at(-1), '1.0');
      assert.deepEqual((await ask(moving, 4)).at(-1), '2.0');
      for (const handle of [pinned, moving]) await finish(handle);
    });

    it('waits for its version when the version has no worker left, as describe shows', async (t) => {
      const tools = await lab.build('1.0', { queue: 'left tools', activities: answering('1.0') });
      await lab.build('2.0', { queue: 'left tools', activities: answering('2.0') });
      await tools.stop();
      await setCurrent('2.0');
      await setCurrent('1.0');
      await withoutVersion(t, lab, 'left tools');
      const handle = await lab.start('asks', { args: ['left tools'] });
      await handle.signal('step');
      const remote = await until(async () => (await handle.describe()).pendingActivities[0]?.remote);
      assert.deepEqual([remote.state, remote.taskQueue, remote.pollers], ['SCHEDULED', 'left tools', 0]);
      await setCurrent('2.0');
      await lab.build('1.0', { queue: 'left tools', activities: answering('1.0 again') });
      assert.deepEqual(
        await until(async () => {
          const answers = await handle.query<string[]>('seen');
          return answers.length > 0 && answers;
        }),
        ['1.0 again'],
      );
      await finish(handle);
    });

    it('on a queue that its version never polled goes to unversioned workers or the current version', async (t) => {
      await withoutVersion(t, lab, 'foreign tools');
      const foreign = await lab.start('asks', { args: ['foreign tools'] });
      assert.deepEqual(await ask(foreign, 1), ['none']);
      await lab.build('2.0', { queue: 'new tools', activities: answering('2.0') });
      const waiting = await lab.start('asks', { args: ['new tools'] });
      await waiting.signal('step');
      const remote = await until(async () => (await waiting.describe()).pendingActivities[0]?.remote);
      assert.equal(remote.state, 'SCHEDULED');
      // Version 2.0 is not current.
      await new Promise((resolve) => setTimeout(resolve, 250));
      assert.deepEqual(await told(waiting), ['SCHEDULED', 0]);
      await setCurrent('2.0');
      await until(async () => (await waiting.query<string[]>('seen')).length === 1);
      assert.deepEqual(await waiting.query('seen'), ['2.0']);
      for (const handle of [foreign, waiting]) await finish(handle);
    });

    it('goes to its version as soon as that version has a worker, even if it waited for the current version', async () => {
      await lab.build('2.0', { activities: {} });
      const pinned = await lab.start('asks', { args: ['late tools'] });
      await ask(pinned, 0);
      await setCurrent('2.0');
      await pinned.signal('step');
      await until(async () => (await told(pinned))[0] === 'SCHEDULED');
      await lab.build('1.0', { queue: 'late tools', activities: answering('1.0') });
      await until(async () => (await pinned.query<string[]>('seen')).length > 0);
      await lab.build('2.0', { queue: 'late tools', activities: answering('2.0') });
      assert.deepEqual((await ask(pinned, 2)).slice(0, 2), ['1.0', '1.0']);
      await finish(pinned);
    });

    it('on a queue under steady load does not delay activities on other queues', async () => {
      const taskQueue = 'few tools';
      await (await lab.build('1.0', { queue: taskQueue, activities: answering('1.0') })).stop();
      const pinned = await Promise.all([1, 2, 3, 4].map(() => lab.start('asks', { args: [taskQueue] })));
      const moving = await lab.start('asksMoving', { args: [taskQueue] });
      const handles = [...pinned, moving];
      for (const handle of handles) await handle.signal('step');
      for (const handle of handles) await until(async () => (await told(handle))[0] === 'SCHEDULED');
      const id = `standalone few ${way}`;
      const alone = await client.activity.start('whichBuild', { id, taskQueue, startToCloseTimeout: '10 s' });
      const order: string[] = [];
      const whichBuild = async (): Promise<string> => {
        order.push(activityInfo().workflowExecution?.workflowId ?? id);
        return '1.0';
      };
      await lab.build('1.0', { queue: taskQueue, activities: { whichBuild }, maxConcurrentActivities: 1 });
      await alone.result();
      for (const handle of handles) await until(async () => (await handle.query<string[]>('seen')).length > 0);
      const lastPinned = Math.max(...pinned.map(({ workflowId }) => order.indexOf(workflowId)));
      for (const other of [id, moving.workflowId]) assert.ok(order.indexOf(other) < lastPinned, String(order));
      for (const handle of handles) await finish(handle);
    });

    it('of a type that its owner lacks goes to other workers of its version on the same queue', async () => {
      await lab.build('2.0', { activities: answering('2.0') });
      await lab.build('1.0', { activities: answering('1.0'), maxCachedRuns: 0 });
      const handle = await lab.start('asks', { args: ['shop'] });
      for (const count of [1, 2, 3]) await ask(handle, count);
      assert.deepEqual(await handle.query('seen'), ['1.0', '1.0', '1.0']);
      await finish(handle);
    });

    it('of an unversioned run does not go to a version that is not current', async () => {
      await lab.build('2.0', { queue: 'standalone tools', activities: answering('2.0') });
      const handle = await client.activity.start('whichBuild', {
        id: `standalone ${way}`,
        taskQueue: 'standalone tools',
        startToCloseTimeout: '10 s',
      });
      await new Promise((resolve) => setTimeout(resolve, 250));
      assert.equal((await handle.describe()).runState, 'SCHEDULED');
      await setCurrent('2.0');
      assert.equal(await handle.result(), '2.0');
    });
  });
}
