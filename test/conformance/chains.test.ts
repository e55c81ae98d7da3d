// Facts about children and chains that children.test.ts, continue-as-new.test.ts and workflow-retry.test.ts in
// test/worker do not prove in all three ways. Behaviors 48, 49, 50 and 55 of docs/behaviors.md.
import assert from 'node:assert/strict';
import { TimeoutFailure } from 'reprise/common';
import { WorkflowFailedError } from 'reprise/client';
import { until } from '../support/engine.ts';
import { behavior, turnsOf, ways } from './ways.ts';

const all = await ways();

behavior(all, '48: a child inherits the task queue, but neither memo nor search attributes', async (way) => {
  const { taskQueue } = way.engine;
  const own = { memo: { a: 1 }, searchAttributes: { Color: ['red'] } };
  assert.deepEqual(await way.execute('inherits', [1], own), {
    ...own,
    taskQueue,
    child: { memo: 'none', searchAttributes: {}, taskQueue },
  });
});

behavior(all, '49, 55: the parent close policy applies when the parent times out', async (way) => {
  const childId = way.newId('child of late');
  const handle = await way.start('parentOutOfTime', [childId], { workflowRunTimeout: 1_500 });
  await assert.rejects(way.result(handle), (error) => {
    assert.ok(error instanceof WorkflowFailedError && error.cause instanceof TimeoutFailure);
    assert.deepEqual([error.message, error.cause.timeoutType], ['Workflow execution timed out', 'START_TO_CLOSE']);
    return true;
  });
  const child = way.engine.client.workflow.getHandle(childId);
  await until(async () => (await child.describe()).status.name === 'CANCELLED');
  await way.replays(child);
});

behavior(all, '50: the first command that ends a run wins', async (way) => {
  const handle = await way.start('triesToContinueAfterEnd');
  assert.deepEqual(await way.failure(handle), [
    'WorkflowFailedError: Workflow execution failed',
    'ApplicationFailure: fail before continue',
  ]);
  assert.equal((await way.runs(handle.workflowId)).length, 1);
});

behavior(
  all,
  '50: workflow code can catch ContinueAsNew: if it rethrows the error, the chain continues; otherwise it does not',
  async (way) => {
    assert.equal(await way.execute('catchesContinueAsNew', ['throw']), 'the next run');
    assert.equal(await way.execute('catchesContinueAsNew', ['swallow']), 'swallowed');
  },
);

behavior(all, '50: each run of a chain has the full run timeout', async (way) => {
  const handle = await way.start('takesItsTime', [5, 500], { workflowRunTimeout: 2_000 });
  assert.equal(await way.result(handle), 'in time');
  assert.equal((await way.runs(handle.workflowId)).length, 5);
});

behavior(all, '55: a terminated run has the given reason or a default one, and runs no cleanup', async (way) => {
  for (const [reason, message] of [
    ['enough', 'enough'],
    [undefined, 'Workflow execution terminated'],
  ] as const) {
    const handle = await way.start('whenCancelled', ['returns']);
    await until(async () => (await handle.history()).length > 1);
    await handle.terminate(reason);
    assert.deepEqual(await way.failure(handle), [`WorkflowFailedError: ${message}`, `TerminatedFailure: ${message}`]);
    assert.deepEqual((await turnsOf(handle)).at(-1), ['WorkflowTerminated']);
  }
});
