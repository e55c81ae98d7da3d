// A worker is killed at every named moment of a turn. Another worker, which knows only the database, finishes the run.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failPoints } from '../../runtime/worker/life/fail-point.ts';
import { recordedAttempts } from './attempts.ts';
import { checkLog, crashLab, exited, tally, taskQueue } from './crash-lab.ts';

const concurrency = 4;
const items = 60;

describe('a worker killed at a named moment', async () => {
  const lab = await crashLab();

  for (const failPoint of failPoints) {
    for (const hits of failPoint.includes('append') || failPoint.includes('activity') ? [1, 7] : [1]) {
      it(`loses nothing and repeats only what was in flight: ${failPoint}, time ${hits}`, async () => {
        const before = (await lab.effects()).length;
        const parked = failPoint.includes('park');
        if (parked) {
          // A worker parks a run only when its cache is full. Here the next run evicts this idle run.
          await lab.client.workflow.start('nap', { workflowId: `idle ${failPoint}`, taskQueue, args: [600_000] });
        }
        const handle = await lab.client.workflow.start('tallyAll', {
          workflowId: `kill ${failPoint} ${hits}`,
          taskQueue,
          args: [items, concurrency],
        });
        const doomed = await lab.worker({ failPoint, hits, ...(parked ? { maxCachedRuns: 1 } : {}) });
        await exited(doomed);
        const survivor = await lab.worker();
        assert.equal(await handle.result(), items);
        await checkLog(lab.pool, handle.runId);
        assert.ok((await recordedAttempts(lab.pool, handle.runId)) >= items);
        const effects = tally((await lab.effects()).slice(before).filter((line) => line.startsWith('tally')));
        assert.equal(effects.size, items, 'every item was done');
        const repeated = [...effects.values()].reduce((sum, count) => sum + count - 1, 0);
        assert.ok(repeated <= concurrency, `${repeated} repeated, at most ${concurrency} were in flight`);
        const { state } = await handle.stateAt();
        assert.equal((state as { done: number }).done, items);
        survivor.kill('SIGTERM');
        await exited(survivor);
      });
    }
  }
});
