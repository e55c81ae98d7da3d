// Chains of runs and cron schedules without an engine: what follows a closed run, when it is due, when it times out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StartedMeta } from '../../../runtime/core/run/start-meta.ts';
import { type ChainRules, chainRules, type ClosingEvent, succession } from '../../../runtime/core/run/chain.ts';
import { nextCronTime } from '../../../runtime/core/options/cron-schedule.ts';
import { ApplicationFailure } from '../../../runtime/core/failure/failure.ts';
import { decodeFailure, encodeFailure } from '../../../runtime/core/failure/failure-info.ts';
import { encodePayload } from '../../../runtime/core/payload/payload.ts';
import { startTiming } from '../../../runtime/core/run/start-timing.ts';

const second = 1_000_000;
const started = { workflowId: 'w', taskQueue: 'q', namespace: 'n', seed: '0', engine: 1 } satisfies StartedMeta;

function rules(meta: Partial<StartedMeta>): ChainRules {
  return chainRules({ ...started, ...meta }, 10 * second)!;
}

function failed(at: number, failure: Error = ApplicationFailure.create({ message: 'no', type: 'T' })): ClosingEvent {
  return { type: 'WorkflowFailed', payload: encodeFailure(failure), at };
}

test('a run without retry, schedule or timeout has no chain rules', () => {
  assert.equal(chainRules(started, 1), undefined);
  assert.equal(chainRules({ ...started, startDelayMs: 5, taskTimeoutMs: 10 }, 1), undefined);
});

test('a run times out at the earlier of its deadlines, and its own timeout counts from its first task', () => {
  const deadline = (meta: Partial<StartedMeta>) => rules(meta).deadline;
  assert.equal(deadline({ runTimeoutMs: 3000 }), 13 * second);
  assert.equal(deadline({ runTimeoutMs: 3000, startDelayMs: 2000, backoffMs: 1000 }), 16 * second);
  assert.equal(deadline({ executionTimeoutMs: 3000, backoffMs: 1000 }), 13 * second);
  assert.equal(deadline({ executionTimeoutMs: 3000, runTimeoutMs: 1000 }), 11 * second);
  assert.equal(deadline({ executionDeadline: 12 * second, executionTimeoutMs: 9000 }), 12 * second);
  assert.equal(deadline({ retry: {} }), undefined);
});

test('a closed run is followed by a retry, the next run of the schedule, or nothing', () => {
  const retry = { initial: 500, attempts: 3 };
  for (const [meta, closing, retryState, next] of [
    [{ retry }, failed(20 * second), 'IN_PROGRESS', { attempt: 2, backoffMs: 500 }],
    [{ retry, attempt: 2 }, failed(20 * second), 'IN_PROGRESS', { attempt: 3, backoffMs: 1000 }],
    [{ retry, attempt: 3 }, failed(20 * second), 'MAXIMUM_ATTEMPTS_REACHED', undefined],
    [{ retry: { ...retry, fatal: ['T'] } }, failed(20 * second), 'NON_RETRYABLE_FAILURE', undefined],
    [{ retry, executionTimeoutMs: 10_400 }, failed(20 * second), 'TIMEOUT', undefined],
    [
      { retry },
      { type: 'WorkflowTimedOut', payload: null, at: 20 * second },
      'IN_PROGRESS',
      { attempt: 2, backoffMs: 500 },
    ],
    [{ retry }, { type: 'WorkflowCompleted', payload: null, at: 20 * second }, undefined, undefined],
    [{ cron: '@every 7s' }, failed(20 * second), undefined, { backoffMs: 1000 }],
    [{ cron: '@every 7s', retry, attempt: 3 }, failed(20 * second), 'MAXIMUM_ATTEMPTS_REACHED', { backoffMs: 1000 }],
    [{ cron: '@every 7s', executionDeadline: 20.5 * second }, failed(20 * second), undefined, undefined],
    [{ runTimeoutMs: 1 }, failed(20 * second), undefined, undefined],
  ] as const) {
    const found = succession(rules(meta as Partial<StartedMeta>), closing);
    assert.equal(found.failed?.retryState, retryState);
    const { lastFailure: _, lastResult: _2, executionDeadline: _3, ...rest } = found.next ?? {};
    assert.deepEqual(found.next === undefined ? undefined : rest, next);
  }
});

