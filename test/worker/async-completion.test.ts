// Activities that clients complete by token or id (behavior 47 of docs/behaviors.md), before or after the activity has
// thrown. The run's owner or another worker executes the activity. With the run cached, evicted after every turn, and
// replayed.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  ActivityCancelledError,
  ActivityCompletionError,
  ActivityNotFoundError,
  AsyncCompletionClient,
  type WorkflowHandle,
} from 'reprise/client';
import { ApplicationFailure } from 'reprise/common';
import { Worker } from 'reprise/worker';
import { handedOver } from '../support/fixtures/activities.ts';
import * as tools from '../support/fixtures/tools.ts';
import { quiet, testEngine, type TestEngine, until } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

const cached = await testEngine();
const evicted = await testEngine({ maxCachedRuns: 0 });
let nextKey = 0;

const tokenOf = (key: string, attempt = 1): Promise<string> => until(async () => handedOver.get(`${key} ${attempt}`));

/** Waits until the activity waits for a client and no worker executes it. */
function waiting(handle: WorkflowHandle): Promise<boolean> {
  return until(async () => (await handle.describe()).pendingActivities[0]?.remote?.state === 'WAITING');
}

async function finished(engine: TestEngine, handle: WorkflowHandle): Promise<unknown> {
  const result = await handle.result();
  const { rows } = await engine.pool.query(
    `select 'task' as left_over from reprise.activity_tasks where run_id = $1
     union all select 'progress' from reprise.activity_heartbeats where run_id = $1`,
    [handle.runId],
  );
  assert.deepEqual(rows, []);
  await assertReplays(engine.connection.database, handle.runId!);
  return result;
}

