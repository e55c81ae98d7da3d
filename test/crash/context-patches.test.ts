// Patches of activities and people while workers are killed: each is in the log exactly once, and people get their answers.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../support/engine.ts';
import { checkLog, crashLab, kill, taskQueue } from './crash-lab.ts';

const lab = await crashLab();
const rounds = 6;

it('across six kills, each staged patch and each patch of a person is applied once', async () => {
  const args = [60];
  const handle = await lab.client.workflow.start('stagesMany', { workflowId: 'notes', taskQueue, args });
  const answers: Promise<{ seq: number }>[] = [];
  const refusals: Promise<unknown>[] = [];
  for (let round = 0; round < rounds; round++) {
    const failPoint = (['before append', 'after append'] as const)[round % 2]!;
    const worker = await lab.worker({ failPoint, hits: 3 + round });
    const died = new Promise((resolve) => worker.once('exit', resolve));
    await until(async () => (await handle.patches()).length > 0);
    for (let i = 0; i < 5; i++) {
      const note = { op: 'append', path: '/notes', value: `person ${round}-${i}` } as const;
      answers.push(handle.patchContext(note, { reason: `${round}-${i}`, actor: 'ada' }));
      const wrong = { op: 'remove', path: '/absent' } as const;
      refusals.push(handle.patchContext(wrong, { reason: 'wrong' }).catch((error: unknown) => error));
    }
    await died;
    await kill(worker);
  }
  await lab.worker();
  const seqs = (await Promise.all(answers)).map(({ seq }) => seq);
  assert.equal(new Set(seqs).size, 5 * rounds);
  for (const refusal of await Promise.all(refusals)) {
    assert.equal((refusal as { code?: string }).code, 'CONTEXT_PATCH_INVALID');
  }
  await handle.patchContext({ op: 'replace', path: '/open', value: false }, { reason: 'done' });
  const notes = (await handle.result()) as string[];
  const people = Array.from({ length: 5 * rounds }, (_, i) => `person ${Math.floor(i / 5)}-${i % 5}`);
  const activities = Array.from({ length: 60 }, (_, i) => `activity ${i}`);
  assert.deepEqual(notes.toSorted(), ['first', ...people, ...activities].toSorted());
  assert.deepEqual((await handle.stateAt<{ notes: string[] }>()).state?.notes, notes);
  await checkLog(lab.pool, handle.runId);
});
