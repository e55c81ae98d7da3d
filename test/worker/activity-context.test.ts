// What a running activity can read about itself. test/conformance/activity-cancellation.test.ts covers what the
// activity learns when it must stop.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { activityInfo, asyncLocalStorage, Context, getClient, heartbeat, sleep } from 'reprise/activity';
import { Client } from 'reprise/client';
import { StagedPatches } from '../../runtime/worker/activities/staged-patches.ts';
import { testEngine } from '../support/engine.ts';
import type { ActivityCall } from '../support/fixtures/activity-calls.ts';

const activities = {
  async info(): Promise<unknown> {
    return activityInfo();
  },
  async sleepFor(duration: number | string): Promise<string> {
    await sleep(duration as number).catch((error: Error) => {
      throw new TypeError(`refused: ${error.message}`);
    });
    return 'slept';
  },
  async useClient(workflowId: string): Promise<unknown> {
    const client = getClient();
    const { taskQueue } = activityInfo();
    const handle = await client.workflow.start('accumulate', { workflowId, taskQueue });
    await handle.signal('add', 40);
    await handle.signal('add', 2);
    await handle.signal('finish');
    return [await handle.result(), client instanceof Client, client === Context.current().client];
  },
  async contextLater(): Promise<unknown> {
    const context = asyncLocalStorage.getStore();
    await setTimeout(1);
    const inside = asyncLocalStorage.run(context!, () => Context.current() === context);
    const outside = asyncLocalStorage.exit(() => asyncLocalStorage.getStore());
    return [inside, Context.current() === context, outside];
  },
};
const engine = await testEngine({ activities });

async function call(options: ActivityCall): Promise<unknown> {
  return (await engine.start('callActivity', [options])).result();
}

const retryPolicy = {
  initialInterval: 1000,
  backoffCoefficient: 2,
  maximumInterval: 100_000,
  nonRetryableErrorTypes: [],
};

it('activityInfo contains the calling workflow, and the times and limits of the attempt', async () => {
  const before = Date.now() - 1000;
  const handle = await engine.start('callActivity', [{ type: 'info', options: { activityId: 'mine' } }]);
  const info = (await handle.result()) as Record<string, unknown>;
  for (const key of ['scheduledTimestampMs', 'currentAttemptScheduledTimestampMs']) {
    assert.ok((info[key] as number) > before && (info[key] as number) < Date.now() + 1000);
    delete info[key];
  }
  const { taskToken, base64TaskToken, ...rest } = info;
  assert.equal(Buffer.from(taskToken as Uint8Array).toString('base64'), base64TaskToken);
  const { workflowId, runId } = handle;
  assert.deepEqual(rest, {
    activityId: 'mine',
    activityType: 'info',
    attempt: 1,
    idempotencyKey: `${runId}:2`,
    isLocal: false,
    inWorkflow: true,
    workflowExecution: { workflowId, runId },
    workflowType: 'callActivity',
    workflowNamespace: 'default',
    activityNamespace: 'default',
    namespace: 'default',
    taskQueue: engine.taskQueue,
    startToCloseTimeoutMs: 10_000,
    scheduleToCloseTimeoutMs: 0,
    retryPolicy,
  });
});

for (const [options, expected] of [
  [{ startToCloseTimeout: '5s' }, [5000, 0]],
  [{ startToCloseTimeout: 0, scheduleToCloseTimeout: '5s' }, [5000, 5000]],
  [{ startToCloseTimeout: '2s', scheduleToCloseTimeout: '5s', heartbeatTimeout: 700 }, [2000, 5000, 700]],
  [{ startToCloseTimeout: '5s', scheduleToCloseTimeout: '2s' }, [2000, 2000]],
] as const) {
  it(`activityInfo contains the timeouts that follow from ${JSON.stringify(options)}`, async () => {
    const info = (await call({ type: 'info', options })) as Record<string, number | undefined>;
    const { startToCloseTimeoutMs, scheduleToCloseTimeoutMs, heartbeatTimeoutMs } = info;
    const [startToClose, scheduleToClose, beat] = expected as readonly (number | undefined)[];
    assert.deepEqual(
      [startToCloseTimeoutMs, scheduleToCloseTimeoutMs, heartbeatTimeoutMs],
      [startToClose, scheduleToClose, beat],
    );
  });
}

for (const local of [false, true]) {
  it(`activityInfo contains the effective retry policy, ${local ? 'locally' : 'ordinarily'}`, async () => {
    const retry = {
      initialInterval: 2,
      backoffCoefficient: 1.5,
      maximumInterval: 10,
      maximumAttempts: 3,
      nonRetryableErrorTypes: ['nonRetryableError'],
    };
    const all = (await call({ type: 'info', options: { retry }, local })) as { retryPolicy: object };
    assert.deepEqual(all.retryPolicy, retry);
    const some = (await call({ type: 'info', options: { retry: { initialInterval: '3s' } }, local })) as typeof all;
    assert.deepEqual(some.retryPolicy, { ...retryPolicy, initialInterval: 3000, maximumInterval: 300_000 });
  });
}

it('calls outside an activity throw because there is no context', () => {
  for (const use of [activityInfo, () => heartbeat(), () => Context.current(), () => sleep(1), getClient]) {
    assert.throws(use, { message: 'Activity context not initialized' });
  }
});

it('sleep accepts durations and rejects other values', async () => {
  for (const duration of [1, 0, -5, '2ms']) assert.equal(await call({ type: 'sleepFor', args: [duration] }), 'slept');
  const refused = (await call({ type: 'sleepFor', args: ['soon'], options: { retry: { maximumAttempts: 1 } } })) as {
    failure: { cause: { message: string } };
  };
  assert.match(refused.failure.cause.message, /^refused: Invalid duration string: 'soon'\. Expected milliseconds/);
});

it('getClient returns a client of the worker', async () => {
  assert.deepEqual(await call({ type: 'useClient', args: ['started by an activity'] }), [42, true, true]);
});

it('asyncLocalStorage keeps the context across await, and a caller can set the context', async () => {
  assert.deepEqual(await call({ type: 'contextLater' }), [true, true, undefined]);
});

it('an activity without a workflow has no context to patch', () => {
  const info = { activityType: 'report', inWorkflow: false };
  assert.throws(() => new StagedPatches(info, 100), { code: 'ILLEGAL_STATE', message: /without a workflow/ });
});

it('staged patches count together against the limit of a payload', () => {
  const staged = new StagedPatches({ activityType: 'report', inWorkflow: true }, 100);
  const patch = { op: 'add', path: '/a', value: 'x'.repeat(20) } as const;
  staged.add(patch);
  assert.throws(() => staged.add([patch, patch]), { code: 'PAYLOAD_TOO_LARGE' });
  assert.equal(staged.patches?.length, 1);
  assert.deepEqual(staged.patches[0], {
    ops: JSON.stringify([patch]),
    source: 'tool',
    sourceId: 'report',
    reason: null,
  });
});
