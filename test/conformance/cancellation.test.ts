// Cancellation of workflows and scopes. Behaviors 28, 33 to 36 and 39 of docs/behaviors.md.
// activity-cancellation.test.ts covers behavior 37, and test/worker/children.test.ts covers behavior 38.
import assert from 'node:assert/strict';
import { until } from '../support/engine.ts';
import { behavior, turnsOf, typesOf, ways } from './ways.ts';

const all = await ways();
const ofScope = 'CancelledFailure: Cancellation scope cancelled';
const ofRequest = 'CancelledFailure: Workflow cancelled';
const ofActivity = `ActivityFailure: Activity cancelled <- ${ofScope}`;

behavior(all, '28: a cancelled condition rejects, and its timer is cancelled', async (way) => {
  const handle = await way.start('cancelsConditions');
  assert.deepEqual(await way.result(handle), [ofScope, ofScope]);
  assert.deepEqual((await turnsOf(handle)).at(-1), ['TimerFired', 'TimerCancelled', 'WorkflowCompleted']);
});

behavior(all, '33: a cancel request is delivered once, with its own message', async (way) => {
  const handle = await way.start('countsCancels');
  await until(async () => (await handle.query<string[]>('seen')).length === 1);
  await handle.cancel();
  await until(async () => (await handle.query<string[]>('seen')).length === 2);
  await handle.cancel();
  await handle.signal('go');
  assert.deepEqual(await way.result(handle), [ofScope, ofRequest, 'went on: undefined']);
});

const cancelled = [
  'WorkflowFailedError: Workflow execution cancelled',
  'CancelledFailure: Workflow execution cancelled',
];
const failed = 'WorkflowFailedError: Workflow execution failed';
for (const [how, status, texts] of [
  ['throws it on', 'CANCELLED', cancelled],
  ['throws another that is a cancellation', 'CANCELLED', cancelled],
  ['throws a failure around it', 'CANCELLED', cancelled],
  ['returns', 'COMPLETED', undefined],
  ['throws another failure', 'FAILED', [failed, 'ApplicationFailure: cleanup failed']],
] as const) {
  behavior(all, `34: a cancelled workflow that ${how} is ${status}`, async (way) => {
    const handle = await way.start('whenCancelled', [how]);
    await until(async () => (await typesOf(handle)).length > 1);
    await handle.cancel();
    if (texts === undefined) assert.equal(await way.result(handle), 'done');
    else assert.deepEqual(await way.failure(handle), texts);
    assert.equal((await handle.describe()).status.name, status);
  });
}

behavior(all, '34: a CancelledFailure without a cancel request is a failure', async (way) => {
  const handle = await way.start('cancelsItself');
  assert.deepEqual(await way.failure(handle), [failed, 'CancelledFailure: mine']);
  assert.equal((await handle.describe()).status.name, 'FAILED');
});

behavior(all, '35: a shielded scope learns of the request, and is not cancelled by it', async (way) => {
  const handle = await way.start('shields');
  await handle.query('__temporal_workflow_metadata');
  await handle.cancel();
  assert.deepEqual(await way.result(handle), {
    heard: ofRequest,
    slept: 'went on: undefined',
    considered: [false, true],
    requested: ofRequest,
  });
});

behavior(all, '36: a call in a cancelled scope rejects at once, without an event', async (way) => {
  const handle = await way.start('beginsTooLate');
  const { outcomes, asked } = (await way.result(handle)) as { outcomes: string[]; asked: boolean };
  assert.deepEqual(new Set(outcomes), new Set([ofScope]));
  assert.equal(asked, false);
  assert.deepEqual(await turnsOf(handle), [['WorkflowStarted', 'WorkflowCompleted']]);
});

behavior(all, '36: a call that is cancelled in its own activation leaves no event', async (way) => {
  const handle = await way.start('cancelsAtOnce');
  assert.deepEqual(await way.result(handle), [ofScope, ofActivity, ofActivity, ofActivity]);
  assert.deepEqual(await turnsOf(handle), [['WorkflowStarted', 'WorkflowCompleted']]);
});

behavior(all, '39: withTimeout cancels its scope at the timeout, or its timer if the body ends first', async (way) => {
  const handle = await way.start('runsOutOfTime');
  assert.deepEqual(await way.result(handle), [ofScope, ofActivity, 'went on: Hello, x!', 'went on: at once']);
  const types = await typesOf(handle);
  const count = (type: string): number => types.filter((other) => other === type).length;
  // The timers of the first two calls of withTimeout fire. The sleep in the first call and the timer of the third call
  // are cancelled. The fourth call leaves no event.
  assert.deepEqual(['TimerStarted', 'TimerFired', 'TimerCancelled'].map(count), [4, 2, 2]);
});
