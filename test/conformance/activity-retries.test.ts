// When an activity is retried, when its retries end, and with which error they end. Behaviors 40, 42, 43 and 45 of
// docs/behaviors.md.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { pino } from 'pino';
import { activityInfo, ApplicationFailure, Context, heartbeat, sleep } from 'reprise/activity';
import { until } from '../support/engine.ts';
import type { ActivityCall, FailureView } from '../support/fixtures/activity-calls.ts';
import { behavior, taskFailureOf, typesOf, type Way, ways } from './ways.ts';

interface Thrown {
  readonly message: string;
  readonly type?: string;
  readonly nonRetryable?: boolean;
  readonly nextRetryDelay?: number;
}
const noTime = 'Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying';
/** Functions that let the activity `untilReleased` return, by run. */
const releases = new Map<string, () => void>();
/** The heartbeat details that each attempt received, by run. */
const found = new Map<string, unknown[]>();

const activities = {
  /** Each attempt fails with the next of the failures. The attempt after the last failure returns its number. */
  async failWith(...failures: (Thrown & { cause?: Thrown })[]): Promise<number> {
    const { attempt } = activityInfo();
    const failure = failures[attempt - 1];
    if (failure === undefined) return attempt;
    const { cause, ...thrown } = failure;
    throw ApplicationFailure.create({ ...thrown, ...(cause && { cause: ApplicationFailure.create(cause) }) });
  },
  /** The first attempt fails. The second attempt waits for its cancellation. */
  async failThenHang(): Promise<never> {
    if (activityInfo().attempt === 1) throw ApplicationFailure.create({ message: 'first' });
    return await Context.current().cancelled;
  },
  async hang(beats = 0): Promise<never> {
    for (let i = 1; i <= beats; i++) heartbeat({ step: i });
    return await Context.current().cancelled;
  },
  async untilReleased(): Promise<void> {
    await new Promise<void>((resolve) => releases.set(activityInfo().workflowExecution!.runId, resolve));
  },
  /**
   * Two attempts fail, the first after heartbeats. The third attempt returns the heartbeat details that each received.
   */
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
const logged: { readonly runId?: string; readonly msg: string }[] = [];
const logger = pino({}, { write: (line) => void logged.push(JSON.parse(line) as (typeof logged)[number]) });
const all = await ways({ activities, logger });
const narrow = await ways({ activities, maxConcurrentActivities: 1 });

/** Returns the result, and the planned delay before each retry. */
async function call(way: Way, options: ActivityCall): Promise<{ result: unknown; delays: number[] }> {
  const handle = await way.start('callActivity', [options]);
  const result = await way.result(handle);
  const failed = (await handle.history()).filter((event) => event.type === 'ActivityAttemptFailed');
  assert.deepEqual(
    failed.map((event) => event.attempt),
    failed.map((_, i) => i + 1),
  );
  return { result, delays: failed.map((event) => (event.meta as { delayMs: number }).delayMs) };
}

async function failure(way: Way, options: ActivityCall): Promise<FailureView> {
  const { result } = await call(way, options);
  return (result as { failure: FailureView }).failure;
}
const application = { name: 'ApplicationFailure', nonRetryable: false, details: [] };

describe('retries of an activity', { concurrency: 4 }, () => {
  behavior(all, '40: start after one second, double the interval, and never end by default', async (way) => {
    const { result, delays } = await call(way, { type: 'failWith', args: [{ message: '1' }, { message: '2' }] });
    assert.deepEqual([result, delays], [3, [1000, 2000]]);
  });

  behavior(all, '40: follow the policy: coefficient, longest interval, attempts', async (way) => {
    const args = Array.from({ length: 5 }, () => ({ message: 'again' }));
    const policy = { initialInterval: 2, backoffCoefficient: 3, maximumInterval: 20, maximumAttempts: 5 };
    const { result, delays } = await call(way, { type: 'failWith', args, options: { retry: policy } });
    assert.deepEqual(delays, [2, 6, 18, 20]);
    assert.equal((result as { failure: FailureView }).failure['retryState'], 'MAXIMUM_ATTEMPTS_REACHED');
  });

  behavior(
    all,
    '40: wait at most a hundred times the first interval by default, and Infinity is allowed',
    async (way) => {
      const args = Array.from({ length: 3 }, () => ({ message: 'again' }));
      const policy = { initialInterval: 1, backoffCoefficient: 15, maximumAttempts: Number.POSITIVE_INFINITY };
      const { result, delays } = await call(way, { type: 'failWith', args, options: { retry: policy } });
      assert.deepEqual([result, delays], [4, [1, 15, 100]]);
    },
  );

  behavior(all, '42: take nextRetryDelay once in place of the computed delay', async (way) => {
    const args = [{ message: '1' }, { message: '2', nextRetryDelay: 45 }, { message: '3' }];
    const policy = { initialInterval: 5, backoffCoefficient: 2, maximumInterval: 20 };
    const { result, delays } = await call(way, { type: 'failWith', args, options: { retry: policy } });
    assert.deepEqual([result, delays], [4, [5, 45, 20]]);
  });

  behavior(all, '42: leave only the schedule and the end in Temporal history', async (way) => {
    const options = { type: 'failWith', args: [{ message: 'x' }], options: { retry } };
    const handle = await way.start('callActivity', [options]);
    assert.equal(await way.result(handle), 2);
    const { events } = await handle.fetchHistory();
    assert.deepEqual(
      events.map((event) => event['eventType']),
      ['WorkflowExecutionStarted', 'ActivityTaskScheduled', 'ActivityTaskCompleted', 'WorkflowExecutionCompleted'],
    );
    const { attempt } = events[2]!['activityTaskCompletedEventAttributes'] as { attempt: number };
    assert.equal(attempt, 2);
  });

  behavior(all, '42: end with NON_RETRYABLE_FAILURE for a nonRetryable failure, and for a listed type', async (way) => {
    for (const [thrown, policy] of [
      [{ message: 'no', type: 'T', nonRetryable: true }, retry],
      [
        { message: 'no', type: 'T' },
        { ...retry, nonRetryableErrorTypes: ['Other', 'T'] },
      ],
    ] as const) {
      const seen = await failure(way, { type: 'failWith', args: [thrown], options: { retry: policy } });
      assert.deepEqual([seen.message, seen['retryState']], ['Activity task failed', 'NON_RETRYABLE_FAILURE']);
    }
  });

  behavior(
    all,
    '42: continue after a type that only resembles a listed type, and whatever the cause is',
    async (way) => {
      const cause = { message: 'below', type: 'T', nonRetryable: true };
      for (const [thrown, nonRetryableErrorTypes] of [
        [{ message: 'no', type: 'T' }, ['t', 'T ', '', 'TT']],
        [{ message: 'no', type: 'Other', cause }, ['T']],
        [{ message: 'no', cause }, ['T']],
      ] as const) {
        const policy = { ...retry, nonRetryableErrorTypes: [...nonRetryableErrorTypes] };
        const { result } = await call(way, { type: 'failWith', args: [thrown], options: { retry: policy } });
        assert.equal(result, 2);
      }
    },
  );

  behavior(all, '42: end with TIMEOUT at once if the next attempt would start after schedule-to-close', async (way) => {
    const options = { scheduleToCloseTimeout: '1 minute', retry: { initialInterval: '2 minutes' } } as const;
    assert.deepEqual(await failure(way, { type: 'failWith', args: [{ message: 'last', type: 'T' }], options }), {
      name: 'ActivityFailure',
      message: 'Activity task timed out',
      activityType: 'failWith',
      activityId: '1',
      retryState: 'TIMEOUT',
      cause: {
        name: 'TimeoutFailure',
        message: noTime,
        timeoutType: 'SCHEDULE_TO_CLOSE',
        cause: { ...application, message: 'last', type: 'T' },
      },
    });
  });

  behavior(all, '42: end with CANCEL_REQUESTED, also between two attempts', async (way) => {
    for (const type of ['hang', 'failWith']) {
      const options = { retry: { initialInterval: '1 minute' } } as const;
      const args = type === 'hang' ? [] : [{ message: 'x' }];
      const seen = await failure(way, { type, args, options, cancelAfter: 30 });
      assert.deepEqual([seen.message, seen['retryState']], ['Activity cancelled', 'CANCEL_REQUESTED']);
    }
  });
});

describe('an invalid policy fails the task before any command', { concurrency: 4 }, () => {
  for (const [policy, message] of [
    [{ initialInterval: 0 }, 'RetryPolicy.initialInterval cannot be 0'],
    [{ backoffCoefficient: 0 }, 'RetryPolicy.backoffCoefficient must be greater than 0'],
    [{ backoffCoefficient: 0.5 }, 'RetryPolicy.backoffCoefficient must not be less than 1'],
    [
      { initialInterval: 20, maximumInterval: 10 },
      'RetryPolicy.maximumInterval cannot be less than its initialInterval',
    ],
    [{ maximumInterval: 0 }, 'RetryPolicy.maximumInterval cannot be 0'],
    [{ maximumAttempts: 0 }, 'RetryPolicy.maximumAttempts must be a positive integer'],
    [{ maximumAttempts: -1 }, 'RetryPolicy.maximumAttempts must be a positive integer'],
    [{ maximumAttempts: 1.5 }, 'RetryPolicy.maximumAttempts must be an integer'],
  ] as const) {
    behavior(all, `40: ${JSON.stringify(policy)}`, async (way) => {
      const handle = await way.start('callAndFail', [{ type: 'failWith', options: { retry: policy } }]);
      const taskFailure = await taskFailureOf(handle);
      assert.equal(taskFailure.message, `ValueError: ${message}`);
      assert.deepEqual(new Set(await typesOf(handle)), new Set(['WorkflowStarted', 'WorkflowTaskFailed']));
      await handle.terminate();
      await way.replays(handle);
    });
  }
});

describe('timeouts of an activity', { concurrency: 4 }, () => {
  for (const [name, fatal, limits] of [
    ['StartToClose', 'TemporalTimeout:StartToClose', { startToCloseTimeout: 30 }],
    ['Heartbeat', 'TemporalTimeout:Heartbeat', { startToCloseTimeout: '1 minute', heartbeatTimeout: 30 }],
  ] as const) {
    const timeoutType = name === 'Heartbeat' ? 'HEARTBEAT' : 'START_TO_CLOSE';
    const last = { lastHeartbeatDetails: { step: 3 } };
    const cause = { name: 'TimeoutFailure', message: `activity ${name} timeout`, timeoutType, ...last };

    behavior(all, `43: ${name} is retried, and its error has the last heartbeat`, async (way) => {
      const options = { ...limits, retry: { ...retry, maximumAttempts: 2 } };
      const seen = await failure(way, { type: 'hang', args: [3], options });
      assert.deepEqual([seen.message, seen['retryState']], ['Activity task timed out', 'MAXIMUM_ATTEMPTS_REACHED']);
      assert.deepEqual(seen['cause'], cause);
    });

    behavior(all, `43: ${name} is not retried if '${fatal}' is listed`, async (way) => {
      const options = { ...limits, retry: { ...retry, nonRetryableErrorTypes: [fatal] } };
      const seen = await failure(way, { type: 'hang', args: [3], options });
      assert.deepEqual([seen.message, seen['retryState']], ['Activity task timed out', 'NON_RETRYABLE_FAILURE']);
      assert.deepEqual(seen['cause'], cause);
    });

    behavior(
      all,
      `43: ${name} that leaves no time for another attempt is the cause of a schedule-to-close timeout`,
      async (way) => {
        const options = { ...limits, scheduleToCloseTimeout: 5000, retry: { initialInterval: 6000 } };
        const seen = await failure(way, { type: 'hang', args: [3], options });
        assert.equal(seen['retryState'], 'TIMEOUT');
        const timeout = { name: 'TimeoutFailure', message: noTime, timeoutType: 'SCHEDULE_TO_CLOSE' };
        assert.deepEqual(seen['cause'], { ...timeout, ...last, cause });
      },
    );
  }

  behavior(all, '43: schedule-to-close ends a running attempt, and is not retried', async (way) => {
    for (const type of ['hang', 'failThenHang']) {
      const seen = await failure(way, {
        type,
        options: { scheduleToCloseTimeout: type === 'hang' ? 60 : 1000, retry },
      });
      assert.deepEqual([seen.message, seen['retryState']], ['Activity task timed out', 'TIMEOUT']);
      assert.deepEqual(seen['cause'], {
        name: 'TimeoutFailure',
        message: 'activity ScheduleToClose timeout',
        timeoutType: 'SCHEDULE_TO_CLOSE',
        ...(type === 'failThenHang' && { cause: { ...application, message: 'first' } }),
      });
    }
  });
});

/** A run whose activity occupies the worker's only slot until `release` is called. */
async function blocker(way: Way): Promise<{ release(): Promise<unknown> }> {
  const handle = await way.start('callActivity', [{ type: 'untilReleased' }]);
  const release = await until(async () => releases.get(handle.runId!));
  return {
    release: () => {
      release();
      return way.result(handle);
    },
  };
}

behavior(narrow, '43: schedule-to-start is not retried, and limits each attempt', async (way) => {
  const first = await blocker(way);
  const seen = await failure(way, { type: 'failWith', options: { scheduleToStartTimeout: 30, retry } });
  assert.deepEqual([seen.message, seen['retryState']], ['Activity task timed out', 'TIMEOUT']);
  const cause = { timeoutType: 'SCHEDULE_TO_START', message: 'activity ScheduleToStart timeout' };
  assert.deepEqual(seen['cause'], { name: 'TimeoutFailure', ...cause });
  await first.release();

  const options = { scheduleToStartTimeout: 1000, retry: { initialInterval: 2000 } };
  const retried = await way.start('callActivity', [{ type: 'failWith', args: [{ message: 'first' }], options }]);
  await until(async () => (await typesOf(retried)).includes('ActivityAttemptFailed'));
  const second = await blocker(way);
  const late = (await way.result(retried)) as { failure: FailureView };
  const before = { ...application, message: 'first' };
  assert.deepEqual(late.failure['cause'], { name: 'TimeoutFailure', ...cause, cause: before });
  await second.release();
});

describe('heartbeat details of an activity', { concurrency: 4 }, () => {
  const last = { attempt: 1, part: 'c' };
  for (const how of ['fail', 'be silent'] as const) {
    behavior(all, `45: reach the attempts that follow an attempt that ended by: ${how}`, async (way) => {
      const options = { heartbeatTimeout: 50, retry };
      assert.deepEqual((await call(way, { type: 'stumble', args: [how], options })).result, [undefined, last, last]);
    });
  }

  behavior(all, '37: that cannot be stored cancel the attempt', async (way) => {
    const handle = await way.start('callActivity', [{ type: 'beatBadly', options: { retry } }]);
    assert.equal(await way.result(handle), 2);
    const failed = (await handle.history()).find((event) => event.type === 'ActivityAttemptFailed');
    assert.equal(failed?.reason, 'HEARTBEAT_DETAILS_CONVERSION_FAILED');
    const messages = logged.filter(({ runId }) => runId === handle.runId).map(({ msg }) => msg);
    assert.deepEqual(messages, ['what an activity reported could not be stored', 'activity attempt failed']);
  });

  behavior(all, '45: reach the worker that repeats the attempt of a worker that shut down', async (way) => {
    const taskQueue = way.newId('moving');
    const args = [{ type: 'stumble', args: ['wait for shutdown'], options: { retry } }];
    const handle = await way.start('callActivity', args, { taskQueue });
    await way.serve(taskQueue, () => until(async () => found.has(handle.runId!)));
    const stopped = (await handle.history()).find((event) => event.type === 'WorkerLost');
    assert.match(stopped?.reason ?? '', /shut down/);
    await way.serve(taskQueue, async () => assert.deepEqual(await way.result(handle), [undefined, last, last]));
  });
});
