// Versions of workers: which worker may claim which run, and that a run's log names its build. With runs cached,
// rebuilt from the log for every turn, and replayed.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { beforeEach, describe, it } from 'node:test';
import { QueryNotRegisteredError, type WorkerDeploymentVersionInfo, type WorkflowHandle } from 'reprise/client';
import { toCanonicalString } from 'reprise/common';
import { buildLab, type BuildLab, deploymentName, type RunningBuild } from '../support/builds.ts';
import { fixtureWorker, until } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

const builds = (handle: WorkflowHandle): Promise<string[]> => handle.query<string[]>('seen');

/** Waits until at least `count` builds have worked on the run. Returns the builds. */
function seenBy(handle: WorkflowHandle, count: number): Promise<string[]> {
  return until(async () => {
    const all = await builds(handle).catch((error: unknown) => {
      if (error instanceof QueryNotRegisteredError) return []; // the workflow has not reached setHandler yet
      throw error;
    });
    return all.length >= count && all;
  });
}

function versionOf(lab: BuildLab, buildId: string): Promise<WorkerDeploymentVersionInfo> {
  return lab.client.workerDeployment
    .describe(deploymentName)
    .then(({ versions }) => versions.find(({ version }) => version.buildId === buildId)!);
}

/** Waits until the build has released the run. The current build claims the run next. */
async function gone(handle: WorkflowHandle, { worker }: RunningBuild): Promise<void> {
  await until(async () => (await handle.describe()).owner !== worker.getStatus().epoch);
}

async function queueOf(lab: BuildLab, { runId }: WorkflowHandle): Promise<string> {
  const { rows } = await lab.pool.query<{ queue: string }>('select queue from reprise.ready where run_id = $1', [
    runId,
  ]);
  return rows[0]!.queue;
}

const uncached = { maxCachedRuns: 0 };
const cachedLab = await buildLab('shop');
const evictedLab = await buildLab('shop', uncached);

