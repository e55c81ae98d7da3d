// Ids, queues and types of activities, and workers that lack an activity type. Behaviors 44 and 46 of
// docs/behaviors.md. test/worker/local-activities.test.ts covers what local activities and other activities have in
// common.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { activityInfo, ApplicationFailure } from 'reprise/activity';
import type { WorkflowHandle } from 'reprise/client';
import { until } from '../support/engine.ts';
import type { ActivityCall, FailureView } from '../support/fixtures/activity-calls.ts';
import { behavior, pause, taskFailureOf, typesOf, type Way, ways } from './ways.ts';

/** How often a local activity was executed, by run. */
const executions = new Map<string, number>();

const activities = {
  async queue(): Promise<string> {
    return activityInfo().taskQueue;
  },
  async counted(failures = 0, nextRetryDelay?: number): Promise<number> {
    const { attempt, workflowExecution } = activityInfo();
    executions.set(workflowExecution!.runId, (executions.get(workflowExecution!.runId) ?? 0) + 1);
    if (attempt > failures) return attempt;
    throw ApplicationFailure.create({ message: 'not yet', ...(nextRetryDelay && { nextRetryDelay }) });
  },
};
const all = await ways({ activities });

const idsOf = async (handle: WorkflowHandle): Promise<string[]> =>
  (await handle.history())
    .filter(({ type }) => type === 'ActivityScheduled')
    .map(({ meta }) => (meta as { id: string }).id);
const call = (way: Way, options: ActivityCall, taskQueue?: string): Promise<WorkflowHandle> =>
  way.start('callActivity', [options], taskQueue === undefined ? {} : { taskQueue });

behavior(all, '44: default ids of activities count up from 1 and skip given ones', async (way) => {
  const handle = await way.start('callTogether', ['echo', [undefined, 'mine', undefined, undefined]]);
  assert.deepEqual(new Set((await way.result(handle)) as number[]), new Set([0, 1, 2, 3]));
  assert.deepEqual(await idsOf(handle), ['1', 'mine', '3', '4']);
});

behavior(all, '44: two open activities with one id fail the task, even if the code catches the error', async (way) => {
  for (const ids of [
    ['one', 'one'],
    [undefined, '1'],
  ]) {
    const handle = await way.start('callTogether', ['echo', ids]);
    const { code, message } = await taskFailureOf(handle);
    assert.equal(code, 'INVALID_INPUT');
    assert.match(
      message,
      /^RuntimeError: Activity 'echo' cannot be scheduled with id '(one|1)': an open activity of this run has that/,
    );
    assert.deepEqual(await idsOf(handle), []);
    await handle.terminate();
    await way.replays(handle);
  }
});

behavior(all, '44: an activity goes to the task queue of its workflow by default', async (way) => {
  const taskQueue = way.newId('other');
  const handle = await call(way, { type: 'queue' }, taskQueue);
  assert.equal(await way.serve(taskQueue, () => way.result(handle)), taskQueue);
  assert.equal(await way.result(await call(way, { type: 'queue' })), way.engine.taskQueue);
});

describe('a worker without the activity', { concurrency: 4 }, () => {
  behavior(all, '44: fails the attempt, which is retried, and lists the activities that it has', async (way) => {
    const taskQueue = way.newId('lacks');
    const options = { retry: { maximumAttempts: 2, initialInterval: 1 } };
    const handle = await call(way, { type: 'never-exported', options }, taskQueue);
    const result = await way.serve(taskQueue, () => way.result(handle), { activities: { b: () => 1, a: () => 2 } });
    const { failure } = result as { failure: FailureView };
    assert.deepEqual([failure.message, failure['retryState']], ['Activity task failed', 'MAXIMUM_ATTEMPTS_REACHED']);
    assert.deepEqual(failure['cause'], {
      name: 'ApplicationFailure',
      message: 'Activity function never-exported is not registered on this Worker, available activities: ["b","a"]',
      type: 'NotFoundError',
      nonRetryable: false,
      details: [],
    });
    assert.equal((await typesOf(handle)).filter((type) => type === 'ActivityAttemptFailed').length, 1);
  });

  behavior(
    all,
    '46: fails the task for a local activity with a ReferenceError, until a worker has the activity',
    async (way) => {
      const taskQueue = way.newId('lacks');
      const handle = await way.start('callAndFail', [{ type: 'counted', local: true }], { taskQueue });
      await way.serve(
        taskQueue,
        async () => {
          const { code, message } = await taskFailureOf(handle);
          assert.equal(code, 'WORKFLOW_ERROR');
          assert.equal(message, "ReferenceError: Local activity of type 'counted' not registered on worker");
        },
        { activities: {} },
      );
      assert.equal((await handle.describe()).status.name, 'RUNNING');
      assert.equal(await way.serve(taskQueue, () => way.result(handle)), 1);
    },
  );

  behavior(all, '46: replays a local activity that has completed, and does not execute it again', async (way) => {
    const taskQueue = way.newId('lacks');
    const handle = await call(way, { type: 'counted', local: true, linger: 2000 }, taskQueue);
    await way.serve(taskQueue, () => until(async () => (await typesOf(handle)).includes('ActivityCompleted')));
    assert.equal((await handle.describe()).status.name, 'RUNNING');
    assert.equal(await way.serve(taskQueue, () => way.result(handle), { activities: {} }), 1);
    assert.equal(executions.get(handle.runId!), 1);
  });

  behavior(all, '46: leaves a failed local activity to the worker that takes over the run', async (way) => {
    const taskQueue = way.newId('taken over');
    const handle = await call(way, { type: 'counted', args: [1, 100], local: true }, taskQueue);
    await way.serve(taskQueue, () => until(async () => (await typesOf(handle)).includes('ActivityAttemptFailed')));
    await pause(10);
    assert.equal(await way.serve(taskQueue, () => way.result(handle)), 2);
  });
});
