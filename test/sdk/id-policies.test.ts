// What a start does when its workflow id is taken, or was: behavior 53 of spec/sdk.md, and 20, update-with-start.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  WithStartWorkflowOperation,
  type WorkflowIdConflictPolicy,
  type WorkflowIdReusePolicy,
  WorkflowExecutionAlreadyStartedError,
  WorkflowUpdateFailedError,
} from 'reprise/client';
import { defineUpdate } from 'reprise/workflow';
import { testEngine } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

const engine = await testEngine();
const { client, taskQueue } = engine;
const { workflow } = client;

type Ending = 'completed' | 'failed' | 'cancelled' | 'terminated';

/** Leaves a closed run of the workflow id. */
async function endedRun(workflowId: string, ending: Ending): Promise<void> {
  const options = { workflowId, taskQueue };
  if (ending === 'completed') await workflow.execute('greet', { ...options, args: ['x'] });
  else if (ending === 'failed') await workflow.execute('failing', { ...options, args: ['x'] }).catch(() => undefined);
  else {
    const handle = await workflow.start(ending === 'cancelled' ? 'nap' : 'accumulate', { ...options, args: [60_000] });
    await (ending === 'cancelled' ? handle.cancel() : handle.terminate());
    await handle.result().catch(() => undefined);
  }
}

const allowed: Record<WorkflowIdReusePolicy, Record<Ending, boolean>> = {
  ALLOW_DUPLICATE: { completed: true, failed: true, cancelled: true, terminated: true },
  ALLOW_DUPLICATE_FAILED_ONLY: { completed: false, failed: true, cancelled: true, terminated: true },
  REJECT_DUPLICATE: { completed: false, failed: false, cancelled: false, terminated: false },
  TERMINATE_IF_RUNNING: { completed: true, failed: true, cancelled: true, terminated: true },
};

describe('a workflow id whose run has ended', () => {
  for (const [policy, byEnding] of Object.entries(allowed)) {
    for (const [ending, isAllowed] of Object.entries(byEnding)) {
      it(`${isAllowed ? 'can be' : 'cannot be'} used again after it ${ending} with ${policy}`, async () => {
        const workflowId = `${policy}-${ending}`;
        await endedRun(workflowId, ending as Ending);
        const again = workflow.start('greet', {
          workflowId,
          taskQueue,
          args: ['again'],
          workflowIdReusePolicy: policy as WorkflowIdReusePolicy,
        });
        if (isAllowed) assert.equal(await (await again).result(), 'Hello, again!');
        else {
          await assert.rejects(again, (error) => {
            assert.ok(error instanceof WorkflowExecutionAlreadyStartedError);
            assert.match(error.message, /a run after which the workflowIdReusePolicy allows no other/);
            return true;
          });
          const { rows } = await engine.pool.query('select 1 from reprise.runs where workflow_id = $1', [workflowId]);
          assert.equal(rows.length, 1, 'nothing was written');
        }
      });
    }
  }

  it('is checked in the caller’s transaction too, which can go on', async () => {
    await endedRun('within', 'completed');
    const session = await engine.pool.connect();
    await session.query('begin');
    const options = {
      taskQueue,
      args: ['x'],
      transaction: session,
      workflowIdReusePolicy: 'REJECT_DUPLICATE' as const,
    };
    await assert.rejects(
      workflow.start('greet', { ...options, workflowId: 'within' }),
      WorkflowExecutionAlreadyStartedError,
    );
    const handle = await workflow.start('greet', { ...options, workflowId: 'within-2' });
    await session.query('commit');
    session.release();
    assert.equal(await handle.result(), 'Hello, x!');
  });
});

