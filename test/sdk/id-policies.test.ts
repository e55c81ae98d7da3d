// Workflow id policies inside the caller's transaction, and invalid combinations of options.
// test/conformance/ids.test.ts covers what each policy allows; updates.test.ts in the same folder covers
// update-with-start.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  WithStartWorkflowOperation,
  type WorkflowIdConflictPolicy,
  WorkflowExecutionAlreadyStartedError,
} from 'reprise/client';
import { defineUpdate } from 'reprise/workflow';
import { testEngine } from '../support/engine.ts';

const engine = await testEngine();
const { client, taskQueue } = engine;
const { workflow } = client;

describe('a workflow id whose run has ended', () => {
  it('is refused inside the caller’s transaction too, and the transaction stays usable', async () => {
    await workflow.execute('greet', { workflowId: 'within', taskQueue, args: ['x'] });
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
  it('gives its result to execute with USE_EXISTING', async () => {
    const options = { workflowId: 'use', taskQueue, workflowIdConflictPolicy: 'USE_EXISTING' } as const;
    const handle = await workflow.start('accumulate', options);
    const result = workflow.execute('accumulate', options);
    await handle.signal('add', 3);
    await handle.signal('finish');
    assert.equal(await handle.result(), 3);
    // execute used the open run. If that run had already ended, execute started a new run, which the test must end.
    const latest = await workflow.getHandle('use').describe();
    if (latest.runId === handle.runId) assert.equal(await result, 3);
    else {
      await workflow.getHandle('use').signal('finish');
      assert.equal(await result, 0);
    }
  });

  it('cannot be terminated inside a transaction, and contradicting policies are refused', async () => {
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

  it('requires a conflict policy and applies it; its operation can be used once', async () => {
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
