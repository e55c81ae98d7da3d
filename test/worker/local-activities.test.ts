// Local activities on a real worker. Behavior 46 of docs/behaviors.md. With the run cached, rebuilt from the log for
// every turn, and replayed. test/conformance/activities.test.ts covers workers that lack an activity.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { activityInfo, ApplicationFailure, Context, getClient } from 'reprise/activity';
import type { WorkflowHandle } from 'reprise/client';
import { testEngine } from '../support/engine.ts';
import type { ActivityCall } from '../support/fixtures/activity-calls.ts';
import { assertReplays } from '../support/replays.ts';

const executions = new Map<string, number>();

function executed(): number {
  const { idempotencyKey } = activityInfo();
  const count = (executions.get(idempotencyKey) ?? 0) + 1;
  executions.set(idempotencyKey, count);
  return count;
}

const activities = {
  async echo(value: unknown): Promise<unknown> {
    executed();
    return value;
  },
  async kind(): Promise<unknown> {
    const { isLocal, activityId, taskQueue } = activityInfo();
    return { isLocal, activityId, taskQueue };
  },
  /** Returns what the log contains about the activity's schedule while the activity runs. */
  async ownSchedule(): Promise<unknown> {
    const { workflowExecution } = activityInfo();
    const history = await getClient().workflow.getHandle(workflowExecution!.workflowId).history();
    const scheduled = history.find((event) => event.type === 'ActivityScheduled');
    return { meta: scheduled?.meta, isHashed: history.at(-1)?.hash !== null };
  },
  async untilCancelled(): Promise<never> {
    return await Context.current().cancelled;
  },
  async failTimes(times: number, nextRetryDelay?: number): Promise<number> {
    const count = executed();
    if (count > times) return activityInfo().attempt;
    throw ApplicationFailure.create({ message: `failure ${count}`, ...(nextRetryDelay && { nextRetryDelay }) });
  },
};

const cached = await testEngine({ activities });
const evicted = await testEngine({ activities, maxCachedRuns: 0 });
const retry = { initialInterval: 10, maximumInterval: 10 };

for (const [way, engine] of [
  ['cached', cached],
  ['evicted after every turn', evicted],
] as const) {
  const started: WorkflowHandle[] = [];

  async function call(options: ActivityCall): Promise<unknown> {
    const handle = await engine.start('callActivity', [{ local: true, ...options } satisfies ActivityCall]);
    started.push(handle);
    return handle.result();
  }

  async function types(): Promise<string[]> {
    return (await started.at(-1)!.history()).map((event) => event.type);
  }

  describe(`local activities of a run that is ${way}`, () => {
    it('run on the worker that owns the run, and know that they are local', async () => {
      const { taskQueue } = engine;
      assert.deepEqual(await call({ type: 'kind' }), { isLocal: true, activityId: '1', taskQueue });
      assert.deepEqual(await call({ type: 'kind', local: false }), { isLocal: false, activityId: '1', taskQueue });
    });

    it('are in the log before they start', async () => {
      const meta = { id: '1', stc: 10_000, local: true };
      assert.deepEqual(await call({ type: 'ownSchedule' }), { meta, isHashed: true });
    });

    it('run once each, in sequence and in parallel, and appear as markers in a Temporal history', async () => {
      const handle = await engine.start('localChain', ['echo', 5]);
      started.push(handle);
      assert.deepEqual(await handle.result(), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
      const own = [...executions].filter(([key]) => key.startsWith(handle.runId!));
      assert.deepEqual(new Set(own.map(([, count]) => count)), new Set([1]));
      assert.equal(own.length, 10);
      const { events } = await handle.fetchHistory();
      assert.deepEqual(
        new Set(events.map((event) => event['eventType'])),
        new Set(['WorkflowExecutionStarted', 'MarkerRecorded', 'WorkflowExecutionCompleted']),
      );
      assert.deepEqual(
        events.find((event) => event['eventType'] === 'MarkerRecorded')?.['markerRecordedEventAttributes'],
        {
          markerName: 'core_local_activity',
          details: { data: { activity_id: '1', activity_type: 'echo', attempt: 1 }, result: 0 },
        },
      );
    });

    it('are retried without a timer, however long the back-off', async () => {
      assert.equal(await call({ type: 'failTimes', args: [2], options: { retry } }), 3);
      const options = { retry, localRetryThreshold: 1 };
      assert.equal(await call({ type: 'failTimes', args: [1, 60], options }), 2);
      assert.equal((await types()).includes('TimerStarted'), false);
      const failed = (await started.at(-1)!.history()).find((event) => event.type === 'ActivityAttemptFailed');
      assert.equal((failed?.meta as { delayMs: number }).delayMs, 60);
    });

    it('that fail throw their error into the workflow', async () => {
      const result = await call({ type: 'failTimes', args: [9], options: { retry: { maximumAttempts: 1 } } });
      const failure = { name: 'ApplicationFailure', message: 'failure 1', nonRetryable: false, details: [] };
      assert.deepEqual(result, { failure, isCancellation: false });
      const handle = await engine.start('callAndFail', [
        { type: 'failTimes', args: [9], local: true, options: { retry: { maximumAttempts: 1 } } },
      ]);
      await assert.rejects(handle.result(), (error: Error) => {
        assert.equal((error.cause as Error).message, 'failure 1');
        return true;
      });
    });

    it('that time out are ActivityFailures', async () => {
      const options = { startToCloseTimeout: 20, retry: { maximumAttempts: 1 } };
      assert.deepEqual(await call({ type: 'untilCancelled', options }), {
        failure: {
          name: 'ActivityFailure',
          message: 'Local Activity timed out',
          retryState: 'MAXIMUM_ATTEMPTS_REACHED',
          activityType: 'untilCancelled',
          activityId: '1',
          cause: { name: 'TimeoutFailure', message: 'activity StartToClose timeout', timeoutType: 'START_TO_CLOSE' },
        },
        isCancellation: false,
      });
    });

    it('are cancelled while they run and while they wait for their next attempt', async () => {
      for (const [type, args] of [
        ['untilCancelled', []],
        ['failTimes', [9]],
      ] as const) {
        const options = { retry: { initialInterval: '1 minute' } } as const;
        const result = await call({ type, args: [...args], options, cancelAfter: 30 });
        const { failure, isCancellation } = result as { failure: { message: string }; isCancellation: boolean };
        assert.deepEqual([failure.message, isCancellation], ['Local Activity cancelled', true]);
      }
    });

    it('replay from the recorded histories', async () => {
      assert.ok(started.length > 7);
      for (const handle of started) await assertReplays(engine.connection.database, handle.runId!);
    });
  });
}
