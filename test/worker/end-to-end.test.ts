// The whole path of a workflow's data in one process: client, Postgres, sandbox, activities, log, result.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testEngine } from '../support/engine.ts';

describe('a workflow from start to result', async () => {
  const engine = await testEngine();
  const { client, start } = engine;

  it('runs an activity and returns its result', async () => {
    assert.equal(await (await start('greet', ['Ada'])).result(), 'Hello, Ada!');
  });

  it('passes values that JSON would lose, in both directions', async () => {
    const values = [
      new Date(5),
      2n ** 70n,
      new Uint8Array([1, 2]),
      new Map([['a', new Set([1])]]),
      undefined,
      -0,
      Number.NaN,
    ];
    assert.deepEqual(await (await start('echoAll', values)).result(), values);
  });

  it('logs every event of a one-activity run in order, with a valid hash chain', async () => {
    const handle = await start('greet', ['Ada']);
    await handle.result();
    assert.deepEqual(
      (await handle.history()).map((event) => event.type),
      ['WorkflowStarted', 'ActivityScheduled', 'ActivityCompleted', 'WorkflowCompleted'],
    );
    const { rows } = await engine.pool.query('select * from reprise_audit.verify($1)', [handle.runId]);
    assert.deepEqual(rows, [{ ok: true, seq: 4, problem: null }]);
  });

  it('has separate module state for each run', async () => {
    const handles = await Promise.all([start('moduleState'), start('moduleState')]);
    assert.deepEqual(await Promise.all(handles.map((handle) => handle.result())), [2, 2]);
  });

  it('retries a failing activity and logs each attempt', async () => {
    const handle = await start('failingActivity', [2]);
    assert.equal(await handle.result(), 3);
    const failed = (await handle.history()).filter((event) => event.type === 'ActivityAttemptFailed');
    assert.deepEqual(
      failed.map((event) => [event.attempt, event.reason]),
      [
        [1, 'failure 1'],
        [2, 'failure 2'],
      ],
    );
  });

  it('wraps the failure of an activity that may not be retried', async () => {
    assert.equal(
      await (await start('fatalActivity')).result(),
      'Activity task failed: MAXIMUM_ATTEMPTS_REACHED: RangeError: failure 1',
    );
  });

  it('fails the run with an ApplicationFailure, including its details', async () => {
    const handle = await start('failing', ['on purpose']);
    await assert.rejects(handle.result(), (error: Error & { cause: { type: string; details: unknown[] } }) => {
      assert.equal(error.message, 'Workflow execution failed');
      assert.equal(error.cause.type, 'Expected');
      assert.deepEqual(error.cause.details, [{ code: 7 }]);
      return true;
    });
    assert.equal((await handle.describe()).status.name, 'FAILED');
  });

  it('fires a durable timer, and workflow code sees time pass', async () => {
    const slept = (await (await start('nap', [20])).result()) as number;
    assert.ok(slept >= 20, `slept ${slept} ms`);
  });

  it('delivers signals in order and answers queries', async () => {
    const handle = await start('accumulate');
    for (const n of [1, 2, 3]) await handle.signal('add', n);
    while ((await handle.query('total')) !== 6) await new Promise((resolve) => setTimeout(resolve, 5));
    await handle.signal('finish');
    assert.equal(await handle.result(), 6);
    assert.equal(await handle.query('total'), 6, 'a closed run answers by replay');
  });

  it('lists the registered queries when a query is unknown', async () => {
    const handle = await start('accumulate');
    await assert.rejects(handle.query('nothing'), {
      name: 'QueryNotRegisteredError',
      message: /did not register a handler for nothing/,
    });
    await handle.terminate();
  });

  it('cancels a run, which cleans up and closes as cancelled', async () => {
    const handle = await start('cancellable');
    await engine.until(async () => (await handle.describe()).pendingActivities.length === 1);
    await handle.cancel();
    await assert.rejects(handle.result(), { name: 'WorkflowFailedError', message: 'Workflow execution cancelled' });
    const types = (await handle.history()).map((event) => event.type);
    assert.ok(types.includes('ActivityCancelled'));
    assert.equal(types.at(-1), 'WorkflowCancelled');
  });

  it('terminates a run with a reason', async () => {
    const handle = await start('accumulate');
    await handle.terminate('enough');
    await assert.rejects(handle.result(), { message: 'enough' });
    await assert.rejects(handle.signal('add', 1), { code: 'RUN_NOT_FOUND', message: /already completed/ });
  });

  it('records context patches with provenance and rebuilds the state at any point', async () => {
    const handle = await start('tallyAll', [20, 4]);
    assert.equal(await handle.result(), 20);
    const now = await handle.stateAt();
    assert.equal((now.state as { done: number }).done, 20);
    const patches = await handle.patches({ path: '/items/7' });
    assert.equal(patches.at(-1)?.reason, 'item 7');
    assert.equal(patches.at(-1)?.source, 'tool');
    const before = await handle.stateAt({ seq: patches.at(-1)!.seq - 1 });
    assert.equal(Object.hasOwn((before.state as { items: object }).items, '7'), false);
    const { rows } = await engine.pool.query<{ state: unknown }>(
      'select reprise_audit.state_at($1, $2::int) as state',
      [handle.runId, now.seq],
    );
    assert.deepEqual(rows[0]?.state, now.state);
  });

  it('applies nothing of a patch that fails halfway, and names the pointer', async () => {
    const result = (await (await start('rejectedPatch')).result()) as string;
    assert.match(result, /^CONTEXT_PATCH_INVALID .*\/nowhere\/1.* done=0$/s);
  });

  it('passes the heartbeat details of a failed attempt to the next attempt', async () => {
    assert.equal(await (await start('resumeFromHeartbeat')).result(), 3);
  });

  it('times out an activity that stops its heartbeats', async () => {
    assert.equal(await (await start('heartbeatTimeout')).result(), 'activity Heartbeat timeout');
  });

  it('logs the real duration of an attempt that stopped its heartbeats, not its time limit', async () => {
    const handle = await start('heartbeatTimeout');
    await handle.result();
    const { rows } = await engine.pool.query<{ ms: number }>(
      "select (meta->>'ms')::float8 as ms from reprise.events where run_id = $1 and meta->>'ms' is not null",
      [handle.runId],
    );
    assert.equal(rows.length, 1);
    assert.ok(rows[0]!.ms >= 45, `a heartbeat timeout of 50 ms after ${rows[0]!.ms} ms`);
    assert.notEqual(rows[0]!.ms, 60_000, 'the startToCloseTimeout is logged');
  });

  it('stops at a bug in workflow code, shows the bug in describe, and stays open', async () => {
    const handle = await start('brokenUntilFixed');
    const failure = await engine.until(async () => (await handle.describe()).taskFailure);
    assert.equal(failure.code, 'WORKFLOW_ERROR');
    assert.match(failure.message, /a bug in the workflow/);
    assert.equal((await handle.describe()).status.name, 'RUNNING');
    await handle.terminate();
  });

  it('interrupts an endless loop and reports it', async () => {
    const handle = await start('endlessLoop');
    const failure = await engine.until(async () => (await handle.describe()).taskFailure);
    assert.equal(failure.code, 'DEADLOCK');
    assert.match(failure.message, /endlessLoop/);
    assert.equal(await (await start('greet', ['still'])).result(), 'Hello, still!');
    await handle.terminate();
  });

  it('reports an unhandled rejection of workflow code, and a getter that throws in a result', async () => {
    for (const [workflow, text] of [
      ['unhandledRejection', /Unhandled Promise rejection: .*nobody waits for this/],
      ['throwingGetter', /the getter threw|trap/],
    ] as const) {
      const handle = await start(workflow);
      const failure = await engine.until(async () => (await handle.describe()).taskFailure);
      assert.match(failure.message, text);
      await handle.terminate();
    }
  });

  it('closes with the winner of a race while the loser is pending', async () => {
    assert.equal(await (await start('raceWithTimer')).result(), 'Hello, fast!');
  });

  it('reports a workflow type that the bundle does not export', async () => {
    const handle = await start('noSuchWorkflow');
    const failure = await engine.until(async () => (await handle.describe()).taskFailure);
    assert.match(failure.message, /no such function is exported by the workflow bundle/);
    await handle.terminate();
  });

  it('refuses a second open run of a workflow id, and allows one after the close', async () => {
    const first = await client.workflow.start('accumulate', { workflowId: 'twice', taskQueue: engine.taskQueue });
    await assert.rejects(client.workflow.start('accumulate', { workflowId: 'twice', taskQueue: engine.taskQueue }), {
      name: 'WorkflowExecutionAlreadyStartedError',
      code: 'RUN_ALREADY_STARTED',
    });
    await first.terminate();
    const second = await client.workflow.start('greet', {
      workflowId: 'twice',
      taskQueue: engine.taskQueue,
      args: ['again'],
    });
    assert.equal(await second.result(), 'Hello, again!');
  });

  it('refuses values that cannot be stored, names their path or size, and writes nothing', async () => {
    const workflowId = 'refused';
    const options = { workflowId, taskQueue: engine.taskQueue };
    await assert.rejects(client.workflow.start('greet', { ...options, args: [{ items: [1, { socket: () => 1 }] }] }), {
      code: 'NOT_SERIALISABLE',
      message: /items\[1\]\.socket/,
    });
    await assert.rejects(client.workflow.start('greet', { ...options, args: ['x'.repeat(3_000_000)] }), {
      code: 'PAYLOAD_TOO_LARGE',
    });
    await assert.rejects(client.workflow.getHandle(workflowId).describe(), { code: 'RUN_NOT_FOUND' });
  });

  it('fails an activity whose result is too large, and names the activity', async () => {
    const handle = await start('bigResult', [3_000_000]);
    await assert.rejects(handle.result(), (error: Error & { cause: Error }) => {
      assert.match(String((error.cause.cause as Error).message), /Result of activity big has 30000\d\d bytes/);
      return true;
    });
  });

  it('stops at an activity argument that is too large, names the activity, and appends nothing of the turn', async () => {
    const handle = await start('bigArgument', [3_000_000]);
    const failure = await engine.until(async () => (await handle.describe()).taskFailure);
    assert.equal(failure.code, 'PAYLOAD_TOO_LARGE');
    assert.match(failure.message, /arguments of activity echo would have 30000\d\d bytes/);
    assert.equal((await handle.describe()).pendingActivities.length, 0);
    await handle.terminate();
  });

  it('stops at a workflow result that is too large, and names the workflow', async () => {
    const handle = await start('large', [3_000_000]);
    const failure = await engine.until(async () => (await handle.describe()).taskFailure);
    assert.match(failure.message, /^The result of workflow large would have 30000\d\d bytes, the limit is 2097152\./);
    await handle.terminate();
  });

  it('shows in describe that nobody polls a task queue', async () => {
    const handle = await client.workflow.start('greet', { workflowId: 'alone', taskQueue: 'nobody', args: ['x'] });
    assert.equal((await handle.describe()).pollers, 0);
    await handle.terminate('nobody came');
    await assert.rejects(handle.result(), { message: 'nobody came' });
  });

  it('refuses a memo that cannot be stored, and accepts a memo that only looks invalid', async () => {
    const options = { workflowId: 'memo', taskQueue: engine.taskQueue, args: ['x'] };
    for (const memo of [{ a: '\0' }, { a: '\ud800' }]) {
      await assert.rejects(client.workflow.start('greet', { ...options, memo }), { code: 'INVALID_INPUT' });
    }
    const handle = await client.workflow.start('greet', { ...options, memo: { a: '\\u0000', b: '😀' } });
    assert.deepEqual((await handle.describe()).memo, { a: '\\u0000', b: '😀' });
  });

  it('lists runs by type and status', async () => {
    const ids: string[] = [];
    for await (const run of client.workflow.list({
      query: "WorkflowType = 'failing' AND ExecutionStatus = 'Failed'",
      pageSize: 1,
    })) {
      ids.push(run.workflowId);
    }
    assert.equal(ids.length, 1);
    await assert.rejects(
      async () => {
        for await (const _ of client.workflow.list({ query: 'nonsense' })) assert.fail('listed');
      },
      { code: 'INVALID_INPUT' },
    );
  });
});
