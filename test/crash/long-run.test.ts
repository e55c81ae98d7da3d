// A run of 200,000 events in a process whose heap is too small for all of them, and its recovery in another such
// process.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../support/engine.ts';
import { checkLog, crashLab, kill, taskQueue } from './crash-lab.ts';

const lab = await crashLab();

it('a run of 200,000 events does not keep its history in memory, live or during recovery', async () => {
  const patches = 200_000;
  const first = await lab.worker({ heapMb: 64 });
  const handle = await lab.client.workflow.start('manyPatches', { workflowId: 'long', taskQueue, args: [patches] });
  await until(async () => {
    const { rows } = await lab.pool.query<{ seq: number }>(
      'select seq from reprise.events where run_id = $1 order by seq desc limit 1',
      [handle.runId],
    );
    return rows[0]!.seq > 150_000;
  });
  await kill(first);
  await lab.worker({ heapMb: 64 });
  assert.equal(await handle.result(), patches);
  await checkLog(lab.pool, handle.runId);
  const { state, patches: folded } = await handle.stateAt();
  assert.equal(folded, patches + 1, 'and the one that attached the context');
  assert.equal((state as { items: Record<string, number> }).items['99'], patches - 1);
});
