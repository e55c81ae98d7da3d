// Temporal's names: types that programs use, enums with their older keys, and error classes that are the same from
// every entry of the package.
import assert from 'node:assert/strict';
import { pathToFileURL } from 'node:url';
import { test } from 'node:test';
import * as activity from 'reprise/activity';
import * as client from 'reprise/client';
import * as common from 'reprise/common';
import * as workflow from 'reprise/workflow';
import { ActivityContext } from '../../runtime/worker/activities/activity-context.ts';

/** Loads a second copy of a module of this package. */
async function copyOf<T>(path: string): Promise<T> {
  const url = new URL(`../../${path}?copy`, pathToFileURL(import.meta.filename));
  return (await import(url.href)) as T;
}

test('enums are types and values, with their older keys', () => {
  const reuse: client.WorkflowIdReusePolicy = client.WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE;
  const conflict: common.WorkflowIdConflictPolicy = common.WorkflowIdConflictPolicy.USE_EXISTING;
  const parent: workflow.ParentClosePolicy = workflow.ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON;
  const stage: client.WorkflowUpdateStage = client.WorkflowUpdateStage.ACCEPTED;
  const reject: client.QueryRejectCondition = client.QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_OPEN;
  const unfinished: common.HandlerUnfinishedPolicy = client.HandlerUnfinishedPolicy.ABANDON;
  const values = [reuse, conflict, parent, stage, reject, unfinished];
  assert.deepEqual(values, ['REJECT_DUPLICATE', 'USE_EXISTING', 'ABANDON', 'ACCEPTED', 'NOT_OPEN', 'ABANDON']);
  assert.equal(workflow.WorkflowIdReusePolicy, client.WorkflowIdReusePolicy);
});

test('types of workflows, options and handles have Temporal’s names', () => {
  async function order(_id: string, _cents?: number): Promise<boolean> {
    return true;
  }
  const anyWorkflow: common.Workflow = order;
  const result: workflow.WorkflowResultType<typeof order> = true;
  const options: common.CommonWorkflowOptions = { workflowRunTimeout: '1 hour', retry: { maximumAttempts: 3 } };
  const withArgs: common.WithWorkflowArgs<typeof order, client.WorkflowOptions> = {
    ...options,
    workflowId: 'w',
    taskQueue: 'q',
    args: ['A-17'],
  };
  // @ts-expect-error the workflow needs an argument
  const withoutArgs: client.WorkflowStartOptions<typeof order> = { workflowId: 'w', taskQueue: 'q' };
  const isGood = (handle: common.BaseWorkflowHandle<typeof order>): Promise<boolean> => handle.result();
  const isKnown: (handle: client.WorkflowHandle<typeof order>) => Promise<boolean> = isGood;
  const isChild: (handle: workflow.ChildWorkflowHandle<typeof order>) => Promise<boolean> = isGood;
  const id = (handle: client.WorkflowHandleWithFirstExecutionRunId): string => handle.firstExecutionRunId;
  const status: client.WorkflowExecutionStatusName = 'TIMED_OUT';
  const execution: common.WorkflowExecution = { workflowId: 'w' };
  const signal: workflow.WorkflowSignalType = async () => undefined;
  const query: workflow.WorkflowQueryType = () => 1;
  const definition: common.SignalDefinition<[string]> = workflow.defineSignal<[string]>('s');
  const given = [anyWorkflow, result, withArgs, withoutArgs, isKnown, isChild, id, status, execution, signal, query];
  assert.ok([...given, definition].every((value) => value !== undefined));
});

