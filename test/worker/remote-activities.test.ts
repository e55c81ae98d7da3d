// Activities on other task queues: one worker owns the run and has no activities, and another worker has only
// activities. With the run cached, rebuilt from the log for every turn, and replayed.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { WorkflowHandle } from 'reprise/client';
import { Worker, type WorkerOptions } from 'reprise/worker';
import * as tools from '../support/fixtures/tools.ts';
import { quiet, testEngine, type TestEngine } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

const cached = await testEngine();
const evicted = await testEngine({ maxCachedRuns: 0 });

/** Starts a worker that has only activities. Returns a function that stops the worker. */
async function toolWorker(engine: TestEngine, options: Partial<WorkerOptions> = {}): Promise<() => Promise<void>> {
  const worker = await Worker.create({
    connection: engine.connection,
    taskQueue: 'tools',
    activities: tools,
    identity: 'tool worker',
    logger: quiet,
    ...options,
  });
  const running = worker.run();
  let stopped: Promise<void> | undefined;
  return () => {
    worker.shutdown();
    stopped ??= running;
    return stopped;
  };
}

async function finished(engine: TestEngine, handle: WorkflowHandle): Promise<unknown> {
  const result = await handle.result();
  const { rows } = await engine.pool.query(
    `select 'task' as left_over from reprise.activity_tasks where run_id = $1
     union all select 'progress' from reprise.activity_heartbeats where run_id = $1
     union all select 'message' from reprise.inbox where run_id = $1`,
    [handle.runId],
  );
  assert.deepEqual(rows, []);
  await assertReplays(engine.connection.database, handle.runId!);
  return result;
}

function noTaskLeft(engine: TestEngine, handle: WorkflowHandle): Promise<true> {
  return engine.until(async () => {
    const { rows } = await engine.pool.query('select 1 from reprise.activity_tasks where run_id = $1', [handle.runId]);
    return rows.length === 0;
  });
}

const typesOf = async (handle: WorkflowHandle): Promise<string[]> =>
  (await handle.history()).map((event) => event.type).filter((type) => type.startsWith('Activity'));

