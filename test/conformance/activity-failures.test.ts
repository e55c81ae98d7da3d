// How what an activity throws reaches workflow code, and what is tried again. Behavior 41 of spec/sdk.md.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Context } from 'reprise/activity';
import {
  ActivityFailure,
  ApplicationFailure,
  ApplicationFailureCategory,
  CancelledFailure,
  RetryState,
  TerminatedFailure,
  TimeoutFailure,
} from 'reprise/common';
import { testEngine } from '../support/engine.ts';
import type { ActivityCall, FailureView } from '../support/fixtures/activity-calls.ts';
import { assertReplays } from '../support/replays.ts';

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

/** What is thrown, how it is seen, and whether it is tried again. */
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
  async abortable(): Promise<void> {
    const { cancellationSignal: signal } = Context.current();
    await new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(new DOMException('x', 'AbortError'))),
    );
  },
  async failWhenCancelled(): Promise<never> {
    await Context.current().cancelled.catch(() => undefined);
    throw new Error('while cleaning up');
  },
};

const engine = await testEngine({ activities });
const evicted = await testEngine({ activities, maxCachedRuns: 0 });
interface Failed {
  failure: FailureView & { cause: unknown };
  isCancellation: boolean;
}

async function failed(call: ActivityCall, on = engine): Promise<Failed & { attempts: number }> {
  const handle = await on.start('callActivity', [call]);
  const result = (await handle.result()) as Failed;
  const attempts = (await handle.history()).filter((event) => event.type === 'ActivityAttemptFailed').length + 1;
  await assertReplays(on.connection.database, handle.runId!);
  return { ...result, attempts };
}

describe('an activity that throws', () => {
  for (const [what, { seen, once }] of Object.entries(thrown)) {
    it(`${what} fails with it, ${once ? 'at once' : 'after all its attempts'}`, async () => {
      const options = { retry: { maximumAttempts: 2, initialInterval: 1 } };
      const { failure, attempts } = await failed({ type: 'fail', args: [what], options });
      const retryState = once ? 'NON_RETRYABLE_FAILURE' : 'MAXIMUM_ATTEMPTS_REACHED';
      const common = {
        name: 'ActivityFailure',
        message: 'Activity task failed',
        activityType: 'fail',
        activityId: '1',
      };
      assert.deepEqual(failure, { ...common, retryState, cause: seen });
      assert.equal(attempts, once ? 1 : 2);
      const local = await failed({ type: 'fail', args: [what], options, local: true }, evicted);
      assert.deepEqual(local.failure, seen, 'a local one throws it as it is');
    });
  }

  it('synchronously fails like all others', async () => {
    const { failure } = await failed({ type: 'failSynchronously', options: { retry: { maximumAttempts: 1 } } });
    assert.deepEqual(failure.cause, application('not even a promise', { type: 'RangeError' }));
  });

  it('is named with its id and its worker', async () => {
    const handle = await engine.start('callAndFail', [
      { type: 'fail', args: ['a plain error'], options: { activityId: 'mine', retry: { maximumAttempts: 1 } } },
    ]);
    await assert.rejects(handle.result(), ({ cause }: { cause: ActivityFailure }) => {
      assert.ok(cause instanceof ActivityFailure);
      assert.deepEqual([cause.activityId, cause.activityType], ['mine', 'fail']);
      assert.match(cause.identity ?? '', /^\d+@/);
      return true;
    });
  });

  it('an AbortError after it was told to stop is cancelled', async () => {
    const { failure, isCancellation } = await failed({ type: 'abortable', cancelAfter: 20 });
    assert.equal(isCancellation, true);
    assert.equal(failure.message, 'Activity cancelled');
    assert.deepEqual(failure.cause, { name: 'CancelledFailure', message: 'CANCELLED', details: [] });
  });

  it('another error after it was told to stop fails, and is not tried again', async () => {
    const { failure, attempts } = await failed({ type: 'failWhenCancelled', cancelAfter: 20 });
    assert.deepEqual(
      [failure.message, failure['retryState'], attempts],
      ['Activity task failed', 'CANCEL_REQUESTED', 1],
    );
    assert.deepEqual(failure.cause, application('while cleaning up', { type: 'Error' }));
  });
});
