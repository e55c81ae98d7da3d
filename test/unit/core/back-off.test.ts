// Back-off of retries: of quarantined runs, failed workflow tasks and incarnations.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as assertEngine, isAssertion, RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import { backOffMs } from '../../../runtime/core/run/back-off.ts';
import { quarantineCause, quarantineDelayMs } from '../../../runtime/core/run/quarantine-info.ts';
import { taskRetryDelayMs } from '../../../runtime/core/run/task-retry.ts';
import { RestartDelay } from '../../../runtime/worker/life/restart-delay.ts';

test('a delay doubles with every failure up to its limit', () => {
  const delays = [1, 2, 3, 4, 5, 1_000_000].map((failures) => backOffMs(failures, { firstMs: 10, maxMs: 100 }));
  assert.deepEqual(delays, [10, 20, 40, 80, 100, 100]);
});

test('quarantine lasts from one second to at most two minutes', () => {
  assert.deepEqual([1, 2, 3, 7, 8, 50].map(quarantineDelayMs), [1_000, 2_000, 4_000, 64_000, 120_000, 120_000]);
});

test('a failed workflow task waits from one second to at most one minute', () => {
  assert.deepEqual([1, 2, 6, 7, 32_767].map(taskRetryDelayMs), [1_000, 2_000, 32_000, 60_000, 60_000]);
});

test('restarts of incarnations that die early back off, until one has lived for a while', () => {
  const delay = new RestartDelay();
  assert.deepEqual(
    [0, 200, 0, 9_999].map((ms) => delay.after(ms)),
    [50, 100, 200, 400],
  );
  for (let i = 0; i < 20; i++) delay.after(0);
  assert.equal(delay.after(0), 2_000);
  assert.equal(delay.after(10_000), 0);
  assert.equal(delay.after(0), 50);
});

test('the cause of a quarantine is an error code, a SQLSTATE, or the name of the error', () => {
  const ofDatabase = Object.assign(new Error('missing chunk'), { code: 'XX001', severity: 'ERROR' });
  const causes = [new RuntimeError('TIMEOUT', 'x'), ofDatabase, new TypeError('a\0b'), 'thrown'];
  assert.deepEqual(causes.map(quarantineCause), [
    { cause: 'TIMEOUT', message: 'x' },
    { cause: 'XX001', message: 'missing chunk' },
    { cause: 'TypeError', message: 'ab' },
    { cause: 'Error', message: 'thrown' },
  ]);
});

test('a failed assertion has its own error code', () => {
  assert.throws(() => assertEngine(false, 'it holds'), {
    code: 'ASSERTION_FAILED',
    message: 'Assertion failed: it holds',
  });
  assert.ok(isAssertion(new RuntimeError('ASSERTION_FAILED', '')));
  assert.ok(!isAssertion(new RuntimeError('LEASE_LOST', '')));
});