test('a failure may set the delay of the retry', () => {
  const failure = ApplicationFailure.create({ message: 'later', nextRetryDelay: '7s' });
  assert.equal(succession(rules({ retry: {} }), failed(20 * second, failure)).next?.backoffMs, 7000);
});

test('results and failures are passed on unchanged', () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  const payload = encodePayload({ at: new Date(5), list: [1n] });
  const completed = succession(rules({ cron: '@hourly', lastFailure: 'ff' }), {
    type: 'WorkflowCompleted',
    payload,
    at: 20 * second,
  });
  assert.deepEqual([completed.next?.lastResult, completed.next?.lastFailure], [hex(payload), undefined]);
  const closing = failed(20 * second);
  const afterwards = succession(rules({ cron: '@hourly', lastResult: hex(payload) }), closing);
  assert.deepEqual([afterwards.next?.lastResult, afterwards.next?.lastFailure], [hex(payload), hex(closing.payload!)]);
  const late = { type: 'WorkflowTimedOut', payload: null, at: 20 * second } as const;
  const { lastFailure } = succession(rules({ retry: {} }), late).next!;
  assert.equal(decodeFailure(Buffer.from(lastFailure!, 'hex')).message, 'Workflow execution timed out');
});

test('cron schedules yield future times in their zone', () => {
  const from = Date.UTC(2026, 0, 1, 0, 0, 30);
  const next = (schedule: string) => {
    const time = nextCronTime(schedule, from);
    return time === undefined ? undefined : new Date(time).toISOString();
  };
  assert.equal(next('* * * * *'), '2026-01-01T00:01:00.000Z');
  assert.equal(next('CRON_TZ=Europe/Berlin 0 9 * * 1-5'), '2026-01-01T08:00:00.000Z');
  assert.equal(next('TZ=America/New_York 0 0 1 7 *'), '2026-07-01T04:00:00.000Z');
  assert.equal(next('@yearly'), '2027-01-01T00:00:00.000Z');
  assert.equal(next('@every 1h30m'), '2026-01-01T01:30:00.000Z');
  assert.equal(next('0 0 30 2 *'), undefined);
  for (const bad of ['', 'x', '61 * * * *', '* * * * * *', '@every', '@every 5', '@every 999ms', 'TZ=Mars * * * * *']) {
    assert.throws(() => nextCronTime(bad, from), { name: 'TypeError', message: /^Invalid cron schedule/ });
  }
});

test('the next time of an interval is at most one interval away and in the same phase for all runs', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 0, max: 4e12 }), (seconds, now) => {
      const next = nextCronTime(`@every ${seconds}s`, now)!;
      assert.ok(next > now && next <= now + seconds * 1000);
      assert.equal(next % (seconds * 1000), 0);
    }),
  );
});

test('a timeout of zero means no timeout, and an invalid duration is rejected by name', () => {
  assert.deepEqual(startTiming({ workflowRunTimeout: 0, workflowExecutionTimeout: '0s', cronSchedule: '' }, 0), {});
  assert.deepEqual(startTiming({ workflowRunTimeout: '2s', workflowTaskTimeout: 5 }, 0), {
    runTimeoutMs: 2000,
    taskTimeoutMs: 5,
  });
  assert.throws(() => startTiming({ workflowRunTimeout: 'soon' as never }, 0), { message: /^workflowRunTimeout: / });
  assert.throws(() => startTiming({ workflowExecutionTimeout: -1 }, 0), {
    message: /^workflowExecutionTimeout is -1 ms/,
  });
  assert.throws(() => startTiming({ retry: { maximumAttempts: 0.5 } }, 0), { name: 'ValueError' });
});
