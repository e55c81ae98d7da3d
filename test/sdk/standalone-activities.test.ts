// Activities that belong to no workflow. Workers without workflow code execute them. They are in the same log and have
// separate ids.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import {
  ActivityCancelledError,
  ActivityExecutionAlreadyStartedError,
  ActivityExecutionFailedError,
  type ActivityHandle,
  ActivityNotFoundError,
  type ActivityOptions,
  Client,
  Connection,
} from 'reprise/client';
import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure } from 'reprise/common';
import { activityInfo } from 'reprise/activity';
import { Worker } from 'reprise/worker';
import { activitiesNamespace } from '../../runtime/core/activity/standalone.ts';
import { handedOver } from '../support/fixtures/activities.ts';
import * as tools from '../support/fixtures/tools.ts';
import { quiet, testEngine, until } from '../support/engine.ts';

const engine = await testEngine();
const { client } = engine;
const elsewhere = new Client({ connection: await Connection.connect({ connectionString: engine.url }) });
let stop = async (): Promise<void> => undefined;
after(async () => {
  await stop();
  await elsewhere.connection.close();
});

async function who(): Promise<unknown> {
  const { taskToken, base64TaskToken, ...info } = activityInfo();
  return JSON.parse(JSON.stringify(info));
}

async function serve(): Promise<void> {
  const worker = await Worker.create({
    connection: engine.connection,
    taskQueue: 'tools',
    activities: { ...tools, who },
    identity: 'tool worker',
    logger: quiet,
  });
  const running = worker.run();
  stop = async () => {
    worker.shutdown();
    await running;
  };
}
await serve();

const options = (id: string): ActivityOptions => ({
  id,
  taskQueue: 'tools',
  startToCloseTimeout: '20 s',
  retry: { initialInterval: 10, maximumInterval: 50 },
});

/** Checks that the activity's log verifies and that no rows remain outside the log. Returns the types of its events. */
async function verified(handle: ActivityHandle): Promise<string[]> {
  const runId = handle.runId ?? (await handle.describe()).activityRunId;
  const verdict = await engine.pool.query('select ok, problem from reprise_audit.verify($1)', [runId]);
  assert.deepEqual(verdict.rows, [{ ok: true, problem: null }]);
  const left = await engine.pool.query(
    `select 'task' as what from reprise.activity_tasks where run_id = $1
     union all select 'ready' from reprise.ready where run_id = $1
     union all select 'progress' from reprise.activity_heartbeats where run_id = $1
     union all select 'message' from reprise.inbox where run_id = $1`,
    [runId],
  );
  assert.deepEqual(left.rows, []);
  const { workflow } = new Client({ connection: engine.connection, namespace: activitiesNamespace('default') });
  return (await workflow.getHandle(handle.activityId, runId).history()).map(({ type }) => type);
}

