// Retry decisions: behaviors 40, 42 and 43 of docs/behaviors.md, and properties of the delay.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RetryMeta } from '../../../runtime/core/log/activation.ts';
import type { FailureInfo } from '../../../runtime/core/failure/failure-info.ts';
import { nextRetry, retryDelayMs } from '../../../runtime/core/activity/retry-policy.ts';

const broken: FailureInfo = { kind: 'application', message: 'broken', type: 'Broken' };
const first = { attempt: 1, scheduledAt: 0, now: 0, failure: broken };

function timeout(timeoutType: 'START_TO_CLOSE' | 'SCHEDULE_TO_START' | 'SCHEDULE_TO_CLOSE' | 'HEARTBEAT'): FailureInfo {
  return { kind: 'timeout', message: 'activity timeout', timeoutType };
}

const retryMeta: fc.Arbitrary<RetryMeta> = fc.record(
  {
    initial: fc.integer({ min: 1, max: 60_000 }),
    coefficient: fc.double({ min: 1, max: 10, noNaN: true }),
    max: fc.integer({ min: 60_000, max: 3_600_000 }),
    attempts: fc.integer({ min: 1, max: 50 }),
  },
  { requiredKeys: [] },
);

test('without a policy delays start at 1 s, double up to 100 s, and have no end', () => {
  const delays = [1, 2, 3, 7, 8, 1000].map((attempt) => nextRetry({ ...first, attempt }));
  assert.deepEqual(
    delays,
    [1000, 2000, 4000, 64_000, 100_000, 100_000].map((delayMs) => ({ retry: true, delayMs })),
  );
});

test('the longest default delay is 100 times the initial one', () => {
  assert.equal(retryDelayMs({ initial: 10 }, 40), 1000);
});

test('delays never shrink and stay between the initial and the maximum interval', () => {
  fc.assert(
    fc.property(retryMeta, fc.integer({ min: 1, max: 5000 }), (retry, attempt) => {
      const delay = retryDelayMs(retry, attempt);
      const initial = retry.initial ?? 1000;
      assert.ok(delay >= Math.min(initial, retry.max ?? Number.POSITIVE_INFINITY));
      assert.ok(delay <= (retry.max ?? initial * 100));
      assert.ok(retryDelayMs(retry, attempt + 1) >= delay);
    }),
  );
});

test('a failing activity is tried exactly `attempts` times', () => {
  fc.assert(
    fc.property(retryMeta, fc.integer({ min: 1, max: 50 }), (retry, attempts) => {
      let attempt = 1;
      let decision = nextRetry({ ...first, retry: { ...retry, attempts }, attempt });
      while (decision.retry) {
        attempt += 1;
        decision = nextRetry({ ...first, retry: { ...retry, attempts }, attempt });
      }
      assert.equal(attempt, attempts);
      assert.equal(decision.retryState, 'MAXIMUM_ATTEMPTS_REACHED');
    }),
  );
});

test('no attempt ever starts after scheduleToClose', () => {
  fc.assert(
    fc.property(
      retryMeta,
      fc.record({
        attempt: fc.integer({ min: 1, max: 50 }),
        scheduledAt: fc.nat(),
        passed: fc.nat(10_000_000),
        scheduleToCloseMs: fc.integer({ min: 1, max: 100_000 }),
      }),
      (retry, { attempt, scheduledAt, passed, scheduleToCloseMs }) => {
        const now = scheduledAt + passed;
        const decision = nextRetry({ retry, attempt, scheduledAt, now, scheduleToCloseMs, failure: broken });
        if (decision.retry) assert.ok(now + decision.delayMs * 1000 <= scheduledAt + scheduleToCloseMs * 1000);
      },
    ),
  );
});

test('when the next attempt would start after scheduleToClose it times out at once', () => {
  const at = { ...first, scheduledAt: 5_000_000, now: 9_000_001 };
  assert.deepEqual(nextRetry({ ...at, scheduleToCloseMs: 5000 }), { retry: false, retryState: 'TIMEOUT' });
  assert.deepEqual(nextRetry({ ...at, now: 9_000_000, scheduleToCloseMs: 5000 }), { retry: true, delayMs: 1000 });
});

test('a non-retryable failure is not retried', () => {
  const refused = { retry: false, retryState: 'NON_RETRYABLE_FAILURE' };
  assert.deepEqual(nextRetry({ ...first, failure: { ...broken, nonRetryable: true } }), refused);
  assert.deepEqual(nextRetry({ ...first, retry: { fatal: ['Other', 'Broken'] } }), refused);
  assert.deepEqual(
    nextRetry({ ...first, retry: { attempts: 1 }, failure: { ...broken, nonRetryable: true } }),
    refused,
    'it takes precedence over exhausted attempts',
  );
});

test('a listed type matches exactly, and only the top-level failure', () => {
  assert.equal(nextRetry({ ...first, retry: { fatal: ['broken', 'Brok'] } }).retry, true);
  const outer: FailureInfo = { kind: 'application', message: 'outer', type: 'Outer', cause: broken };
  assert.equal(nextRetry({ ...first, retry: { fatal: ['Broken'] }, failure: outer }).retry, true);
});

test('nextRetryDelay replaces the computed delay and its limit, and can also exceed scheduleToClose', () => {
  const failure: FailureInfo = { ...broken, nextRetryDelayMs: 500_000 };
  assert.deepEqual(nextRetry({ ...first, retry: { max: 1000 }, failure }), { retry: true, delayMs: 500_000 });
  assert.deepEqual(nextRetry({ ...first, failure: { ...broken, nextRetryDelayMs: 0 } }), { retry: true, delayMs: 0 });
  const late = nextRetry({ ...first, scheduleToCloseMs: 400_000, failure });
  assert.deepEqual(late, { retry: false, retryState: 'TIMEOUT' });
  const spent = nextRetry({ ...first, retry: { attempts: 1 }, failure });
  assert.deepEqual(spent, { retry: false, retryState: 'MAXIMUM_ATTEMPTS_REACHED' });
});

test('startToClose and heartbeat timeouts are retried unless their type is listed', () => {
  for (const [timeoutType, name] of [
    ['START_TO_CLOSE', 'TemporalTimeout:StartToClose'],
    ['HEARTBEAT', 'TemporalTimeout:Heartbeat'],
  ] as const) {
    const failure = timeout(timeoutType);
    assert.equal(nextRetry({ ...first, failure }).retry, true);
    const refused = nextRetry({ ...first, failure, retry: { fatal: [name] } });
    assert.deepEqual(refused, { retry: false, retryState: 'NON_RETRYABLE_FAILURE' });
  }
});

test('scheduleToStart and scheduleToClose timeouts are not retried', () => {
  for (const timeoutType of ['SCHEDULE_TO_START', 'SCHEDULE_TO_CLOSE'] as const) {
    assert.deepEqual(nextRetry({ ...first, failure: timeout(timeoutType) }), { retry: false, retryState: 'TIMEOUT' });
  }
});

test('a cancelled attempt is not retried', () => {
  const failure: FailureInfo = { kind: 'cancelled', message: 'CANCELLED' };
  assert.deepEqual(nextRetry({ ...first, failure }), { retry: false, retryState: 'CANCEL_REQUESTED' });
});