describe('a workflow id whose run is open', () => {
  const open = (workflowId: string, workflowIdConflictPolicy?: WorkflowIdConflictPolicy) =>
    workflow.start('accumulate', {
      workflowId,
      taskQueue,
      ...(workflowIdConflictPolicy === undefined ? {} : { workflowIdConflictPolicy }),
    });

  it('is refused by default and with FAIL', async () => {
    const handle = await open('fail');
    for (const policy of [undefined, 'FAIL'] as const) {
      await assert.rejects(open('fail', policy), WorkflowExecutionAlreadyStartedError);
    }
    await handle.terminate();
  });

  it('gives its run with USE_EXISTING, also to many at once and to execute', async () => {
    const handles = await Promise.all(Array.from({ length: 20 }, () => open('use', 'USE_EXISTING')));
    assert.equal(new Set(handles.map((handle) => handle.runId)).size, 1);
    const result = workflow.execute('accumulate', {
      workflowId: 'use',
      taskQueue,
      workflowIdConflictPolicy: 'USE_EXISTING',
    });
    await handles[0]!.signal('add', 3);
    await handles[0]!.signal('finish');
    assert.equal(await handles[1]!.result(), 3);
    // The run that it found, or a new one if that had ended: then nobody ends it.
    const latest = await workflow.getHandle('use').describe();
    if (latest.runId === handles[0]!.runId) assert.equal(await result, 3);
    else {
      await workflow.getHandle('use').signal('finish');
      assert.equal(await result, 0);
    }
  });

  it('is taken over with TERMINATE_EXISTING', async () => {
    const first = await open('terminate');
    const second = await open('terminate', 'TERMINATE_EXISTING');
    assert.notEqual(first.runId, second.runId);
    await assert.rejects(first.result(), (error: Error) =>
      /a new run of workflow id "terminate" was started/.test(error.message),
    );
    const third = await workflow.start('greet', {
      workflowId: 'terminate',
      taskQueue,
      args: ['x'],
      workflowIdReusePolicy: 'TERMINATE_IF_RUNNING',
    });
    assert.equal(await third.result(), 'Hello, x!');
    assert.equal((await second.describe()).status.name, 'TERMINATED');
  });

  it('is not terminated by a transaction, and policies that contradict are refused', async () => {
    const options = { workflowId: 'contradictory', taskQueue };
    const invalid = { code: 'INVALID_INPUT' };
    const start = (more: object) => workflow.start('accumulate', { ...options, ...more });
    await assert.rejects(start({ workflowIdConflictPolicy: 'TERMINATE_EXISTING', transaction: engine.pool }), invalid);
    await assert.rejects(
      start({ workflowIdConflictPolicy: 'USE_EXISTING', workflowIdReusePolicy: 'TERMINATE_IF_RUNNING' }),
      invalid,
    );
    await assert.rejects(
      start({ workflowIdConflictPolicy: 'USE' }),
      /expected one of FAIL, USE_EXISTING, TERMINATE_EXISTING/,
    );
    await assert.rejects(start({ workflowIdReusePolicy: 'toString' }), invalid);
    await assert.rejects(workflow.getHandle('contradictory').describe(), { code: 'RUN_NOT_FOUND' });
  });
});

describe('an update with start', () => {
  const addItem = defineUpdate<number, [string]>('addItem');
  const operation = (workflowId: string, workflowIdConflictPolicy: WorkflowIdConflictPolicy = 'USE_EXISTING') =>
    new WithStartWorkflowOperation('cart', { workflowId, taskQueue, workflowIdConflictPolicy });

  it('starts the run and is handled in its first activation; the next goes to the same run', async () => {
    const first = operation('with-start');
    assert.equal(await workflow.executeUpdateWithStart(addItem, { args: ['a'], startWorkflowOperation: first }), 1);
    const handle = await first.workflowHandle();
    assert.deepEqual(
      (await handle.history()).slice(0, 3).map((event) => event.type),
      ['WorkflowStarted', 'UpdateAccepted', 'UpdateCompleted'],
    );
    const second = operation('with-start');
    const update = await workflow.startUpdateWithStart(addItem, {
      args: ['b'],
      startWorkflowOperation: second,
      waitForStage: 'ACCEPTED',
      updateId: 'u2',
    });
    assert.equal(await update.result(), 2);
    assert.equal((await second.workflowHandle()).runId, handle.runId);
    // Asked again, it is the same update.
    const again = { args: ['c'] as [string], startWorkflowOperation: operation('with-start'), updateId: 'u2' };
    assert.equal(await workflow.executeUpdateWithStart(addItem, again), 2);
    await handle.signal('finish');
    assert.deepEqual(await handle.result(), ['a', 'b']);
    await assertReplays(engine.connection.database, handle.runId!);
  });

  it('that is rejected leaves the run that it started', async () => {
    const start = operation('rejected');
    await assert.rejects(
      workflow.executeUpdateWithStart(addItem, { args: [''], startWorkflowOperation: start }),
      WorkflowUpdateFailedError,
    );
    assert.equal((await (await start.workflowHandle()).describe()).status.name, 'RUNNING');
  });

  it('needs a policy, follows it, and can be used once', async () => {
    const options = { workflowId: 'x', taskQueue };
    for (const delay of [{ startDelay: 5 }, { cronSchedule: '* * * * *' }]) {
      const delayed = { ...options, workflowIdConflictPolicy: 'FAIL', ...delay } as never;
      assert.throws(() => new WithStartWorkflowOperation('cart', delayed), { code: 'INVALID_INPUT' });
    }
    assert.throws(() => new WithStartWorkflowOperation('cart', options as never), { code: 'INVALID_INPUT' });
    const used = operation('once', 'FAIL');
    const call = { args: ['a'] as [string], startWorkflowOperation: used };
    assert.equal(await workflow.executeUpdateWithStart(addItem, call), 1);
    await assert.rejects(workflow.executeUpdateWithStart(addItem, call), { code: 'ILLEGAL_STATE' });
    const failing = operation('once', 'FAIL');
    await assert.rejects(
      workflow.executeUpdateWithStart(addItem, { ...call, startWorkflowOperation: failing }),
      WorkflowExecutionAlreadyStartedError,
    );
    await assert.rejects(failing.workflowHandle(), WorkflowExecutionAlreadyStartedError);
    for (const more of [{ priority: {} }, { requestEagerStart: true }]) {
      const bad = new WithStartWorkflowOperation('cart', {
        ...options,
        workflowIdConflictPolicy: 'FAIL',
        ...more,
      } as never);
      await assert.rejects(workflow.executeUpdateWithStart(addItem, { ...call, startWorkflowOperation: bad }), {
        code: 'INVALID_INPUT',
      });
    }
  });
});