async function failureOf(handle: ActivityHandle): Promise<Error> {
  const error: unknown = await handle.result().then(
    () => assert.fail('it was to fail'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ActivityExecutionFailedError, String(error));
  assert.equal(error.message, 'Activity execution failed');
  assert.equal(error.activityId, handle.activityId);
  return error.cause!;
}

describe('a standalone activity', () => {
  it('is executed and returns its result, which the log records', async () => {
    const handle = await client.activity.start('double', { ...options('d'), args: [21] });
    assert.equal(handle.activityId, 'd');
    assert.equal(await handle.result(), 42);
    assert.equal(await elsewhere.activity.getHandle('d').result(), 42);
    assert.deepEqual(await verified(handle), [
      'WorkflowStarted',
      'ActivityScheduled',
      'ActivityCompleted',
      'WorkflowCompleted',
    ]);
  });

  it('runs at once when another process starts it', async () => {
    const typed = elsewhere.activity.typed<typeof tools>();
    const result: number = await typed.execute('double', { ...options('typed'), args: [4] });
    assert.equal(result, 8);
  });

  it('knows that it belongs to no workflow', async () => {
    const handle = await client.activity.start('who', options('info'));
    const info = (await handle.result()) as Record<string, unknown>;
    for (const key of ['workflowExecution', 'workflowType', 'workflowNamespace']) assert.ok(!(key in info), key);
    assert.deepEqual(
      [info['activityId'], info['activityRunId'], info['inWorkflow'], info['taskQueue'], info['attempt']],
      ['info', handle.runId, false, 'tools', 1],
    );
  });

  it('is retried by its policy, with each failure in the log', async () => {
    const handle = await client.activity.start('failUntil', { ...options('flaky'), args: [3] });
    assert.equal(await handle.result(), 3);
    assert.deepEqual(await verified(handle), [
      'WorkflowStarted',
      'ActivityScheduled',
      'ActivityAttemptFailed',
      'ActivityAttemptFailed',
      'ActivityCompleted',
      'WorkflowCompleted',
    ]);
  });

  it('fails permanently with its cause', async () => {
    const fatal = await client.activity.start('fatal', options('fatal'));
    const cause = await failureOf(fatal);
    assert.ok(cause instanceof ApplicationFailure && cause.type === 'Fatal');
    assert.deepEqual(cause.details, [{ code: 7 }]);
    assert.deepEqual((await verified(fatal)).slice(-2), ['ActivityFailed', 'WorkflowFailed']);
    assert.equal((await fatal.describe()).status, 'FAILED');
    assert.match((await (await fatal.describe()).getLastFailure())!.message, /no use/);
  });

  it('times out by attempt and as a whole', async () => {
    const retry = { maximumAttempts: 2, initialInterval: 1 };
    const slow = await client.activity.start('silent', { ...options('slow'), startToCloseTimeout: 50, retry });
    const cause = await failureOf(slow);
    assert.ok(cause instanceof TimeoutFailure && cause.timeoutType === 'START_TO_CLOSE');
    assert.deepEqual((await verified(slow)).slice(2), [
      'ActivityAttemptFailed',
      'ActivityTimedOut',
      'WorkflowTimedOut',
    ]);
    assert.equal((await slow.describe()).status, 'TIMED_OUT');
    const whole = await client.activity.start('silent', { ...options('whole'), scheduleToCloseTimeout: 80 });
    const late = await failureOf(whole);
    assert.ok(late instanceof TimeoutFailure && late.timeoutType === 'SCHEDULE_TO_CLOSE');
    await verified(whole);
  });

  it('is cancelled while it runs and before', async () => {
    const atWork = await client.activity.start('untilCancelled', { ...options('at work'), heartbeatTimeout: '1 s' });
    await until(async () => (await atWork.describe()).runState === 'STARTED');
    await atWork.cancel('not needed');
    await until(async () => ['CANCEL_REQUESTED', undefined].includes((await atWork.describe()).runState));
    assert.ok((await failureOf(atWork)) instanceof CancelledFailure);
    const described = await atWork.describe();
    assert.deepEqual([described.status, described.canceledReason], ['CANCELED', 'not needed']);
    assert.deepEqual((await verified(atWork)).slice(2), [
      'WorkflowCancelRequested',
      'ActivityCancelRequested',
      'ActivityCancelled',
      'WorkflowCancelled',
    ]);
    await assert.rejects(atWork.cancel(), ActivityNotFoundError);

    const delayed = await client.activity.start('double', { ...options('delayed'), args: [1], startDelay: '1 hour' });
    await delayed.cancel();
    assert.ok((await failureOf(delayed)) instanceof CancelledFailure);
    assert.deepEqual(await verified(delayed), ['WorkflowStarted', 'WorkflowCancelRequested', 'WorkflowCancelled']);

    const retrying = await client.activity.start('fatalOnce', {
      ...options('between attempts'),
      retry: { initialInterval: '1 hour' },
    });
    await until(async () => (await retrying.describe()).lastAttemptCompleteTime !== undefined);
    assert.equal((await retrying.describe()).currentRetryIntervalMs, 3_600_000);
    await retrying.cancel();
    assert.ok((await failureOf(retrying)) instanceof CancelledFailure);
    await verified(retrying);
  });

  it('is terminated, and its attempt learns of the termination', async () => {
    const handle = await client.activity.start('takeLong', { ...options('terminated'), args: [60_000] });
    await until(async () => (await handle.describe()).runState === 'STARTED');
    await handle.terminate('enough');
    const cause = await failureOf(handle);
    assert.ok(cause instanceof TerminatedFailure && cause.message === 'enough');
    await verified(handle);
    await assert.rejects(handle.terminate(), ActivityNotFoundError);
  });

  it('can be left to a client that knows its token or its id', async () => {
    const byToken = await client.activity.start('handOver', { ...options('left'), args: ['left'] });
    await client.activity.complete(await until(async () => handedOver.get('left 1')), 'by token');
    assert.equal(await byToken.result(), 'by token');
    await verified(byToken);
    const byId = await client.activity.start('handOver', { ...options('left too'), args: ['left too'] });
    await until(async () => handedOver.get('left too 1'));
    await client.activity.heartbeat({ activityId: 'left too' }, 'half');
    assert.equal(await (await byId.describe()).getHeartbeatDetails(), 'half');
    await byId.cancel();
    await until(() =>
      client.activity.heartbeat({ activityId: 'left too' }).then(
        () => false,
        (error: unknown) => error instanceof ActivityCancelledError,
      ),
    );
    await client.activity.reportCancellation({ activityId: 'left too' });
    assert.ok((await failureOf(byId)) instanceof CancelledFailure);
    await verified(byId);
  });

  it('passes heartbeat details to its next attempt', async () => {
    const handle = await client.activity.start('resume', { ...options('resume'), args: [3], heartbeatTimeout: '2 s' });
    assert.deepEqual(await handle.result(), { from: 2, attempt: 3 });
    await verified(handle);
  });

  it('starts after its delay', async () => {
    const before = Date.now();
    const handle = await client.activity.start('double', { ...options('later'), args: [1], startDelay: 150 });
    assert.equal(await handle.result(), 2);
    assert.ok(Date.now() - before >= 150);
  });
});

describe('ids of standalone activities', () => {
  it('are separate from workflow ids', async () => {
    const handle = await client.activity.start('takeLong', { ...options('shared'), args: [100] });
    const workflow = await engine.start('greet', ['you'], 'shared');
    assert.equal(await workflow.result(), 'Hello, you!');
    assert.equal(await handle.result(), 1);
    await assert.rejects(client.workflow.getHandle('d').describe(), { name: 'WorkflowNotFoundError' });
    await assert.rejects(client.activity.getHandle('nobody').result(), ActivityNotFoundError);
    await assert.rejects(client.activity.getHandle('shared', workflow.runId).describe(), ActivityNotFoundError);
  });

  it('belong to at most one open activity', async () => {
    const first = await client.activity.start('takeLong', { ...options('taken'), args: [300] });
    await assert.rejects(client.activity.start('double', { ...options('taken'), args: [1] }), (error) => {
      assert.ok(error instanceof ActivityExecutionAlreadyStartedError);
      assert.deepEqual([error.activityId, error.runId], ['taken', first.runId]);
      assert.equal(
        error.message,
        'Activity execution already started: id "taken" belongs to an open activity. Use another id, or getHandle() to reach it.',
      );
      return true;
    });
    const same = await client.activity.start('double', { ...options('taken'), idConflictPolicy: 'USE_EXISTING' });
    assert.equal(same.runId, first.runId);
    assert.equal(await first.result(), 1);
    const again = await client.activity.start('double', { ...options('taken'), args: [2] });
    assert.equal(await again.result(), 4);
    assert.equal(await client.activity.getHandle('taken', first.runId).result(), 1);
    for (const idReusePolicy of ['REJECT_DUPLICATE', 'ALLOW_DUPLICATE_FAILED_ONLY'] as const) {
      await assert.rejects(
        client.activity.start('double', { ...options('taken'), idReusePolicy }),
        /^ActivityExecutionAlreadyStartedError: .* belongs to a closed one, and the idReusePolicy allows no other\./,
      );
    }
  });
});

it('a standalone activity waits for a worker, and can be closed without one', async () => {
  const waiting = { ...options('waiting'), taskQueue: 'nobody', args: [1] };
  const late = await client.activity.start('double', { ...waiting, id: 'late', scheduleToStartTimeout: 30 });
  const cause = await failureOf(late);
  assert.ok(cause instanceof TimeoutFailure && cause.timeoutType === 'SCHEDULE_TO_START');
  await verified(late);
  const handle = await client.activity.start('double', waiting);
  assert.equal((await handle.describe()).runState, 'SCHEDULED');
  await handle.terminate();
  assert.ok((await failureOf(handle)) instanceof TerminatedFailure);
  await verified(handle);
});

it('standalone activities are listed and counted apart from workflows', async () => {
  const handles = await Promise.all(
    [1, 2, 3].map((n) => client.activity.start('double', { ...options(`listed ${n}`), args: [n] })),
  );
  await Promise.all(handles.map((handle) => handle.result()));
  const query = "ActivityType = 'double' AND ActivityId STARTS_WITH 'listed' ORDER BY StartTime";
  const found: string[] = [];
  for await (const { activityId, status, taskQueue } of client.activity.list(query)) {
    found.push(`${activityId} ${status} ${taskQueue}`);
  }
  assert.deepEqual(
    found.toSorted(),
    [1, 2, 3].map((n) => `listed ${n} COMPLETED tools`),
  );
  assert.equal((await client.activity.count("ActivityId STARTS_WITH 'listed'")).count, 3);
  assert.equal((await client.workflow.count("WorkflowId STARTS_WITH 'listed'")).count, 0);
  await assert.rejects(client.activity.count('Nothing = 1 AND'), { code: 'INVALID_INPUT' });
});

it('a standalone activity joins the transaction of its caller', async () => {
  const session = await engine.pool.connect();
  for (const end of ['rollback', 'commit'] as const) {
    await session.query('begin');
    const handle = await client.activity.start('double', {
      ...options(`within ${end}`),
      args: [3],
      transaction: session,
    });
    await session.query(end);
    if (end === 'commit') assert.equal(await handle.result(), 6);
    else await assert.rejects(handle.describe(), ActivityNotFoundError);
  }
  session.release();
});

it('invalid starts are refused', async () => {
  for (const [given, message] of [
    [{ id: 'x', taskQueue: 'tools' }, /Either scheduleToCloseTimeout or startToCloseTimeout is required/],
    [{ ...options(''), id: '' }, /^id must be text/],
    [{ ...options('x'), startDelay: 'soon' }, /^startDelay: /],
    [{ ...options('x'), heartbeatTimeout: -1 }, /^heartbeatTimeout is -1 ms/],
    [{ ...options('x'), heartbeatTimeout: 9.223e15 }, /^heartbeatTimeout is \d+ ms, expected 0 to 100 years/],
    [{ ...options('x'), startToCloseTimeout: 1e300 }, /^startToCloseTimeout is 1e\+300 ms, expected 0 to 100 years/],
    [{ ...options('x'), scheduleToCloseTimeout: Number.POSITIVE_INFINITY }, /^scheduleToCloseTimeout: .*Infinity/],
    [{ ...options('x'), startDelay: '101 years' }, /^startDelay is \d+ ms, expected 0 to 100 years/],
    [
      { ...options('x'), idReusePolicy: 'NEVER' },
      /^idReusePolicy is the text "NEVER", expected one of ALLOW_DUPLICATE, /,
    ],
    [{ ...options('x'), retry: { maximumAttempts: 0.5 } }, /maximumAttempts must be an integer/],
    [{ ...options('x'), retry: { maxAttempts: 3 } }, /^retry has no option "maxAttempts"/],
    [{ ...options('x'), args: 'x' }, /^args is the text "x", expected the list of arguments/],
    [{ ...options('x'), workflowId: 'x' }, /has no option "workflowId"/],
  ] as const) {
    await assert.rejects(client.activity.start('double', given as never), { code: 'INVALID_INPUT', message });
  }
});
