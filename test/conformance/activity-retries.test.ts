// When an activity is tried again, when it is given up and what is said then. Behaviors 40, 42, 43 and 45 of spec/sdk.md;
// with the run cached, with its code made again for every turn, and with the recorded history replayed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { activityInfo, ApplicationFailure, Context, heartbeat, sleep } from 'reprise/activity';
import { fixtureWorker, testEngine, until } from '../support/engine.ts';
import type { ActivityCall, FailureView } from '../support/fixtures/activity-calls.ts';
import { assertReplays } from '../support/replays.ts';

const noTime = 'Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying';
let released = Promise.withResolvers<void>();
/** What each attempt found as heartbeat details, by run. */
const found = new Map<string, unknown[]>();

const activities = {
  /** Fails with the failures in turn, then returns its attempt. */
  async failWith(...failures: { message: string; type?: string; nonRetryable?: boolean; nextRetryDelay?: number }[]) {
    const { attempt } = activityInfo();
    const failure = failures[attempt - 1];
    if (failure !== undefined) throw ApplicationFailure.create(failure);
    return attempt;
  },
  async hang(beats = 0): Promise<never> {
    for (let i = 1; i <= beats; i++) heartbeat({ step: i });
    return await Context.current().cancelled;
  },
  async untilReleased(): Promise<void> {
    await released.promise;
  },
  /** Beats, then stumbles; the next attempt tells what it found. */
  async stumble(how: 'fail' | 'be silent' | 'wait for shutdown'): Promise<unknown> {
    const { attempt, heartbeatDetails, workflowExecution } = activityInfo();
    const seen = [...(found.get(workflowExecution!.runId) ?? []), heartbeatDetails];
    found.set(workflowExecution!.runId, seen);
    if (attempt === 3) return seen;
    for (const part of ['a', 'b', 'c']) if (attempt === 1) heartbeat({ attempt, part });
    if (how === 'fail') throw new Error('stumbled');
    if (how === 'be silent') return await Context.current().cancelled;
    if (attempt === 2) throw new Error('stumbled here');
    await Context.current().cancelled;
  },
  async beatBadly(): Promise<number> {
    const { attempt } = activityInfo();
    if (attempt === 1) {
      heartbeat(() => 'no data');
      await sleep(10_000);
    }
    return attempt;
  },
};

const retry = { initialInterval: 10, maximumInterval: 10 };
const cached = await testEngine({ activities });
const evicted = await testEngine({ activities, maxCachedRuns: 0 });
const narrow = await testEngine({ activities, maxConcurrentActivities: 1 });

