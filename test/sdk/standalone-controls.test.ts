// Commands of clients to open standalone activities: pause, unpause, changed options. The activities' logs record every
// command.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import {
  ActivityExecutionFailedError,
  type ActivityHandle,
  ActivityNotFoundError,
  type ActivityOptions,
  ActivityPausedError,
} from 'reprise/client';
import { ApplicationFailure, TimeoutFailure } from 'reprise/common';
import { activityInfo, Context, heartbeat, sleep } from 'reprise/activity';
import { Worker } from 'reprise/worker';
import { eventTypeOf } from '../../runtime/core/log/event.ts';
import { handedOver } from '../support/fixtures/activities.ts';
import * as tools from '../support/fixtures/tools.ts';
import { quiet, testEngine, until } from '../support/engine.ts';

const engine = await testEngine();
const { client, pool } = engine;
const stops: (() => Promise<void>)[] = [];
after(() => Promise.all(stops.map((stop) => stop())));

/** What the attempts noted, by activity id. */
const seen = new Map<string, unknown[]>();
/** Ids of the activities that may complete. */
const released = new Set<string>();

function note(what: unknown): void {
  const { activityId } = activityInfo();
  seen.set(activityId, [...(seen.get(activityId) ?? []), what]);
}

/** Sends heartbeats until the activity may complete or (unless `goesOn`) the attempt is cancelled. */
async function untilTold(goesOn = false): Promise<string> {
  const context = Context.current();
  note(`attempt ${activityInfo().attempt}`);
  for (;;) {
    heartbeat('at work');
    if (released.has(activityInfo().activityId)) return `attempt ${activityInfo().attempt}`;
    if (context.cancellationSignal.aborted && !goesOn) {
      note({ paused: context.cancellationDetails?.paused, asked: context.cancellationDetails?.cancelRequested });
      await context.cancelled;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Every attempt fails until the activity may complete. */
async function failing(): Promise<number> {
  const { attempt, activityId } = activityInfo();
  note(attempt);
  if (!released.has(activityId)) throw ApplicationFailure.retryable(`attempt ${attempt}`);
  return attempt;
}

async function sees(): Promise<unknown> {
  const { startToCloseTimeoutMs, heartbeatTimeoutMs, heartbeatDetails, taskQueue, retryPolicy } = activityInfo();
  return {
    startToCloseTimeoutMs,
    heartbeatTimeoutMs,
    heartbeatDetails,
    taskQueue,
    attempts: retryPolicy.maximumAttempts,
  };
}

async function nap(ms: number): Promise<string> {
  note('napping');
  await sleep(ms);
  return 'rested';
}

async function serve(taskQueue: string): Promise<void> {
  const activities = { ...tools, untilTold, failing, sees, nap };
  const worker = await Worker.create({ connection: engine.connection, taskQueue, activities, logger: quiet });
  const running = worker.run();
  stops.push(async () => {
    worker.shutdown();
    await running;
  });
}
await Promise.all([serve('tools'), serve('other tools')]);

const options = (id: string): ActivityOptions => ({
  id,
  taskQueue: 'tools',
  startToCloseTimeout: '20 s',
  heartbeatTimeout: '2 s',
  retry: { initialInterval: 10, maximumInterval: 50 },
});

async function typesOf(handle: ActivityHandle): Promise<string[]> {
  const verdict = await pool.query('select ok, problem from reprise_audit.verify($1)', [handle.runId]);
  assert.deepEqual(verdict.rows, [{ ok: true, problem: null }]);
  const types = await pool.query<{ type: number }>('select type from reprise.events where run_id = $1 order by seq', [
    handle.runId,
  ]);
  return types.rows.map(({ type }) => eventTypeOf(type));
}

async function stateOf(handle: ActivityHandle): Promise<string> {
  const { status, runState } = await handle.describe();
  return `${status} ${runState ?? ''}`.trim();
}

async function timeoutOf(handle: ActivityHandle): Promise<string | undefined> {
  const error = await handle.result().catch((thrown: unknown) => thrown);
  assert.ok(error instanceof ActivityExecutionFailedError && error.cause instanceof TimeoutFailure);
  return error.cause.timeoutType;
}

const reaches = (handle: ActivityHandle, state: string): Promise<boolean> =>
  until(async () => (await stateOf(handle)) === state);

describe('a paused activity', () => {
  it('that has not started waits until it is unpaused; describe shows who paused it, when and why', async () => {
    const handle = await client.activity.start('double', { ...options('waits'), args: [4], startDelay: 100 });
    await handle.pause('an inspection');
    assert.equal(await stateOf(handle), 'PAUSED PAUSED');
    const { pauseInfo } = await handle.describe();
    assert.equal(pauseInfo?.reason, 'an inspection');
    assert.match(pauseInfo.identity!, /^\d+@/);
    await sleepMs(300);
    assert.equal(await stateOf(handle), 'PAUSED PAUSED');
    await handle.unpause({ reason: 'all is well' });
    assert.equal(await handle.result(), 8);
    assert.equal((await handle.describe()).pauseInfo, undefined);
    assert.deepEqual(await typesOf(handle), [
      'WorkflowStarted',
      'ActivityPaused',
      'ActivityScheduled',
      'ActivityUnpaused',
      'ActivityCompleted',
      'WorkflowCompleted',
    ]);
    const { rows } = await pool.query(
      'select type, reason, source_id from reprise.events where run_id = $1 and type in (100, 101) order by seq',
      [handle.runId],
    );
    const by = `${process.pid}`;
    assert.deepEqual(
      rows.map((row) => [row.type, row.reason, row.source_id.split('@')[0]]),
      [
        [100, 'an inspection', by],
        [101, 'all is well', by],
      ],
    );
  });

  it('is paused without any worker, and its start delay still applies', async () => {
    const lonely = { ...options('lonely'), taskQueue: 'nobody', args: [1], startDelay: '1 hour' } as const;
    const handle = await client.activity.start('double', lonely);
    await handle.pause();
    assert.equal(await stateOf(handle), 'PAUSED PAUSED');
    await handle.unpause();
    assert.equal(await stateOf(handle), 'RUNNING SCHEDULED');
    const { rows } = await pool.query(
      "select due_at > now() + interval '50 minutes' as late from reprise.activity_tasks where run_id = $1",
      [handle.runId],
    );
    assert.deepEqual(rows, [{ late: true }]);
    await handle.terminate();
  });

  it('informs the running attempt through its heartbeats, and waits once the attempt has stopped', async () => {
    const handle = await client.activity.start('untilTold', { ...options('told'), retry: { initialInterval: 10 } });
    await reaches(handle, 'RUNNING STARTED');
    await handle.pause();
    await reaches(handle, 'PAUSED PAUSED');
    assert.deepEqual(seen.get('told'), ['attempt 1', { paused: true, asked: false }]);
    const failure = await (await handle.describe()).getLastFailure();
    assert.ok(failure instanceof ApplicationFailure && failure.type === 'ActivityPause');
    assert.equal(failure.message, 'Activity paused');
    await sleepMs(150);
    assert.equal(await stateOf(handle), 'PAUSED PAUSED');
    released.add('told');
    await handle.unpause();
    assert.equal(await handle.result(), 'attempt 2');
    assert.deepEqual((await typesOf(handle)).slice(2), [
      'ActivityPaused',
      'ActivityAttemptFailed',
      'ActivityUnpaused',
      'ActivityCompleted',
      'WorkflowCompleted',
    ]);
  });

  it('does not count the attempt that stops because of the pause', async () => {
    const retry = { maximumAttempts: 2, initialInterval: 3_600_000 };
    const handle = await client.activity.start('untilTold', { ...options('uses none'), retry });
    for (const attempt of [1, 2, 3]) {
      await until(async () => seen.get('uses none')?.includes(`attempt ${attempt}`));
      await handle.pause();
      await reaches(handle, 'PAUSED PAUSED');
      if (attempt === 3) released.add('uses none');
      await handle.unpause();
    }
    assert.equal(await handle.result(), 'attempt 4');
    await typesOf(handle);
  });

  it('is closed when its last attempt fails for another reason', async () => {
    const retry = { maximumAttempts: 1 };
    const timed = { ...options('last'), args: [true], startToCloseTimeout: 2_000, retry } as const;
    const handle = await client.activity.start('untilTold', timed);
    await until(async () => seen.has('last'));
    await handle.pause();
    assert.equal(await timeoutOf(handle), 'START_TO_CLOSE');
    released.add('last');
  });

  it('may be completed by the running attempt', async () => {
    const handle = await client.activity.start('untilTold', { ...options('completes'), args: [true] });
    await reaches(handle, 'RUNNING STARTED');
    await handle.pause();
    assert.equal(await stateOf(handle), 'RUNNING PAUSE_REQUESTED');
    released.add('completes');
    assert.equal(await handle.result(), 'attempt 1');
    assert.equal(await stateOf(handle), 'COMPLETED');
  });

  it('continues with the running attempt if it is unpaused before the attempt stops', async () => {
    const handle = await client.activity.start('untilTold', { ...options('goes on'), args: [true] });
    await reaches(handle, 'RUNNING STARTED');
    await handle.pause();
    await handle.unpause({ resetAttempts: true });
    assert.equal(await stateOf(handle), 'RUNNING STARTED');
    released.add('goes on');
    assert.equal(await handle.result(), 'attempt 1');
  });

  it('starts no attempt if it is paused between two attempts, and resumes with its back-off', async () => {
    const handle = await client.activity.start('failing', {
      ...options('between'),
      retry: { initialInterval: 3_600_000 },
    });
    await until(async () => (await handle.describe()).lastAttemptCompleteTime !== undefined);
    const due = (await handle.describe()).nextAttemptScheduleTime!;
    await handle.pause();
    await handle.pause('once more');
    assert.equal((await handle.describe()).pauseInfo?.reason, undefined);
    await handle.unpause();
    await handle.unpause();
    assert.deepEqual((await handle.describe()).nextAttemptScheduleTime, due);
    released.add('between');
    await handle.updateOptions({ retry: { initialInterval: 10 } });
    assert.equal(await handle.result(), 2);
    const types = await typesOf(handle);
    assert.equal(types.filter((type) => type === 'ActivityPaused' || type === 'ActivityUnpaused').length, 2);
  });

  it('can reset its attempts and start at once', async () => {
    const handle = await client.activity.start('failing', {
      ...options('reset'),
      retry: { initialInterval: 3_600_000, maximumAttempts: 2 },
    });
    await until(async () => (await handle.describe()).lastAttemptCompleteTime !== undefined);
    await handle.pause();
    await handle.unpause({ resetAttempts: true });
    await until(async () => seen.get('reset')?.length === 2);
    // Without the reset, attempt 2 would be the last.
    await until(async () => (await handle.describe()).nextAttemptScheduleTime !== undefined);
    await handle.pause();
    released.add('reset');
    await handle.unpause({ resetAttempts: true });
    // Attempt numbers keep rising.
    assert.equal(await handle.result(), 3);
    await typesOf(handle);
  });

  it('can reset its heartbeat details', async () => {
    for (const resetHeartbeat of [false, true]) {
      const id = `forgets ${resetHeartbeat}`;
      const handle = await client.activity.start('resume', {
        ...options(id),
        args: [3],
        retry: { initialInterval: 3_600_000 },
      });
      await until(async () => (await handle.describe()).lastAttemptCompleteTime !== undefined);
      await handle.pause();
      await handle.unpause({ resetAttempts: true, resetHeartbeat });
      await until(async () => (await handle.describe()).attempt === 3);
      assert.equal(await (await handle.describe()).getHeartbeatDetails(), resetHeartbeat ? 1 : 2);
      await handle.terminate();
    }
  });

  it('is delayed by a random part of the jitter after unpause', async () => {
    const handle = await client.activity.start('double', { ...options('jitter'), args: [1], startDelay: 300 });
    await handle.pause();
    await handle.unpause({ jitter: '1000 hours' });
    const { rows } = await pool.query(
      "select due_at between now() and now() + interval '1000 hours' as within from reprise.activity_tasks where run_id = $1",
      [handle.runId],
    );
    assert.deepEqual(rows, [{ within: true }]);
    await handle.terminate();
  });

  it('can be cancelled and terminated, and its scheduleToCloseTimeout keeps running', async () => {
    const cancelled = await client.activity.start('double', { ...options('c'), args: [1], startDelay: '1 hour' });
    await cancelled.pause();
    await cancelled.cancel();
    await assert.rejects(cancelled.result(), ActivityExecutionFailedError);
    assert.equal(await stateOf(cancelled), 'CANCELED');
    const terminated = await client.activity.start('double', { ...options('t'), args: [1], startDelay: '1 hour' });
    await terminated.pause();
    await terminated.terminate();
    assert.equal(await stateOf(terminated), 'TERMINATED');
    const timed = {
      ...options('late'),
      args: [1],
      scheduleToStartTimeout: 2_000,
      scheduleToCloseTimeout: 2_500,
    } as const;
    const late = await client.activity.start('double', { ...timed, taskQueue: 'nobody' });
    await late.pause();
    assert.equal(await timeoutOf(late), 'SCHEDULE_TO_CLOSE');
    for (const handle of [cancelled, terminated, late]) {
      await typesOf(handle);
      await assert.rejects(handle.pause(), ActivityNotFoundError);
      await assert.rejects(handle.unpause(), ActivityNotFoundError);
      await assert.rejects(handle.updateOptions({ taskQueue: 'tools' }), ActivityNotFoundError);
    }
  });

  it('that is being cancelled cannot be paused', async () => {
    const handle = await client.activity.start('untilTold', { ...options('cancelling'), args: [true] });
    await reaches(handle, 'RUNNING STARTED');
    await handle.cancel();
    await reaches(handle, 'RUNNING CANCEL_REQUESTED');
    for (const refused of [() => handle.pause(), () => handle.unpause(), () => handle.restoreOriginalOptions()]) {
      await assert.rejects(refused, { code: 'ILLEGAL_STATE', message: /^Activity cancelling .* is being cancelled/ });
    }
    released.add('cancelling');
    assert.equal(await handle.result(), 'attempt 1');
  });

  it('is reported to a client that sends heartbeats, and the client’s outcome counts', async () => {
    const handle = await client.activity.start('handOver', { ...options('by hand'), args: ['by hand'] });
    const token = await until(async () => handedOver.get('by hand 1'));
    await reaches(handle, 'RUNNING STARTED');
    await handle.pause();
    for (const activity of [token, { activityId: 'by hand' }]) {
      await assert.rejects(client.activity.heartbeat(activity, 'half'), (error) => {
        assert.ok(error instanceof ActivityPausedError);
        return error.code === 'ACTIVITY_PAUSED';
      });
    }
    await client.activity.fail(token, new Error('stopped'));
    await reaches(handle, 'PAUSED PAUSED');
    await assert.rejects(client.activity.heartbeat({ activityId: 'by hand' }), ActivityPausedError);
    await handle.unpause();
    await client.activity.complete(await until(async () => handedOver.get('by hand 2')), 'done');
    assert.equal(await handle.result(), 'done');
  });

  it('is found by its status', async () => {
    const handle = await client.activity.start('double', { ...options('found'), args: [1], startDelay: '1 hour' });
    await handle.pause();
    const query = "ExecutionStatus = 'Paused' AND ActivityId = 'found'";
    const found: string[] = [];
    for await (const { activityId, status } of client.activity.list(query)) found.push(`${activityId} ${status}`);
    assert.deepEqual(found, ['found PAUSED']);
    await handle.unpause();
    assert.equal((await client.activity.count(query)).count, 0);
    await handle.terminate();
  });
});

describe('options of an open activity', () => {
  it('are changed and restored for later attempts', async () => {
    const handle = await client.activity.start('sees', { ...options('changed'), startDelay: '1 hour' });
    const now = await handle.updateOptions({
      startToCloseTimeout: '7 s',
      heartbeatTimeout: 0,
      scheduleToCloseTimeout: '2 hours',
      retry: { maximumAttempts: 5 },
    });
    assert.deepEqual(now, {
      taskQueue: 'tools',
      startToCloseTimeoutMs: 7_000,
      scheduleToCloseTimeoutMs: 7_200_000,
      scheduleToStartTimeoutMs: undefined,
      heartbeatTimeoutMs: undefined,
      retryPolicy: {
        initialInterval: 1_000,
        backoffCoefficient: 2,
        maximumInterval: 100_000,
        maximumAttempts: 5,
        nonRetryableErrorTypes: [],
      },
    });
    const described = await handle.describe();
    assert.deepEqual([described.startToCloseTimeoutMs, described.retryPolicy.maximumAttempts], [7_000, 5]);
    assert.equal(described.expirationTime!.getTime() - described.scheduleTime.getTime(), 3 * 3_600_000);
    const original = await handle.restoreOriginalOptions();
    assert.deepEqual(
      [original.startToCloseTimeoutMs, original.heartbeatTimeoutMs, original.scheduleToCloseTimeoutMs],
      [20_000, 2_000, undefined],
    );
    assert.deepEqual(await handle.restoreOriginalOptions(), original);
    const types = await typesOf(handle);
    assert.equal(types.filter((type) => type === 'ActivityOptionsUpdated').length, 2);
    await handle.terminate();
  });

  it('apply to the next attempt', async () => {
    const handle = await client.activity.start('sees', { ...options('seen'), taskQueue: 'nobody' });
    await handle.updateOptions({ startToCloseTimeout: '7 s', retry: { maximumAttempts: 5 } });
    await handle.updateOptions({ taskQueue: 'other tools' });
    assert.deepEqual(await handle.result(), {
      startToCloseTimeoutMs: 7_000,
      heartbeatTimeoutMs: 2_000,
      taskQueue: 'other tools',
      attempts: 5,
    });
    assert.equal((await handle.describe()).taskQueue, 'other tools');
    await typesOf(handle);
  });

  it('give a running attempt more time or less', async () => {
    const more = await client.activity.start('nap', { ...options('more'), args: [1_500], startToCloseTimeout: 1_000 });
    await until(async () => seen.has('more'));
    await more.updateOptions({ startToCloseTimeout: '10 s' });
    assert.equal(await more.result(), 'rested');
    const less = await client.activity.start('nap', { ...options('less'), args: [60_000] });
    await until(async () => seen.has('less'));
    await less.updateOptions({ startToCloseTimeout: 50, retry: { maximumAttempts: 1 } });
    assert.equal(await timeoutOf(less), 'START_TO_CLOSE');
  });

  it('change the wait for the next attempt if the retry policy changes', async () => {
    const handle = await client.activity.start('failing', {
      ...options('sooner'),
      retry: { initialInterval: 3_600_000 },
    });
    await until(async () => (await handle.describe()).nextAttemptScheduleTime !== undefined);
    assert.equal((await handle.describe()).currentRetryIntervalMs, 3_600_000);
    released.add('sooner');
    await handle.updateOptions({ retry: { initialInterval: 10 } });
    assert.equal(await handle.result(), 2);
  });

  it('do not move an attempt that is due or that an unpause with jitter has delayed', async () => {
    const dueAt = async ({ runId }: ActivityHandle): Promise<number> => {
      const text = 'select due_at from reprise.activity_tasks where run_id = $1';
      return (await pool.query<{ due_at: Date }>(text, [runId])).rows[0]!.due_at.getTime();
    };
    const handle = await client.activity.start('failing', { ...options('due'), retry: { initialInterval: 300 } });
    await until(async () => (await handle.describe()).lastAttemptCompleteTime !== undefined);
    await handle.updateOptions({ taskQueue: 'nobody' });
    const due = await dueAt(handle);
    await sleepMs(Math.max(0, due - Date.now()) + 50);
    await handle.updateOptions({ retry: { initialInterval: 3_600_000 } });
    assert.equal(await dueAt(handle), due);
    await handle.pause();
    await handle.unpause({ jitter: '100 years' });
    const late = await dueAt(handle);
    await handle.updateOptions({ retry: { initialInterval: 7_200_000 } });
    assert.equal(await dueAt(handle), late);
    await handle.terminate();
  });

  it('can be changed while it is paused', async () => {
    const handle = await client.activity.start('sees', { ...options('both'), startDelay: 50 });
    await handle.pause();
    await handle.updateOptions({ startToCloseTimeout: '9 s' });
    assert.equal(await stateOf(handle), 'PAUSED PAUSED');
    await handle.unpause();
    assert.equal(((await handle.result()) as { startToCloseTimeoutMs: number }).startToCloseTimeoutMs, 9_000);
  });
});

it('invalid commands are refused, and nothing is written', async () => {
  const handle = await client.activity.start('double', { ...options('refused'), args: [1], startDelay: '1 hour' });
  for (const [ask, message] of [
    [() => handle.pause(7 as never), /^The reason of pause must be text/],
    [() => handle.pause('x'.repeat(8_193)), /^The reason of pause has 8193 characters, the limit is 8192/],
    [() => handle.unpause({ reason: 'x'.repeat(3e6) }), /^The reason of unpause has 3000000 characters/],
    [() => handle.cancel('x'.repeat(3e6)), /^The reason of cancel has 3000000 characters/],
    [() => handle.terminate('x'.repeat(3e6)), /^The reason of terminate has 3000000 characters/],
    [() => handle.unpause({ jitter: 'soon' as never }), /^jitter: /],
    [() => handle.unpause({ jitter: 1e16 }), /^jitter is 1\d+ ms, expected 0 to 100 years/],
    [() => handle.updateOptions({ heartbeatTimeout: 9.223e15 }), /^heartbeatTimeout is 9\d+ ms, expected 0 to 100/],
    [
      () => handle.unpause({ resetAttempts: 'yes' as never }),
      /^resetAttempts is the text "yes", expected true or false/,
    ],
    [() => handle.unpause({ resetAttempt: true } as never), /Did you mean resetAttempts/],
    [() => handle.updateOptions({}), /needs at least one of these options/],
    [() => handle.updateOptions({ startToCloseTimeout: 0 }), /the change would remove both/],
    [() => handle.updateOptions({ startToCloseTimeout: -1 }), /^startToCloseTimeout is -1 ms/],
    [() => handle.updateOptions({ retry: { maximumAttempts: 0.5 } }), /maximumAttempts must be an integer/],
    [() => handle.updateOptions({ retry: { attempts: 2 } as never }), /^retry has no option "attempts"/],
    [() => handle.updateOptions({ taskQueue: '' }), /^taskQueue must be text/],
    [() => handle.updateOptions({ priority: 1 } as never), /priority is not supported yet/],
  ] as const) {
    await assert.rejects(ask(), { code: 'INVALID_INPUT', message });
  }
  await handle.unpause();
  assert.deepEqual(await typesOf(handle), ['WorkflowStarted']);
  await handle.terminate();
  await assert.rejects(client.activity.getHandle('nobody').pause(), ActivityNotFoundError);
});

function sleepMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

it('clients complete, fail and cancel a running activity that was moved to a queue without workers', async () => {
  const moved = { taskQueue: 'nobody polls this either' };
  const leave = async (id: string): Promise<{ handle: ActivityHandle; token: string }> => {
    const retry = { maximumAttempts: 1 };
    const handle = await client.activity.start('handOver', { ...options(id), heartbeatTimeout: 0, retry, args: [id] });
    const token = await until(async () => handedOver.get(`${id} 1`));
    await until(async () => (await handle.describe()).runState === 'STARTED');
    await handle.updateOptions(moved);
    return { handle, token };
  };
  const completed = await leave('moved, completed');
  await client.activity.complete(completed.token, 'done');
  assert.equal(await completed.handle.result(), 'done');
  const failed = await leave('moved, failed');
  await client.activity.fail(failed.token, new Error('no'));
  assert.equal(await stateOf(failed.handle), 'FAILED');
  const reported = await leave('moved, reported');
  await reported.handle.cancel();
  await client.activity.reportCancellation(reported.token);
  assert.equal(await stateOf(reported.handle), 'CANCELED');
  const told = await client.activity.start('untilTold', options('moved, at work'));
  await until(async () => seen.has('moved, at work'));
  await told.updateOptions(moved);
  await told.cancel();
  await assert.rejects(told.result(), ActivityExecutionFailedError);
  assert.equal(await stateOf(told), 'CANCELED');
});

it('an activity without a worker has been cancelled when cancel() resolves, also while it is paused', async () => {
  for (const [id, isPaused] of [
    ['forsaken', false],
    ['forsaken and paused', true],
  ] as const) {
    const options = { id, taskQueue: 'nobody polls this', startToCloseTimeout: 60_000 };
    const handle = await client.activity.start('nonesuch', options);
    if (isPaused) await handle.pause();
    await handle.cancel('not needed');
    const { status, canceledReason } = await handle.describe();
    assert.deepEqual([status, canceledReason], ['CANCELED', 'not needed']);
    await assert.rejects(handle.result(), ActivityExecutionFailedError);
    await assert.rejects(handle.cancel(), ActivityNotFoundError);
  }
});