for (const [way, engine] of [
  ['cached', cached],
  ['evicted after every turn', evicted],
] as const) {
  for (const [whose, taskQueue] of [
    ['of the run itself', 'test'],
    ['of another worker', 'tools'],
  ] as const) {
    describe(`an activity ${whose} that is completed by a client, its run ${way}`, () => {
      let worker: Worker | undefined;
      let running: Promise<void> | undefined;
      const { activity } = engine.client;

      before(async () => {
        if (taskQueue !== 'tools') return;
        const { connection } = engine;
        worker = await Worker.create({ connection, taskQueue, activities: tools, logger: quiet });
        running = worker.run();
      });
      after(async () => {
        worker?.shutdown();
        await running;
      });

      async function started(
        options: Record<string, unknown> = {},
        ms = 0,
      ): Promise<{ handle: WorkflowHandle; key: string }> {
        const key = `key ${nextKey++}`;
        const handle = await engine.start('callRemote', ['handOver', [key, ms], { taskQueue, ...options }]);
        return { handle, key };
      }

      it('by its token, with a result of any kind', async () => {
        for (const value of [{ a: [1, 'x'] }, undefined, new Date(5)]) {
          const { handle, key } = await started();
          const token = await tokenOf(key);
          await waiting(handle);
          await activity.complete(Buffer.from(token, 'base64'), value);
          assert.deepEqual(await finished(engine, handle), value);
          await assert.rejects(activity.complete(token, 'twice'), ActivityNotFoundError);
        }
      });

      it('by its id', async () => {
        const { handle } = await started({ activityId: 'mine' });
        await waiting(handle);
        const { workflowId, runId } = handle;
        await assert.rejects(activity.complete({ workflowId, activityId: 'other' }, 1), ActivityNotFoundError);
        await activity.complete({ workflowId, runId: runId!, activityId: 'mine' }, 7);
        assert.equal(await finished(engine, handle), 7);
        await assert.rejects(activity.complete({ workflowId, activityId: 'mine' }, 8), ActivityNotFoundError);
      });

      it('by its id, which is also accepted for heartbeats, failures and cancellations', async () => {
        const { handle, key } = await started({ activityId: 'mine' });
        await waiting(handle);
        const ids = [
          { workflowId: handle.workflowId, activityId: 'mine' },
          { workflowId: handle.workflowId, runId: handle.runId!, activityId: 'mine' },
        ];
        for (const id of ids) await activity.heartbeat(id, 'half');
        await assert.rejects(activity.reportCancellation(ids[0]!), ActivityCompletionError);
        await activity.fail(ids[0]!, new RangeError('not this time'));
        await tokenOf(key, 2);
        assert.equal(handedOver.get(`${key} details`), '"half"');
        await waiting(handle);
        await activity.heartbeat(ids[1]!);
        await handle.cancel();
        await until(() =>
          activity.heartbeat(ids[1]!).then(
            () => false,
            (error: unknown) => error instanceof ActivityCancelledError,
          ),
        );
        await activity.reportCancellation(ids[1]!, 'stopped');
        await assert.rejects(handle.result(), { message: 'Workflow execution cancelled' });
        for (const id of ids) await assert.rejects(activity.heartbeat(id), ActivityNotFoundError);
        await assertReplays(engine.connection.database, handle.runId!);
      });

      it('before it throws', async () => {
        const { handle, key } = await started({}, 60_000);
        await activity.complete(await tokenOf(key), 'early');
        assert.equal(await finished(engine, handle), 'early');
        const byId = await started({ activityId: 'early' }, 60_000);
        await tokenOf(byId.key);
        await activity.complete({ workflowId: byId.handle.workflowId, activityId: 'early' }, 'by id');
        assert.equal(await finished(engine, byId.handle), 'by id');
      });

      it('by many clients at once, of which exactly one succeeds', async () => {
        for (const ms of [0, 60_000, 3]) {
          const { handle, key } = await started({}, ms);
          const token = await tokenOf(key);
          const answers = await Promise.allSettled(
            Array.from({ length: 6 }, (_, i) => activity.complete(token, i).then(() => i)),
          );
          const won = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
          assert.equal(won.length, 1);
          assert.equal(await finished(engine, handle), won[0]);
          for (const answer of answers) {
            if (answer.status === 'rejected') assert.ok(answer.reason instanceof ActivityNotFoundError, answer.reason);
          }
        }
      });

      it('with a failure, after which it is retried', async () => {
        for (const ms of [0, 60_000]) {
          const { handle, key } = await started({}, ms);
          const token = await tokenOf(key);
          if (ms === 0) await waiting(handle);
          await activity.fail(token, new RangeError('not this time'));
          await tokenOf(key, 2);
          await assert.rejects(activity.complete(token, 'stale'), ActivityNotFoundError);
          const { workflowId } = handle;
          const open = (await handle.history()).find((event) => event.type === 'ActivityScheduled')!;
          const { id } = open.meta as { id: string };
          await activity.complete({ workflowId, activityId: id }, 'at last');
          assert.equal(await finished(engine, handle), 'at last');
          const [failed] = (await handle.history()).filter((event) => event.type === 'ActivityAttemptFailed');
          assert.deepEqual([failed!.attempt, failed!.reason], [1, 'not this time']);
        }
      });

      it('with a failure that is not retried', async () => {
        const { handle, key } = await started();
        await activity.fail(await tokenOf(key), ApplicationFailure.nonRetryable('never', 'Never'));
        assert.deepEqual(await finished(engine, handle), {
          message: 'Activity task failed',
          retryState: 'NON_RETRYABLE_FAILURE',
          cause: { message: 'never', type: 'Never' },
        });
      });

      it('heartbeats postpone its timeout and reach the next attempt', async () => {
        const { handle, key } = await started({ startToCloseTimeout: '5 minutes', heartbeatTimeout: '2 minutes' });
        const token = await tokenOf(key);
        await waiting(handle);
        const tasks = 'reprise.activity_tasks where run_id = $1';
        for (let i = 0; i < 4; i++) {
          const { rows: before } = await engine.pool.query(`select deadline::text from ${tasks}`, [handle.runId]);
          await activity.heartbeat(token, { i });
          const later = await engine.pool.query(`select from ${tasks} and deadline > $2::timestamptz`, [
            handle.runId,
            (before[0] as { deadline: string }).deadline,
          ]);
          assert.equal(later.rowCount, 1);
        }
        assert.ok(!handedOver.has(`${key} 2`));
        // As if two minutes passed without a heartbeat.
        await engine.pool.query(`update reprise.activity_tasks set deadline = clock_timestamp() where run_id = $1`, [
          handle.runId,
        ]);
        await tokenOf(key, 2); // the missing heartbeat ends the attempt
        assert.equal(handedOver.get(`${key} details`), '{"i":3}');
        await assert.rejects(activity.heartbeat(token, 1), ActivityNotFoundError);
        await activity.complete(await tokenOf(key, 2), 'done');
        assert.equal(await finished(engine, handle), 'done');
      });

      it('timeouts end its attempts and the activity', async () => {
        const retry = { maximumAttempts: 1 };
        const { handle, key } = await started({ startToCloseTimeout: 80, retry });
        const { cause } = (await finished(engine, handle)) as { cause: unknown };
        assert.deepEqual(cause, { message: 'activity StartToClose timeout', timeoutType: 'START_TO_CLOSE' });
        await assert.rejects(activity.complete(await tokenOf(key), 1), ActivityNotFoundError);
        const whole = await started({ scheduleToCloseTimeout: 80 });
        const { retryState } = (await finished(engine, whole.handle)) as { retryState: string };
        assert.equal(retryState, 'TIMEOUT');
      });

      it('by a client that learns of the cancellation and reports it', async () => {
        const key = `key ${nextKey++}`;
        const handle = await engine.start('callRemote', ['handOver', [key], { taskQueue, heartbeatTimeout: '10 s' }]);
        const token = await tokenOf(key);
        await waiting(handle);
        await activity.heartbeat(token);
        await assert.rejects(activity.reportCancellation(token), ActivityCompletionError);
        await handle.cancel();
        await until(() =>
          activity.heartbeat(token).then(
            () => false,
            (error: unknown) => error instanceof ActivityCancelledError,
          ),
        );
        await activity.reportCancellation(token, 'stopped');
        await assert.rejects(handle.result(), { message: 'Workflow execution cancelled' });
        await assertReplays(engine.connection.database, handle.runId!);
      });

      it('and is not found once its run is closed', async () => {
        const { handle, key } = await started();
        const token = await tokenOf(key);
        await waiting(handle);
        await handle.terminate('enough');
        await assert.rejects(activity.complete(token, 1), ActivityNotFoundError);
        await assert.rejects(activity.heartbeat(token, 1), ActivityNotFoundError);
      });
    });
  }
}

it('an invalid token or id and a large value are refused', async () => {
  const activity = new AsyncCompletionClient({ connection: cached.connection });
  for (const token of ['', 'garbage', Buffer.from('[1,2,3]').toString('base64'), new Uint8Array([255, 0])]) {
    await assert.rejects(activity.complete(token, 1), { code: 'INVALID_INPUT' });
  }
  await assert.rejects(activity.complete({ workflowId: '', activityId: '1' }, 1), { code: 'INVALID_INPUT' });
  await assert.rejects(activity.complete({ workflowId: 'nobody', activityId: '1' }, 1), { code: 'ACTIVITY_NOT_FOUND' });
  const unknown = Buffer.from('["01a1ffc8-f28a-7934-9d76-02921bd24a53",2,1]');
  await assert.rejects(activity.complete(unknown, 1), ActivityNotFoundError);
  await assert.rejects(activity.complete(unknown, 'x'.repeat(3_000_000)), { code: 'PAYLOAD_TOO_LARGE' });
  await assert.rejects(
    activity.complete(unknown, () => 1),
    { code: 'NOT_SERIALISABLE' },
  );
});