for (const [way, engine] of [
  ['cached', cached],
  ['evicted after every turn', evicted],
] as const) {
  async function call(options: ActivityCall, on = engine): Promise<{ result: unknown; delays: number[] }> {
    const handle = await on.start('callActivity', [options]);
    const result = await handle.result();
    const history = await handle.history();
    await assertReplays(on.connection.database, handle.runId!);
    const failed = history.filter((event) => event.type === 'ActivityAttemptFailed');
    assert.deepEqual(
      failed.map((event) => event.attempt),
      failed.map((_, i) => i + 1),
    );
    return { result, delays: failed.map((event) => (event.meta as { delayMs: number }).delayMs) };
  }

  async function failure(options: ActivityCall): Promise<FailureView> {
    const { result } = await call(options);
    return (result as { failure: FailureView }).failure;
  }

  describe(`retries of activities of a run that is ${way}`, () => {
    it('begin after one second and double by default', async () => {
      const { result, delays } = await call({ type: 'failWith', args: [{ message: 'once' }] });
      assert.deepEqual([result, delays], [2, [1000]]);
    });

    it('follow the policy: coefficient, longest interval, attempts', async () => {
      const failures = Array.from({ length: 5 }, () => ({ message: 'again' }));
      const policy = { initialInterval: 2, backoffCoefficient: 3, maximumInterval: 20, maximumAttempts: 5 };
      const { result, delays } = await call({ type: 'failWith', args: failures, options: { retry: policy } });
      assert.deepEqual(delays, [2, 6, 18, 20]);
      assert.equal((result as { failure: FailureView }).failure['retryState'], 'MAXIMUM_ATTEMPTS_REACHED');
    });

    it('take nextRetryDelay once in place of the computed delay', async () => {
      const failures = [{ message: '1' }, { message: '2', nextRetryDelay: 45 }, { message: '3' }];
      const policy = { initialInterval: 5, backoffCoefficient: 2, maximumInterval: 20 };
      const { result, delays } = await call({ type: 'failWith', args: failures, options: { retry: policy } });
      assert.deepEqual([result, delays], [4, [5, 45, 20]]);
    });

    it('leave no event in Temporal history but schedule and end', async () => {
      const handle = await engine.start('callActivity', [
        { type: 'failWith', args: [{ message: 'x' }], options: { retry } },
      ]);
      await handle.result();
      assert.deepEqual(
        (await handle.fetchHistory()).events.map((event) => event['eventType']),
        ['WorkflowExecutionStarted', 'ActivityTaskScheduled', 'ActivityTaskCompleted', 'WorkflowExecutionCompleted'],
      );
    });

    it('end with NON_RETRYABLE_FAILURE for a flag, and for a type that is listed', async () => {
      for (const [thrown, policy] of [
        [{ message: 'no', type: 'T', nonRetryable: true }, retry],
        [
          { message: 'no', type: 'T' },
          { ...retry, nonRetryableErrorTypes: ['Other', 'T'] },
        ],
      ] as const) {
        const seen = await failure({ type: 'failWith', args: [thrown], options: { retry: policy } });
        assert.deepEqual([seen.message, seen['retryState']], ['Activity task failed', 'NON_RETRYABLE_FAILURE']);
      }
      const policy = { ...retry, nonRetryableErrorTypes: ['t', 'T '] };
      const { result } = await call({
        type: 'failWith',
        args: [{ message: 'no', type: 'T' }],
        options: { retry: policy },
      });
      assert.equal(result, 2, 'a type is matched exactly');
    });

    it('end with TIMEOUT at once when the next would begin after schedule-to-close', async () => {
      const options = { scheduleToCloseTimeout: '1 minute', retry: { initialInterval: '2 minutes' } } as const;
      assert.deepEqual(await failure({ type: 'failWith', args: [{ message: 'last', type: 'T' }], options }), {
        name: 'ActivityFailure',
        message: 'Activity task timed out',
        activityType: 'failWith',
        activityId: '1',
        retryState: 'TIMEOUT',
        cause: {
          name: 'TimeoutFailure',
          message: noTime,
          timeoutType: 'SCHEDULE_TO_CLOSE',
          cause: { name: 'ApplicationFailure', message: 'last', type: 'T', nonRetryable: false, details: [] },
        },
      });
    });

    it('end with TIMEOUT when schedule-to-close passes while an attempt runs; its cause is the failure before', async () => {
      const seen = await failure({ type: 'hang', options: { scheduleToCloseTimeout: 30 } });
      assert.deepEqual([seen.message, seen['retryState']], ['Activity task timed out', 'TIMEOUT']);
      assert.deepEqual(seen['cause'], {
        name: 'TimeoutFailure',
        message: 'activity ScheduleToClose timeout',
        timeoutType: 'SCHEDULE_TO_CLOSE',
      });
    });

    it('end with CANCEL_REQUESTED, also between two attempts', async () => {
      for (const type of ['hang', 'failWith']) {
        const options = { retry: { initialInterval: '1 minute' } } as const;
        const seen = await failure({ type, args: type === 'hang' ? [] : [{ message: 'x' }], options, cancelAfter: 30 });
        assert.deepEqual([seen.message, seen['retryState']], ['Activity cancelled', 'CANCEL_REQUESTED']);
      }
    });
  });

  describe(`timeouts of activities of a run that is ${way}`, () => {
    for (const [name, fatal, limits] of [
      ['StartToClose', 'TemporalTimeout:StartToClose', { startToCloseTimeout: 30 }],
      ['Heartbeat', 'TemporalTimeout:Heartbeat', { startToCloseTimeout: '1 minute', heartbeatTimeout: 30 }],
    ] as const) {
      const timeoutType = name === 'Heartbeat' ? 'HEARTBEAT' : 'START_TO_CLOSE';
      const cause = {
        name: 'TimeoutFailure',
        message: `activity ${name} timeout`,
        timeoutType,
        lastHeartbeatDetails: { step: 3 },
      };

      it(`${name} is tried again, and tells the last heartbeat`, async () => {
        const options = { ...limits, retry: { ...retry, maximumAttempts: 2 } };
        const seen = await failure({ type: 'hang', args: [3], options });
        assert.deepEqual([seen.message, seen['retryState']], ['Activity task timed out', 'MAXIMUM_ATTEMPTS_REACHED']);
        assert.deepEqual(seen['cause'], cause);
      });

      it(`${name} is not tried again when '${fatal}' is listed`, async () => {
        const options = { ...limits, retry: { ...retry, nonRetryableErrorTypes: [fatal] } };
        const seen = await failure({ type: 'hang', args: [3], options });
        assert.equal(seen['retryState'], 'NON_RETRYABLE_FAILURE');
        assert.deepEqual(seen['cause'], cause);
      });

      it(`${name} without time for another attempt is the cause of a schedule-to-close timeout`, async () => {
        const options = { ...limits, scheduleToCloseTimeout: 5000, retry: { initialInterval: 6000 } };
        const seen = await failure({ type: 'hang', args: [3], options });
        assert.equal(seen['retryState'], 'TIMEOUT');
        const timeout = { name: 'TimeoutFailure', message: noTime, timeoutType: 'SCHEDULE_TO_CLOSE' };
        assert.deepEqual(seen['cause'], { ...timeout, lastHeartbeatDetails: { step: 3 }, cause });
      });
    }
  });

  describe(`heartbeat details of activities of a run that is ${way}`, () => {
    for (const how of ['fail', 'be silent'] as const) {
      it(`reach the attempts after one that ended by: ${how}`, async () => {
        const options = { heartbeatTimeout: 50, retry };
        const last = { attempt: 1, part: 'c' };
        assert.deepEqual((await call({ type: 'stumble', args: [how], options })).result, [undefined, last, last]);
      });
    }

    it('that cannot be stored cancel the attempt', async () => {
      const handle = await engine.start('callActivity', [{ type: 'beatBadly', options: { retry } }]);
      assert.equal(await handle.result(), 2);
      const failed = (await handle.history()).find((event) => event.type === 'ActivityAttemptFailed');
      assert.equal(failed?.reason, 'HEARTBEAT_DETAILS_CONVERSION_FAILED');
    });
  });
}