for (const [way, lab, common] of [
  ['cached', cachedLab, {}],
  ['evicted after every turn', evictedLab, uncached],
] as const) {
  const { client, connection } = lab;
  const { workerDeployment } = client;
  const one = await lab.build('1.0');

  describe(`builds of a deployment, runs ${way}`, () => {
    let isFirst = true;
    beforeEach(async () => {
      if (!isFirst) await lab.reset(one);
      isFirst = false;
    });

    it('a version takes no new runs until it is current', async () => {
      const handle = await lab.start('pinned', { workflowId: 'early' });
      const description = await handle.describe();
      assert.deepEqual([description.pollers, description.historyLength], [0, 1]);
      assert.equal((await versionOf(lab, '1.0')).status, 'INACTIVE');
      await workerDeployment.setCurrentVersion(deploymentName, '1.0');
      assert.deepEqual(await seenBy(handle, 1), ['shop.1.0']);
      assert.equal((await versionOf(lab, '1.0')).status, 'CURRENT');
      await handle.signal('finish');
      await handle.result();
    });

    it('a pinned run stays and an auto-upgrade run moves, even if the old worker lives', async () => {
      const pinned = await lab.start('pinned');
      const moving = await lab.start('moving');
      const byDefault = await lab.start('byDefault');
      const all = [pinned, moving, byDefault];
      for (const handle of all) assert.deepEqual(await seenBy(handle, 1), ['shop.1.0']);
      await lab.build('2.0');
      assert.equal((await versionOf(lab, '2.0')).status, 'INACTIVE');
      const idle = await lab.start('pinned');
      assert.deepEqual(await seenBy(idle, 1), ['shop.1.0']);

      await workerDeployment.setCurrentVersion(deploymentName, '2.0');
      await gone(moving, one);
      for (const handle of all) await handle.signal('step');
      assert.deepEqual(await seenBy(pinned, 2), ['shop.1.0', 'shop.1.0']);
      assert.deepEqual(await seenBy(byDefault, 2), ['shop.1.0', 'shop.1.0']);
      assert.deepEqual(await seenBy(moving, 2), ['shop.1.0', 'shop.2.0']);
      assert.deepEqual((await moving.describe()).versioningInfo, {
        behavior: 'AUTO_UPGRADE',
        deploymentVersion: { deploymentName, buildId: '2.0' },
        versioningOverride: undefined,
      });
      assert.equal((await pinned.describe()).versioningInfo?.behavior, 'PINNED');
      const fresh = await lab.start('pinned');
      assert.deepEqual(await seenBy(fresh, 1), ['shop.2.0']);

      const draining = await versionOf(lab, '1.0');
      assert.deepEqual([draining.status, draining.pinnedRuns, draining.liveWorkers], ['DRAINING', 3, 1]);
      for (const handle of [...all, idle, fresh]) await handle.signal('finish');
      assert.deepEqual(await pinned.result(), ['shop.1.0', 'shop.1.0', 'shop.1.0']);
      assert.deepEqual(await moving.result(), ['shop.1.0', 'shop.2.0', 'shop.2.0']);
      await Promise.all([byDefault, idle, fresh].map((handle) => handle.result()));
      const drained = await until(async () => {
        const info = await versionOf(lab, '1.0');
        return info.status === 'DRAINED' && info;
      });
      assert.deepEqual([drained.pinnedRuns, drained.runsInMemory], [0, 0]);

      await assertReplays(connection.database, pinned.runId!, 'builds.ts');
      await assertReplays(connection.database, moving.runId!, 'builds-next.ts');
      await assertReplays(connection.database, fresh.runId!, 'builds-next.ts');
      const verdict = await lab.pool.query('select ok from reprise_audit.verify($1)', [moving.runId]);
      assert.deepEqual(verdict.rows, [{ ok: true }]);
      const marks = (await moving.history()).filter((event) => event.type === 'WorkflowTaskCompleted' && event.meta);
      assert.deepEqual(
        marks.map(({ meta }) => meta),
        ['1.0', '2.0'].map((buildId) => ({ version: { buildId, deploymentName }, behavior: 'AUTO_UPGRADE' })),
      );
    });

    it('a worker of its own version answers queries to a closed run', async () => {
      await lab.build('2.0');
      const handle = await lab.start('pinned');
      await seenBy(handle, 1);
      await workerDeployment.setCurrentVersion(deploymentName, '2.0');
      await handle.signal('finish');
      await handle.result();
      assert.deepEqual(await builds(handle), ['shop.1.0']);
    });

    it('a run that always has a running activity moves too, and no activity is repeated', async () => {
      await lab.build('2.0');
      for (const lanes of [1, 3]) {
        await workerDeployment.setCurrentVersion(deploymentName, '1.0');
        const handle = await lab.start('working', { args: [lanes] });
        assert.deepEqual(await seenBy(handle, 1), ['shop.1.0']);
        await workerDeployment.setCurrentVersion(deploymentName, '2.0');
        assert.deepEqual(await seenBy(handle, 2), ['shop.1.0', 'shop.2.0']);
        await handle.signal('finish');
        await handle.result();
        const events = await handle.history();
        assert.ok(events.every((event) => event.attempt === null || event.attempt === 1));
        assert.ok(!events.some((event) => event.type === 'WorkerLost'));
        await assertReplays(connection.database, handle.runId!, 'builds-next.ts');
      }
    });

    it('a ramping version gets its share of the workflow ids, always the same ids', async () => {
      const two = await lab.build('2.0');
      await workerDeployment.setRampingVersion(deploymentName, '2.0', 30);
      assert.equal((await versionOf(lab, '2.0')).status, 'RAMPING');
      const part = (id: string): number => createHash('sha256').update(id).digest().readUInt16BE(0) / 65_536;
      const ids = Array.from({ length: 16 }, (_, i) => `ramp-${i}`);
      const runAll = async (workflow: string): Promise<string[]> => {
        const handles = await Promise.all(ids.map((workflowId) => lab.start(workflow, { workflowId })));
        const seen = await Promise.all(handles.map(async (handle) => (await seenBy(handle, 1))[0]!));
        await Promise.all(handles.map((handle) => handle.signal('finish')));
        await Promise.all(handles.map((handle) => handle.result()));
        return seen;
      };
      const expected = ids.map((id) => (part(id) < 0.3 ? 'shop.2.0' : 'shop.1.0'));
      assert.ok(new Set(expected).size === 2);
      assert.deepEqual(await runAll('pinned'), expected);
      assert.deepEqual(await runAll('moving'), expected);
      // An auto-upgrade run moves back and forth when the share changes.
      const id = ids.find((each) => part(each) >= 0.3)!;
      const handle = await lab.start('moving', { workflowId: id });
      await seenBy(handle, 1);
      await workerDeployment.setRampingVersion(deploymentName, '2.0', 100);
      await gone(handle, one);
      await handle.signal('step');
      assert.deepEqual(await seenBy(handle, 2), ['shop.1.0', 'shop.2.0']);
      await workerDeployment.setRampingVersion(deploymentName, null);
      await gone(handle, two);
      await handle.signal('step');
      assert.deepEqual(await seenBy(handle, 3), ['shop.1.0', 'shop.2.0', 'shop.1.0']);
      await handle.signal('finish');
      await handle.result();
      await assertReplays(connection.database, handle.runId!, 'builds.ts');
    });

    it('a start may override the version of its run, whatever the workflow code says', async () => {
      const pinnedTo = { deploymentName, buildId: '3.0' };
      const handle = await lab.start('moving', { versioningOverride: { pinnedTo } });
      assert.deepEqual((await handle.describe()).versioningInfo, {
        behavior: 'PINNED',
        deploymentVersion: pinnedTo,
        versioningOverride: { pinnedTo },
      });
      assert.equal((await handle.describe()).pollers, 0);
      await lab.build('3.0');
      assert.deepEqual(await seenBy(handle, 1), ['shop.3.0']);
      const follows = await lab.start('pinned', { versioningOverride: 'AUTO_UPGRADE' });
      assert.deepEqual(await seenBy(follows, 1), ['shop.1.0']);
      assert.equal((await follows.describe()).versioningInfo?.behavior, 'AUTO_UPGRADE');
      await handle.signal('finish');
      await follows.signal('finish');
      await Promise.all([handle.result(), follows.result()]);
      await assertReplays(connection.database, handle.runId!, 'builds-next.ts');
    });

    it('the successor of a pinned run stays on its version, unless it asks to move', async () => {
      await lab.build('2.0');
      const start = (options: object, queue?: string): Promise<WorkflowHandle> =>
        lab.start('entity', { args: [options], ...(queue === undefined ? {} : { queue }) });
      const stays = await start({});
      const moves = await start({ initial: 'AUTO_UPGRADE' });
      const ramps = await start({ initial: 'USE_RAMPING_VERSION' });
      const all = [stays, moves, ramps];
      for (const handle of all) assert.deepEqual(await seenBy(handle, 1), ['shop.1.0']);
      await workerDeployment.setRampingVersion(deploymentName, '2.0', 0);
      await ramps.signal('step');
      assert.deepEqual(await seenBy(ramps, 2), ['shop.1.0', 'shop.2.0']);
      assert.equal(await stays.query('targetChanged'), false);

      await workerDeployment.setCurrentVersion(deploymentName, '2.0');
      await stays.signal('step');
      await moves.signal('step');
      assert.deepEqual(await seenBy(stays, 2), ['shop.1.0', 'shop.1.0']);
      assert.deepEqual(await seenBy(moves, 2), ['shop.1.0', 'shop.2.0']);
      assert.equal(await until(() => stays.query<boolean>('targetChanged')), true);
      assert.equal(await moves.query('targetChanged'), false);
      for (const handle of all) await handle.signal('finish');
      assert.deepEqual(await stays.result(), ['shop.1.0', 'shop.1.0']);
      await Promise.all([moves.result(), ramps.result()]);
      const { rows } = await lab.pool.query<{ run_id: string }>(
        'select run_id from reprise.runs where workflow_id = any($1)',
        [all.map((handle) => handle.workflowId)],
      );
      assert.equal(rows.length, 6);
      for (const { run_id: runId } of rows) await assertReplays(connection.database, runId, 'builds.ts');
    });

    it('a pinned run that continues on another queue stays on its version if that version polls the queue', async () => {
      await Promise.all([lab.build('2.0', { queue: 'more' }), lab.build('1.0', { queue: 'more' })]);
      const stays = await lab.start('entity', { args: [{ taskQueue: 'more' }] });
      await seenBy(stays, 1);
      await workerDeployment.setCurrentVersion(deploymentName, '2.0');
      await stays.signal('step');
      assert.deepEqual(await seenBy(stays, 2), ['shop.1.0', 'shop.1.0']);
      await stays.terminate();
      const leaves = await lab.start('entity', {
        args: [{ taskQueue: 'foreign' }],
        versioningOverride: { pinnedTo: { deploymentName, buildId: '1.0' } },
      });
      await seenBy(leaves, 1);
      await leaves.signal('step');
      const next = await until(async () => {
        const { runId, taskQueue } = await leaves.describe();
        return taskQueue === 'foreign' && client.workflow.getHandle(leaves.workflowId, runId);
      });
      assert.equal(await queueOf(lab, next), '@shop:1.0/default/foreign');
      await leaves.terminate();
    });

    it('children of a pinned run start on its version if that version polls their queue, otherwise on the current version', async () => {
      await Promise.all([lab.build('2.0'), lab.build('2.0', { queue: 'two' })]);
      const begun = [
        await lab.start('parent'),
        await lab.start('parent', { args: ['two'] }),
        await lab.start('freeParent'),
      ];
      for (const handle of begun) {
        await until(async () => (await handle.describe()).versioningInfo?.behavior !== undefined);
      }
      await workerDeployment.setCurrentVersion(deploymentName, '2.0');
      for (const handle of begun) await handle.signal('finish');
      const results = await Promise.all(begun.map((handle) => handle.result()));
      assert.deepEqual(results.slice(0, 2), [
        ['shop.1.0', 'shop.1.0'],
        ['shop.1.0', 'shop.2.0'],
      ]);
      assert.equal((results[2] as string[])[1], 'shop.2.0');
      for (const handle of begun) await assertReplays(connection.database, handle.runId!, 'builds.ts');
    });

    it('a retry of a pinned run starts on the current version, or on the version that the start named', async () => {
      await lab.build('2.0');
      const retry = { maximumAttempts: 2, initialInterval: 1 };
      const [free, sent] = [
        await lab.start('retried', { args: [2], retry }),
        await lab.start('retried', {
          ...{ args: [2], retry },
          versioningOverride: { pinnedTo: { deploymentName, buildId: '1.0' } },
        }),
      ];
      for (const handle of [free, sent]) {
        await until(async () => (await handle.describe()).versioningInfo?.deploymentVersion !== undefined);
      }
      await workerDeployment.setCurrentVersion(deploymentName, '2.0');
      for (const handle of [free, sent]) await handle.signal('finish');
      assert.equal(await free.result(), 'shop.2.0');
      assert.equal(await sent.result(), 'shop.1.0');
    });

    it('an unversioned worker claims new runs, but no runs of a version', async () => {
      const plain = await fixtureWorker(connection, 'mixed', { ...common, workerDeploymentOptions: undefined! });
      const running = plain.run();
      const versioned = await lab.build('1.0', { queue: 'mixed' });
      const handle = await lab.start('moving', {
        queue: 'mixed',
        versioningOverride: { pinnedTo: { deploymentName, buildId: '1.0' } },
      });
      assert.deepEqual(await seenBy(handle, 1), ['shop.1.0']);
      await versioned.stop();
      await handle.signal('step');
      const greeting = await client.workflow.execute('greet', { workflowId: 'hi', taskQueue: 'mixed', args: ['Ada'] });
      assert.equal(greeting, 'Hello, Ada!');
      assert.equal((await handle.describe()).unreadMail, 1);
      assert.equal((await client.workflow.getHandle('hi').describe()).versioningInfo, undefined);
      // The same state as after a crash before the run's queue was written: the log decides, whoever claims the run.
      await lab.pool.query("update reprise.ready set queue = 'default/mixed' where run_id = $1", [handle.runId]);
      await until(async () => (await queueOf(lab, handle)) === '@shop:1.0/default/mixed');
      await lab.build('1.0', { queue: 'mixed' });
      assert.deepEqual(await seenBy(handle, 2), ['shop.1.0', 'shop.1.0']);
      await handle.terminate();
      plain.shutdown();
      await running;
    });

    it('a worker may name its version and still claim unversioned runs', async () => {
      const version = { deploymentName, buildId: '1.x' };
      await lab.build('1.x', {
        queue: 'told',
        workerDeploymentOptions: { version, useWorkerVersioning: false },
      });
      const handle = await lab.start('byDefault', { queue: 'told' });
      await seenBy(handle, 1);
      await handle.signal('finish');
      assert.deepEqual(await handle.result(), [toCanonicalString(version), toCanonicalString(version)]);
      await assertReplays(connection.database, handle.runId!, 'builds.ts');
      assert.equal(await versionOf(lab, '1.x'), undefined);
    });

    it('runs wait while their version has no worker, as describe shows', async () => {
      const waiting = await lab.start('pinned');
      await seenBy(waiting, 1);
      await one.stop();
      await waiting.signal('step');
      const info = await versionOf(lab, '1.0');
      assert.deepEqual([info.pinnedRuns, info.runsInMemory, info.liveWorkers], [1, 0, 0]);
      const description = await waiting.describe();
      assert.deepEqual([description.pollers, description.unreadMail], [0, 1]);
      assert.equal(await queueOf(lab, waiting), '@shop:1.0/default/shop');
      await lab.build('1.0');
      assert.deepEqual(await seenBy(waiting, 2), ['shop.1.0', 'shop.1.0']);
      await waiting.terminate();
    });
  });
}
