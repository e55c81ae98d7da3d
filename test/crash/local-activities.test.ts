// A worker is killed while it executes local activities. Completed activities are not executed again; the others are.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { checkLog, crashLab, exited, tally, taskQueue } from './crash-lab.ts';

const count = 20;
const lab = await crashLab();

for (const failPoint of ['before activity', 'after activity', 'before append', 'after append'] as const) {
  it(`local activities survive their worker: ${failPoint}`, async () => {
    const before = (await lab.effects()).length;
    const handle = await lab.client.workflow.start('localChain', {
      workflowId: `local ${failPoint}`,
      taskQueue,
      args: ['hello', count],
    });
    await exited(await lab.worker({ failPoint, hits: 9 }));
    const survivor = await lab.worker();
    assert.equal(((await handle.result()) as unknown[]).length, 2 * count);
    await checkLog(lab.pool, handle.runId);
    const effects = tally((await lab.effects()).slice(before));
    assert.equal(effects.size, count);
    const executed = [...effects.values()].reduce((sum, times) => sum + times);
    assert.ok(executed >= 2 * count && executed <= 2 * count + 1, `${executed} executions: one was in flight`);
    survivor.kill('SIGTERM');
    await exited(survivor);
  });
}
