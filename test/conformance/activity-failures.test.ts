// How an activity's error reaches workflow code, and after which errors the activity is retried. Behavior 41 of
// docs/behaviors.md. activity-cancellation.test.ts covers errors after a cancel request.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import {
  ActivityFailure,
  ApplicationFailure,
  ApplicationFailureCategory,
  CancelledFailure,
  RetryState,
  TerminatedFailure,
  TimeoutFailure,
} from 'reprise/common';
import type { ActivityCall, FailureView } from '../support/fixtures/activity-calls.ts';
import { behavior, type Way, ways } from './ways.ts';

class OutOfStock extends Error {
  override readonly name = 'StockError';
}

const nonError =
  ' [A non-Error value was thrown from your code. We recommend throwing Error objects so that we can provide a stack trace]';
const application = (message: string, fields: object = {}): object => ({
  name: 'ApplicationFailure',
  message,
  nonRetryable: false,
  details: [],
  ...fields,
});

/** What the activity throws, and how workflow code sees it. `once`: the activity is not retried. */
const thrown: Record<string, { error: unknown; seen: object; once?: true }> = {
  'a plain error': { error: new Error('broken'), seen: application('broken', { type: 'Error' }) },
  'an error of a class of its own': { error: new OutOfStock('no'), seen: application('no', { type: 'OutOfStock' }) },
  'an error with causes': {
    error: new TypeError('outer', { cause: new RangeError('inner', { cause: 'text' }) }),
    seen: application('outer', {
      type: 'TypeError',
      cause: application('inner', { type: 'RangeError', cause: application(`text${nonError}`) }),
    }),
  },
  'a text': { error: 'just text', seen: application(`just text${nonError}`) },
  nothing: { error: undefined, seen: application(`undefined${nonError}`) },
  'an object': { error: { message: 'no error' }, seen: application(`[object Object]${nonError}`) },
  'an ApplicationFailure': {
    error: ApplicationFailure.create({ message: 'm', type: 'T', details: [1, { two: 2n }] }),
    seen: application('m', { type: 'T', details: [1, { two: 2n }] }),
  },
  'a non-retryable ApplicationFailure': {
    error: ApplicationFailure.nonRetryable('never', 'T', 'why'),
    seen: application('never', { type: 'T', nonRetryable: true, details: ['why'] }),
    once: true,
  },
  'a benign ApplicationFailure': {
    error: ApplicationFailure.create({ message: 'm', category: ApplicationFailureCategory.BENIGN }),
    seen: application('m'),
  },
  'a CancelledFailure without a cancellation': {
    error: new CancelledFailure('not asked for'),
    seen: application('not asked for', { type: 'CancelledFailure' }),
  },
  'a TimeoutFailure of its own': {
    error: new TimeoutFailure('mine', 1, 'SCHEDULE_TO_CLOSE'),
    seen: application('mine', { type: 'TimeoutFailure' }),
  },
  'a TerminatedFailure': {
    error: new TerminatedFailure('gone'),
    seen: application('gone', { type: 'TerminatedFailure' }),
  },
  "another run's ActivityFailure": {
    error: new ActivityFailure('theirs', 'x', '1', RetryState.TIMEOUT, undefined, new CancelledFailure('c')),
    seen: application('theirs', {
      type: 'ActivityFailure',
      cause: { name: 'CancelledFailure', message: 'c', details: [] },
    }),
  },
};

const activities = {
  async fail(what: string): Promise<never> {
    throw thrown[what]!.error;
  },
  failSynchronously(): never {
    throw new RangeError('not even a promise');
  },
};

const all = await ways({ activities });
interface Failed {
  failure: FailureView & { cause: unknown };
  attempts: number;
}

async function failed(way: Way, call: ActivityCall): Promise<Failed> {
  const handle = await way.start('callActivity', [call]);
  const { failure } = (await way.result(handle)) as Failed;
  const attempts = (await handle.history()).filter((event) => event.type === 'ActivityAttemptFailed').length + 1;
  return { failure, attempts };
}
const common = { name: 'ActivityFailure', message: 'Activity task failed', activityId: '1' };

describe('an activity that throws', { concurrency: 4 }, () => {
  for (const [what, { seen, once }] of Object.entries(thrown)) {
    behavior(all, `41: ${what} fails with it, ${once ? 'at once' : 'after all its attempts'}`, async (way) => {
      const options = { retry: { maximumAttempts: 2, initialInterval: 1 } };
      const call = { type: 'fail', args: [what], options };
      const { failure, attempts } = await failed(way, call);
      const retryState = once ? 'NON_RETRYABLE_FAILURE' : 'MAXIMUM_ATTEMPTS_REACHED';
      assert.deepEqual(failure, { ...common, activityType: 'fail', retryState, cause: seen });
      assert.equal(attempts, once ? 1 : 2);
      const local = await failed(way, { ...call, local: true });
      assert.deepEqual(local.failure, seen, 'a local one throws it as it is');
    });
  }

  behavior(all, '41: synchronously fails like any other', async (way) => {
    const { failure } = await failed(way, { type: 'failSynchronously', options: { retry: { maximumAttempts: 1 } } });
    assert.deepEqual(failure.cause, application('not even a promise', { type: 'RangeError' }));
  });

  behavior(all, '41: gives its failure the activity’s id and worker, and the error’s stack', async (way) => {
    const handle = await way.start('callAndFail', [
      { type: 'failSynchronously', options: { activityId: 'mine', retry: { maximumAttempts: 1 } } },
    ]);
    await assert.rejects(way.result(handle), ({ cause }: { cause: ActivityFailure }) => {
      assert.ok(cause instanceof ActivityFailure && cause.cause instanceof ApplicationFailure);
      assert.deepEqual([cause.activityId, cause.activityType], ['mine', 'failSynchronously']);
      assert.equal(cause.retryState, RetryState.MAXIMUM_ATTEMPTS_REACHED);
      assert.match(cause.identity ?? '', /^\d+@/);
      assert.match(
        cause.cause.stack ?? '',
        /not even a promise\n +at .*failSynchronously .*activity-failures\.test\.ts/,
      );
      return true;
    });
  });
});
