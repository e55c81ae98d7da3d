// Timers and cancellation while workers are killed at random. A timer fires once and not too early, or is cancelled. A
// run receives its cancellation once and can clean up.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { WorkflowFailedError, type WorkflowHandle } from 'reprise/client';
import { failPoints } from '../../runtime/worker/life/fail-point.ts';
import { until } from '../support/engine.ts';
import { random, randomBelow } from '../support/random.ts';
import { checkLog, crashLab, exited, kill, tally, taskQueue } from './crash-lab.ts';

const lab = await crashLab();
const { workflow } = lab.client;
const rounds = 6;

/** Starts workers one after the other and kills each at a random moment. */
async function killAtRandom(): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const failPoint = failPoints[randomBelow(6)]!; // leaves out parking, which does not happen here
    const hits = 1 + randomBelow(12);
    const worker = await lab.worker({ failPoint, hits });
    await Promise.race([exited(worker), new Promise((resolve) => setTimeout(resolve, random() * 400))]);
    await kill(worker);
  }
}

type Event = Awaited<ReturnType<WorkflowHandle['history']>>[number];

async function ofType(handle: WorkflowHandle, type: Event['type']): Promise<Event[]> {
  return (await handle.history()).filter((event) => event.type === type);
}

it('every timer fires once and not early, or is cancelled', async () => {
  const steps = 15;
  const handles = [];
  for (let i = 0; i < 4; i++) {
    handles.push(await workflow.start('timetable', { workflowId: `timetable ${i}`, taskQueue, args: [steps] }));
  }
  await killAtRandom();
  const survivor = await lab.worker();
  for (const handle of handles) {
    const expected = Array.from({ length: steps }, (_, i) => `${i} true true`);
    assert.deepEqual(await handle.result(), expected);
    const started = await ofType(handle, 'TimerStarted');
    const [fired, cancelled] = [await ofType(handle, 'TimerFired'), await ofType(handle, 'TimerCancelled')];
    assert.deepEqual([started.length, fired.length, cancelled.length], [3 * steps, steps, 2 * steps]);
    assert.equal(new Set([...fired, ...cancelled].map(({ answers }) => answers)).size, 3 * steps);
    for (const { answers, at } of fired) {
      const { due } = started.find(({ seq }) => seq === answers)!.meta as { due: number };
      assert.ok(at.getTime() >= Math.floor(due / 1000), `timer ${answers} fired at ${at.toISOString()}`);
    }
    await checkLog(lab.pool, handle.runId);
  }
  await kill(survivor);
});

it('every cancelled run receives its cancellation once, and cleans up', async () => {
  const handles = [];
  for (let i = 0; i < 6; i++) {
    handles.push(await workflow.start('tidiesUp', { workflowId: `tidies up ${i}`, taskQueue, args: [i] }));
  }
  const killing = killAtRandom();
  for (const handle of handles) {
    await until(async () => (await handle.history()).length > 1);
    await handle.cancel();
  }
  await killing;
  const survivor = await lab.worker();
  for (const handle of handles) {
    await assert.rejects(handle.result(), (error: unknown) => {
      assert.ok(error instanceof WorkflowFailedError);
      return error.message === 'Workflow execution cancelled';
    });
    assert.equal((await handle.describe()).status.name, 'CANCELLED');
    assert.equal((await ofType(handle, 'WorkflowCancelRequested')).length, 1);
    await checkLog(lab.pool, handle.runId);
  }
  const effects = [...tally((await lab.effects()).filter((line) => /^(tidy|leave) /.test(line))).keys()];
  assert.equal(effects.length, 2 * handles.length, 'each run tidied up under one key an activity');
  await kill(survivor);
});