for (const [way, engine] of [
  ['cached', cached],
  ['evicted after every turn', evicted],
] as const) {
  describe(`an activity on another queue, its run ${way}`, () => {
    let stop = async (): Promise<void> => undefined;
    before(async () => {
      stop = await toolWorker(engine);
    });
    after(() => stop());

    it('is executed there, with the same events as an activity that the owner executes', async () => {
      const handle = await engine.start('callRemote', ['about', [], { activityId: 'a-1' }]);
      const { workflowId, runId } = handle;
      const result = await finished(engine, handle);
      const seq = (await handle.history()).find((event) => event.type === 'ActivityScheduled')!.seq;
      assert.deepEqual(result, {
        activityId: 'a-1',
        activityType: 'about',
        attempt: 1,
        idempotencyKey: `${runId}:${seq}`,
        isLocal: false,
        taskQueue: 'tools',
        workflowType: 'callRemote',
        workflowId,
        runId,
      });
      assert.deepEqual(await typesOf(handle), ['ActivityScheduled', 'ActivityCompleted']);
      const { events } = await handle.fetchHistory();
      assert.ok(JSON.stringify(events).includes('"queue":"tools"'));
    });

    it('runs at the same time as many others and as activities of the owner', async () => {
      const handle = await engine.start('callMany', ['double', 60, 2]);
      const result = (await finished(engine, handle)) as unknown[];
      assert.equal(result.length, 122);
      assert.deepEqual(result.slice(0, 3), [0, 2, 4]);
      assert.deepEqual([result[60], result[61], result[121]], ['Hello, round 0!', 120, 'Hello, round 1!']);
    });

    it('is retried by its policy, with each failure in the log', async () => {
      const handle = await engine.start('callRemote', ['failUntil', [4]]);
      assert.equal(await finished(engine, handle), 4);
      const failed = (await handle.history()).filter((event) => event.type === 'ActivityAttemptFailed');
      assert.deepEqual(
        failed.map(({ attempt, reason }) => ({ attempt, reason })),
        [1, 2, 3].map((attempt) => ({ attempt, reason: `attempt ${attempt}` })),
      );
    });

    it('fails permanently like an activity that the owner executes', async () => {
      const message = 'Activity task failed';
      const fatal = await finished(engine, await engine.start('callRemote', ['fatal', []]));
      assert.deepEqual(fatal, {
        message,
        retryState: 'NON_RETRYABLE_FAILURE',
        cause: { message: 'no use', type: 'Fatal' },
      });
      const retry = { retry: { maximumAttempts: 2, initialInterval: 1 } };
      const used = await finished(engine, await engine.start('callRemote', ['failUntil', [9], retry]));
      assert.deepEqual(used, {
        message,
        retryState: 'MAXIMUM_ATTEMPTS_REACHED',
        cause: { message: 'attempt 2', type: 'Flaky' },
      });
      const identities = (await (await engine.start('callRemote', ['fatal', []])).result()) as { cause: object };
      assert.ok(identities.cause);
    });

    it('fails each attempt if no live worker of the queue has its type', async () => {
      const retry = { maximumAttempts: 2, initialInterval: 1 };
      const handle = await engine.start('callRemote', ['nowhere', [], { retry }]);
      const names = JSON.stringify(Object.keys(tools).sort());
      assert.deepEqual(await finished(engine, handle), {
        message: 'Activity task failed',
        retryState: 'MAXIMUM_ATTEMPTS_REACHED',
        cause: {
          message: `Activity function nowhere is not registered on this Worker, available activities: ${names}`,
          type: 'NotFoundError',
        },
      });
    });

    it('passes heartbeat details to its next attempt', async () => {
      const options = { heartbeatTimeout: '2 seconds' };
      const handle = await engine.start('callRemote', ['resume', [4], options]);
      assert.deepEqual(await finished(engine, handle), { from: 3, attempt: 4 });
    });

    for (const [timeout, options, cause] of [
      ['START_TO_CLOSE', { startToCloseTimeout: 60 }, 'activity StartToClose timeout'],
      ['HEARTBEAT', { heartbeatTimeout: 60 }, 'activity Heartbeat timeout'],
    ] as const) {
      it(`is retried after a timeout: ${timeout}`, async () => {
        const retry = { maximumAttempts: 2, initialInterval: 1 };
        const handle = await engine.start('callRemote', ['silent', [], { ...options, retry }]);
        assert.deepEqual(await finished(engine, handle), {
          message: 'Activity task timed out',
          retryState: 'MAXIMUM_ATTEMPTS_REACHED',
          cause: { message: cause, timeoutType: timeout },
        });
        assert.deepEqual(await typesOf(handle), ['ActivityScheduled', 'ActivityAttemptFailed', 'ActivityTimedOut']);
      });
    }

    it('ends at its scheduleToCloseTimeout', async () => {
      const handle = await engine.start('callRemote', ['silent', [], { scheduleToCloseTimeout: 80 }]);
      assert.deepEqual(await finished(engine, handle), {
        message: 'Activity task timed out',
        retryState: 'TIMEOUT',
        cause: { message: 'activity ScheduleToClose timeout', timeoutType: 'SCHEDULE_TO_CLOSE' },
      });
    });

    it('fails if its result is too large, and is not repeated', async () => {
      const handle = await engine.start('callRemote', ['bigText', [3_000_000]]);
      const { cause, retryState } = (await finished(engine, handle)) as { cause: { type: string }; retryState: string };
      assert.deepEqual([cause.type, retryState], ['PAYLOAD_TOO_LARGE', 'NON_RETRYABLE_FAILURE']);
    });

    for (const [type, activity, expected] of [
      ['WAIT_CANCELLATION_COMPLETED', 'untilCancelled', { cancelled: true, retryState: 'CANCEL_REQUESTED' }],
      ['WAIT_CANCELLATION_COMPLETED', 'finishAnyway', { result: 'finished anyway' }],
      ['TRY_CANCEL', 'silent', { cancelled: true, retryState: 'CANCEL_REQUESTED' }],
      ['ABANDON', 'silent', { cancelled: true, retryState: 'CANCEL_REQUESTED' }],
    ] as const) {
      it(`is cancelled while it runs: ${type}, ${activity}`, async () => {
        const handle = await engine.start('cancelRemote', [activity, type, 150]);
        const result = (await handle.result()) as Record<string, unknown>;
        assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, result[key]])), expected);
        await assertReplays(engine.connection.database, handle.runId!);
        await noTaskLeft(engine, handle);
      });
    }

    it('leaves nothing behind when its run closes', async () => {
      const handle = await engine.start('leaveRemote', ['untilCancelled']);
      await engine.until(async () => (await handle.describe()).pendingActivities[0]?.remote?.state === 'STARTED');
      await handle.signal('release');
      assert.equal(await handle.result(), 'left');
      await noTaskLeft(engine, handle);
    });
  });

  describe(`an activity on a queue without workers, its run ${way}`, () => {
    it('waits, appears in describe, and lets its run be evicted', async () => {
      const handle = await engine.start('callRemote', ['double', [21]]);
      const [pending] = await engine.until(async () => {
        const found = (await handle.describe()).pendingActivities;
        return found[0]?.remote !== undefined && found;
      });
      assert.deepEqual(
        { ...pending!.remote, deadline: undefined },
        {
          state: 'SCHEDULED',
          taskQueue: 'tools',
          attempt: 1,
          worker: undefined,
          startedAt: undefined,
          heartbeatAt: undefined,
          deadline: undefined,
          pollers: 0,
          unknownEffect: false,
        },
      );
      if (way !== 'cached') {
        await engine.until(async () => (await handle.describe()).owner === undefined);
        assert.ok((await handle.describe()).nextWakeTime!.getTime() > Date.now() + 86_400_000);
      }
      const stop = await toolWorker(engine);
      assert.equal(await finished(engine, handle), 42);
      await stop();
    });

    it('times out if nobody claims it', async () => {
      const handle = await engine.start('callRemote', ['double', [1], { scheduleToStartTimeout: 50 }]);
      assert.deepEqual(await finished(engine, handle), {
        message: 'Activity task timed out',
        retryState: 'TIMEOUT',
        cause: { message: 'activity ScheduleToStart timeout', timeoutType: 'SCHEDULE_TO_START' },
      });
    });

    it('is cancelled at once', async () => {
      const handle = await engine.start('cancelRemote', ['silent', 'WAIT_CANCELLATION_COMPLETED', 1]);
      const { cancelled } = (await finished(engine, handle)) as { cancelled: boolean };
      assert.equal(cancelled, true);
      assert.deepEqual(await typesOf(handle), ['ActivityScheduled', 'ActivityCancelRequested', 'ActivityCancelled']);
    });

    it('is deleted when its run is terminated', async () => {
      const handle = await engine.start('leaveRemote', ['silent']);
      await engine.until(async () => (await handle.describe()).pendingActivities[0]?.remote !== undefined);
      await handle.terminate('enough');
      await noTaskLeft(engine, handle);
    });
  });
}