it('schedule-to-start is not tried again, and holds for each attempt', async () => {
  const blocker = await narrow.start('callActivity', [{ type: 'untilReleased' }]);
  await until(async () => (await blocker.describe()).pendingActivities.length === 1);
  const waiting = await narrow.start('callActivity', [
    { type: 'failWith', options: { scheduleToStartTimeout: 30, retry } },
  ]);
  const { failure } = (await waiting.result()) as { failure: FailureView };
  assert.deepEqual([failure.message, failure['retryState']], ['Activity task timed out', 'TIMEOUT']);
  const cause = {
    name: 'TimeoutFailure',
    timeoutType: 'SCHEDULE_TO_START',
    message: 'activity ScheduleToStart timeout',
  };
  assert.deepEqual(failure['cause'], cause);
  released.resolve();
  await blocker.result();

  released = Promise.withResolvers();
  const policy = { initialInterval: 1000 };
  const retried = await narrow.start('callActivity', [
    { type: 'failWith', args: [{ message: 'first' }], options: { scheduleToStartTimeout: 200, retry: policy } },
  ]);
  await until(async () => (await retried.history()).some((event) => event.type === 'ActivityAttemptFailed'));
  const second = await narrow.start('callActivity', [{ type: 'untilReleased' }]);
  const late = (await retried.result()) as { failure: FailureView };
  const first = { name: 'ApplicationFailure', message: 'first', nonRetryable: false, details: [] };
  assert.deepEqual(late.failure['cause'], { ...cause, cause: first });
  released.resolve();
  await second.result();
});

it('an attempt that a worker stops at its shutdown is begun anew elsewhere, with the last heartbeat', async () => {
  const taskQueue = 'moving';
  const args = [{ type: 'stumble', args: ['wait for shutdown'], options: { retry } }];
  const handle = await cached.client.workflow.start('callActivity', { workflowId: 'moving', taskQueue, args });
  const first = await fixtureWorker(cached.connection, taskQueue, { activities });
  await first.runUntil(() => until(async () => found.has(handle.runId!)));
  const stopped = (await handle.history()).find((event) => event.type === 'WorkerLost');
  assert.match(stopped?.reason ?? '', /shut down/);
  const second = await fixtureWorker(cached.connection, taskQueue, { activities });
  const last = { attempt: 1, part: 'c' };
  assert.deepEqual(await second.runUntil(handle.result()), [undefined, last, last]);
  await assertReplays(cached.connection.database, handle.runId!);
});
