// The only worker of a version is killed. The version's pinned runs wait, other workers cannot take them, and the next
// worker of the version continues them.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../support/engine.ts';
import { checkLog, crashLab, kill, taskQueue, tally } from './crash-lab.ts';

const lab = await crashLab();
const { workflow, workerDeployment } = lab.client;

async function version(buildId: string): Promise<[status: string, pinned: number, inMemory: number, workers: number]> {
  const { versions } = await workerDeployment.describe('shop');
  const { status, pinnedRuns, runsInMemory, liveWorkers } = versions.find((each) => each.version.buildId === buildId)!;
  return [status, pinnedRuns, runsInMemory, liveWorkers];
}

for (const failPoint of ['after append', undefined] as const) {
  it(`a pinned run outlives the only worker of its version, killed ${failPoint ?? 'while it waits'}`, async () => {
    const one = { id: '1.0', file: 'builds.ts' };
    const dying = await lab.worker({ build: one, ...(failPoint === undefined ? {} : { failPoint }) });
    await workerDeployment.setCurrentVersion('shop', '1.0');
    const workflowId = `pinned ${failPoint}`;
    const handle = await workflow.start('pinned', { workflowId, taskQueue });
    // The run is pinned once its first turn is in the log.
    await until(async () => (await handle.describe()).versioningInfo?.behavior === 'PINNED');
    if (failPoint === undefined) {
      await until(async () => (await handle.history()).some((event) => event.type === 'TimerFired'));
      await until(async () => (await version('1.0')).join(' ') === 'CURRENT 1 0 1');
    }
    await kill(dying);

    const next = await lab.worker({ build: { id: '2.0', file: 'builds-next.ts' } });
    await workerDeployment.setCurrentVersion('shop', '2.0');
    await until(async () => (await version('1.0')).join(' ') === 'DRAINING 1 0 0');
    const waiting = await handle.describe();
    assert.deepEqual([waiting.pollers, waiting.taskFailure], [0, undefined]);

    await handle.signal('finish');
    const again = await lab.worker({ build: one });
    assert.deepEqual(await handle.result(), ['shop.1.0', 'shop.1.0']);
    await checkLog(lab.pool, handle.runId);
    assert.equal(tally((await handle.history()).map(({ type }) => type)).get('WorkflowTaskFailed'), undefined);
    await until(async () => (await version('1.0'))[0] === 'DRAINED');
    await Promise.all([kill(next), kill(again)]);
  });
}
