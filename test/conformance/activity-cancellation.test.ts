// How a cancelled scope affects activities, and what activities learn about it. Behavior 37 of docs/behaviors.md, and
// the part of behavior 42 in which a cancel request ends the attempts.
import assert from 'node:assert/strict';
import { after, describe } from 'node:test';
import {
  activityInfo,
  cancellationDetails,
  cancellationSignal,
  cancelled,
  Context,
  heartbeat,
  sleep,
} from 'reprise/activity';
import type { WorkflowHandle } from 'reprise/client';
import { CancelledFailure } from 'reprise/common';
import { until } from '../support/engine.ts';
import type { ActivityCall, FailureView } from '../support/fixtures/activity-calls.ts';
import { behavior, typesOf, type Way, ways } from './ways.ts';

const kinds = ['WAIT_CANCELLATION_COMPLETED', 'TRY_CANCEL', 'ABANDON'] as const;
/** What an attempt learned about its cancellation, by run. */
const told = new Map<string, Record<string, unknown>>();
const released = Promise.withResolvers<void>();

/** An activity that waits for its cancellation and then ends as `how` says. */
async function watch(how: 'returns' | 'throws it' | 'aborts' | 'fails', beats = false): Promise<unknown> {
  const { runId } = activityInfo().workflowExecution!;
  const wasFree = cancellationDetails() === undefined;
  if (beats) heartbeat();
  const signal = cancellationSignal();
  const aborted = new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(new DOMException('x', 'AbortError'))),
  );
  aborted.catch(() => undefined);
  const error: unknown = await cancelled().catch((thrown: unknown) => thrown);
  assert.ok(error instanceof CancelledFailure);
  const { message } = error;
  told.set(runId, {
    wasFree,
    message,
    aborted: signal.aborted,
    isReason: signal.reason === error && Context.current().cancellationSignal === signal,
    details: Object.entries(cancellationDetails()!).flatMap(([name, is]) => (is === true ? [name] : [])),
    slept: await sleep(10_000).catch((thrown: Error) => thrown.message),
  });
  if (how === 'aborts') await aborted;
  if (how === 'fails') throw new Error('while cleaning up');
  if (how === 'throws it') throw error;
  return 'done all the same';
}
const activities = { watch, untilReleased: () => released.promise };
// This hook runs before the workers stop, because they would wait for the activity.
after(() => released.resolve());

const all = await ways({ activities });
const narrow = await ways({ activities, maxConcurrentActivities: 1 });
interface Result {
  failure: FailureView & { cause: FailureView };
  isCancellation: boolean;
}

const whatWasTold = ({ runId }: WorkflowHandle): Promise<Record<string, unknown>> =>
  until(async () => told.get(runId!));
function reason(message: string, detail: string): Record<string, unknown> {
  return { wasFree: true, message, aborted: true, isReason: true, details: [detail], slept: message };
}
const begun = (handle: WorkflowHandle): Promise<boolean> =>
  until(async () => (await handle.describe()).pendingActivities.length === 1);

