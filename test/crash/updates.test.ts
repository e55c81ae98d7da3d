// Updates while workers are killed: each update is handled exactly once, and its sender gets the outcome.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { WorkflowUpdateFailedError } from 'reprise/client';
import { defineUpdate } from 'reprise/workflow';
import { checkLog, crashLab, kill, taskQueue } from './crash-lab.ts';

const lab = await crashLab();
const addItem = defineUpdate<number, [string]>('addItem');

it('across six kills, each update is handled once and its sender gets the outcome', async () => {
  const handle = await lab.client.workflow.start('cart', { workflowId: 'cart', taskQueue });
  const answers: Promise<number>[] = [];
  const rejections: Promise<unknown>[] = [];
  for (let round = 0; round < 6; round++) {
    const failPoint = (['before append', 'after append'] as const)[round % 2]!;
    const worker = await lab.worker({ failPoint, hits: 2 + round });
    for (let i = 0; i < 10; i++) {
      answers.push(handle.executeUpdate(addItem, { args: [`${round}-${i}`] }));
      rejections.push(handle.executeUpdate(addItem, { args: [''] }).catch((error: unknown) => error));
    }
    await Promise.race([Promise.all(answers), new Promise((resolve) => worker.once('exit', resolve))]);
    await kill(worker);
  }
  await lab.worker();
  const numbers = await Promise.all(answers);
  assert.deepEqual(
    numbers.toSorted((a, b) => a - b),
    Array.from({ length: 60 }, (_, i) => i + 1),
  );
  for (const rejection of await Promise.all(rejections)) assert.ok(rejection instanceof WorkflowUpdateFailedError);
  await handle.signal('finish');
  assert.equal(((await handle.result()) as string[]).length, 60);
  await checkLog(lab.pool, handle.runId);
});