it('a worker of the same queue executes an activity that the owner lacks', async () => {
  const handle = await cached.start('callRemote', ['double', [4], { taskQueue: 'test' }]);
  await cached.until(async () => (await typesOf(handle)).includes('ActivityAttemptFailed'));
  const stop = await toolWorker(cached, { taskQueue: 'test' });
  assert.equal(await finished(cached, handle), 8);
  // The first worker has the activity that this worker lacks. This worker never claims runs.
  const greeted = await cached.start('greet', ['you']);
  assert.equal(await greeted.result(), 'Hello, you!');
  assert.equal((await greeted.describe()).pollers, 1);
  await stop();
});

it('an activity that the database refuses fails, and the others of its batch run', async () => {
  const stop = await toolWorker(cached);
  await cached.pool.query("alter table reprise.activity_tasks add constraint odd check (type <> 'odd')");
  const runs = await Promise.all(
    ['double', 'odd', 'double'].map((type) =>
      cached.start('callRemote', [type, [4], { scheduleToStartTimeout: '1 minute' }]),
    ),
  );
  const [first, failed, second] = await Promise.all(runs.map((run) => finished(cached, run)));
  await cached.pool.query('alter table reprise.activity_tasks drop constraint odd');
  assert.deepEqual([first, second], [8, 8]);
  assert.match(JSON.stringify(failed), /Activity odd could not be offered to workers/);
  await stop();
});

it('a worker with neither workflows nor activities is refused', async () => {
  await assert.rejects(Worker.create({ connection: cached.connection, taskQueue: 'x' }), {
    code: 'INVALID_INPUT',
    message: /needs workflow code or activities/,
  });
});