test('an error is an instance of its class from any copy of the package', async () => {
  const failures = await copyOf<typeof import('../../runtime/core/failure/failure.ts')>(
    'runtime/core/failure/failure.ts',
  );
  const errors = await copyOf<typeof import('../../sdk/client/client-errors.ts')>('sdk/client/client-errors.ts');
  const runtime = await copyOf<typeof import('../../runtime/core/failure/runtime-error.ts')>(
    'runtime/core/failure/runtime-error.ts',
  );
  assert.notEqual(failures.ApplicationFailure, common.ApplicationFailure);
  assert.ok(failures.ApplicationFailure.nonRetryable('x') instanceof common.ApplicationFailure);
  assert.ok(new errors.WorkflowNotFoundError('x', 'w') instanceof client.WorkflowNotFoundError);
  assert.ok(new errors.WorkflowFailedError('x', undefined) instanceof client.WorkflowFailedError);
  assert.equal(new errors.WorkflowFailedError('x', undefined) instanceof client.WorkflowUpdateFailedError, false);
  assert.ok(new runtime.IllegalStateError('x') instanceof common.IllegalStateError);
  assert.ok(new runtime.IllegalStateError('x') instanceof common.RuntimeError);
  assert.equal(new runtime.RuntimeError('TIMEOUT', 'x') instanceof common.IllegalStateError, false);
});

test('every copy of the package finds an activity’s context', async () => {
  const path = 'runtime/worker/activities/activity-context.ts';
  const copy = await copyOf<typeof import('../../runtime/worker/activities/activity-context.ts')>(path);
  assert.notEqual(copy.ActivityContext, ActivityContext);
  assert.equal(copy.activityStorage, activity.asyncLocalStorage);
});

test('instanceof accepts errors of the same-named class of client and of common', () => {
  const taken = new client.WorkflowExecutionAlreadyStartedError('w', 'order');
  assert.ok(taken instanceof common.WorkflowExecutionAlreadyStartedError);
  const child = new common.WorkflowExecutionAlreadyStartedError('taken', 'w', 'order');
  assert.ok(child instanceof client.WorkflowExecutionAlreadyStartedError);
  assert.equal(workflow.WorkflowNotFoundError, client.WorkflowNotFoundError);
  assert.ok(new workflow.DeterminismViolationError('x') instanceof workflow.WorkflowError);
  assert.equal(new common.ValueError('x', 5).cause, 5);
});

test('instanceof recognises a user’s subclass by its prototype', () => {
  class Refused extends common.IllegalStateError {}
  assert.ok(new Refused('x') instanceof Refused);
  assert.ok(new Refused('x') instanceof common.IllegalStateError);
  assert.equal(new common.IllegalStateError('x') instanceof Refused, false);
});

test('ensureTemporalFailure returns failures unchanged and wraps other values', () => {
  const cancelled = new common.CancelledFailure('no');
  assert.equal(common.ensureTemporalFailure(cancelled), cancelled);
  const wrapped = common.ensureTemporalFailure(new RangeError('far'));
  assert.ok(wrapped instanceof common.ApplicationFailure);
  assert.deepEqual([wrapped.type, wrapped.message], ['RangeError', 'far']);
});

test('Temporal’s helpers for times and texts exist', () => {
  assert.deepEqual(common.msToTs('1.5s'), { seconds: 1, nanos: 500_000_000 });
  assert.equal(common.tsToMs({ seconds: { toNumber: () => 2 }, nanos: 7_900_000 }), 2007);
  assert.deepEqual(
    [common.msOptionalToTs(0), common.optionalTsToMs(null), common.msOptionalToNumber('1s')],
    [undefined, undefined, 1000],
  );
  assert.deepEqual(common.tsToDate(common.msNumberToTs(86_400_000)), new Date(86_400_000));
  assert.equal(common.optionalTsToDate(undefined), undefined);
  assert.throws(() => common.tsToMs(undefined), /Expected timestamp, got undefined/);
  assert.throws(() => common.msNumberToTs(Number.NaN), { name: 'ValueError', message: 'Invalid millis NaN' });
  assert.throws(() => common.msToNumber('soon' as '1s'), TypeError);
  assert.equal(common.str(common.u8('naïve')), 'naïve');
  assert.deepEqual([common.errorMessage(new Error('x')), common.errorMessage(5)], ['x', undefined]);
  assert.deepEqual([common.errorCode({ code: 'E' }), common.errorCode(null)], ['E', undefined]);
});