describe('a running activity', { concurrency: 8 }, () => {
  for (const cancellationType of kinds) {
    for (const local of [false, true]) {
      behavior(all, `37: ${local ? '(local) ' : ''}obeys ${cancellationType}`, async (way) => {
        const options = { cancellationType };
        const linger = cancellationType === 'TRY_CANCEL' ? 300 : 20;
        const call: ActivityCall = { type: 'watch', args: ['returns'], options, local, cancelAfter: 20, linger };
        const handle = await way.start('callActivity', [call]);
        const result = await way.result(handle);
        if (cancellationType === 'WAIT_CANCELLATION_COMPLETED') assert.equal(result, 'done all the same');
        else {
          const { failure, isCancellation } = result as Result;
          assert.equal(isCancellation, true);
          assert.equal(failure.message, local ? 'Local Activity cancelled' : 'Activity cancelled');
          assert.equal(failure.cause.message, 'Cancellation scope cancelled');
        }
        const isAsked = cancellationType !== 'ABANDON';
        assert.deepEqual(
          await whatWasTold(handle),
          isAsked ? reason('CANCELLED', 'cancelRequested') : reason('NOT_FOUND', 'notFound'),
        );
        const history = await typesOf(handle);
        assert.equal(history.includes('ActivityCancelRequested'), isAsked);
        assert.equal(history.includes('ActivityCompleted'), isAsked, 'what comes late is a fact all the same');
      });
    }
  }

  for (const how of ['throws it', 'aborts'] as const) {
    behavior(all, `37: that ${how} after a cancel request is cancelled`, async (way) => {
      const call: ActivityCall = { type: 'watch', args: [how], cancelAfter: 20 };
      const { failure, isCancellation } = (await way.execute('callActivity', [call])) as Result;
      assert.deepEqual([failure.message, isCancellation], ['Activity cancelled', true]);
      assert.deepEqual(failure.cause, { name: 'CancelledFailure', message: 'CANCELLED', details: [] });
    });
  }

  behavior(all, '42: that fails after a cancel request is not retried', async (way) => {
    const handle = await way.start('callActivity', [{ type: 'watch', args: ['fails'], cancelAfter: 20 }]);
    const { failure } = (await way.result(handle)) as Result;
    assert.deepEqual([failure.message, failure['retryState']], ['Activity task failed', 'CANCEL_REQUESTED']);
    const cause = { message: 'while cleaning up', type: 'Error', nonRetryable: false, details: [] };
    assert.deepEqual(failure.cause, { name: 'ApplicationFailure', ...cause });
    assert.ok(!(await typesOf(handle)).includes('ActivityAttemptFailed'));
  });

  for (const [what, beats, options] of [
    ['it has timed out', false, { startToCloseTimeout: 20 }],
    ['it was silent for too long', true, { heartbeatTimeout: 20 }],
    ['all of its time is over', false, { scheduleToCloseTimeout: 500 }],
  ] as const) {
    behavior(all, `37: learns that ${what}`, async (way) => {
      const limited = { ...options, retry: { maximumAttempts: 1 } };
      const handle = await way.start('callActivity', [{ type: 'watch', args: ['returns', beats], options: limited }]);
      await way.result(handle);
      assert.deepEqual(await whatWasTold(handle), reason('TIMED_OUT', 'timedOut'));
    });
  }

  behavior(all, '37: learns that its run is closed', async (way) => {
    const handle = await way.start('callActivity', [{ type: 'watch', args: ['returns'] }]);
    await begun(handle);
    await handle.terminate('no more');
    assert.deepEqual(await whatWasTold(handle), reason('NOT_FOUND', 'notFound'));
    await way.replays(handle);
  });

  behavior(all, '37: learns that its worker shuts down, and its result then counts', async (way) => {
    const taskQueue = way.newId('short-lived');
    const handle = await way.start('callActivity', [{ type: 'watch', args: ['returns'] }], { taskQueue });
    await way.serve(taskQueue, () => begun(handle));
    assert.deepEqual(told.get(handle.runId!), reason('WORKER_SHUTDOWN', 'workerShutdown'));
    await way.serve(taskQueue, async () => assert.equal(await way.result(handle), 'done all the same'));
  });
});

async function whileBusy<T>(way: Way, work: () => Promise<T>): Promise<T> {
  const blocker = await way.start('callActivity', [{ type: 'untilReleased' }]);
  await begun(blocker);
  const done = await work();
  await blocker.terminate();
  return done;
}

behavior(narrow, '37: an activity that has not started is cancelled at once, unless it is abandoned', async (way) => {
  await whileBusy(way, async () => {
    for (const cancellationType of kinds) {
      const call: ActivityCall = { type: 'watch', args: ['returns'], options: { cancellationType }, cancelAfter: 20 };
      const handle = await way.start('callActivity', [call]);
      const { failure, isCancellation } = (await way.result(handle)) as Result;
      assert.deepEqual([failure.message, isCancellation], ['Activity cancelled', true]);
      assert.equal(told.has(handle.runId!), false);
      const history = await typesOf(handle);
      assert.equal(history.includes('ActivityCancelled'), cancellationType === 'WAIT_CANCELLATION_COMPLETED');
      assert.equal(history.includes('ActivityCancelRequested'), cancellationType !== 'ABANDON');
    }
  });
});
