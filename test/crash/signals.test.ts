// Signals while workers are killed: each acknowledged signal counts exactly once.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { checkLog, crashLab, kill, taskQueue } from './crash-lab.ts';

const lab = await crashLab();

it('every acknowledged signal is delivered exactly once across five kills', async () => {
  const handle = await lab.client.workflow.start('accumulate', { workflowId: 'signals', taskQueue });
  let sum = 0;
  for (let round = 0; round < 5; round++) {
    const worker = await lab.worker(round % 2 === 0 ? {} : { failPoint: 'before append', hits: 3 });
    for (let i = 1; i <= 20; i++) {
      await handle.signal('add', i);
      sum += i;
    }
    await kill(worker);
  }
  await lab.worker();
  await handle.signal('finish');
  assert.equal(await handle.result(), sum);
  await checkLog(lab.pool, handle.runId);
});

it('a run that closes during a stream of signals counts every acknowledged signal', async () => {
  await lab.worker();
  for (let round = 0; round < 20; round++) {
    const handle = await lab.client.workflow.start('countSignals', { workflowId: `closing ${round}`, taskQueue });
    let acknowledged = 0;
    let refused = false;
    const sending = (async () => {
      while (!refused) {
        try {
          await handle.signal('add', 1);
          acknowledged++;
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'RUN_NOT_FOUND');
          refused = true;
        }
      }
    })();
    const counted = await handle.result();
    await sending;
    assert.equal(counted, acknowledged);
  }
});
