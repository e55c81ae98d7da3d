// Chains of runs while workers are killed: every signal counts once, and a chain has one open run at a time.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../support/engine.ts';
import { checkLog, crashLab, kill, taskQueue } from './crash-lab.ts';

const lab = await crashLab();

async function chain(): Promise<{ run_id: string; status: string }[]> {
  const { rows } = await lab.pool.query<{ run_id: string; status: string }>(
    "select run_id, status from reprise.runs where workflow_id = 'chain' order by run_id",
  );
  return rows;
}

it('a chain of runs counts every signal once across six kills', async () => {
  const handle = await lab.client.workflow.start('countOn', { workflowId: 'chain', taskQueue, args: [4] });
  let sum = 0;
  for (let round = 0; round < 6; round++) {
    const worker = await lab.worker(round % 2 === 0 ? {} : { failPoint: 'before append', hits: 3 });
    const sending = Array.from({ length: 4 }, async () => {
      for (let i = 0; i < 5; i++) await handle.signal('add', 1);
    });
    await Promise.all(sending);
    sum += 20;
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    await Promise.race([until(async () => (await chain()).length > round + 1), exited]);
    await kill(worker);
  }
  await lab.worker();
  await handle.signal('finish');
  assert.equal(await handle.result(), sum);
  const rows = await chain();
  assert.ok(rows.length > 3);
  assert.deepEqual(
    rows.map((row) => row.status),
    rows.map((_, i) => (i === rows.length - 1 ? 'completed' : 'continued_as_new')),
  );
  for (const { run_id: runId } of rows) await checkLog(lab.pool, runId);
});
