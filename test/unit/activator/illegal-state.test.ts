// The errors of APIs that workflow code calls outside of a run, or too early. The texts are Temporal's, since texts are
// API.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as common from '../../../sdk/common.ts';
import * as workflow from '../../../sdk/workflow.ts';
import { failureOf, globals, workflowTest } from './harness.ts';

const acts = workflow.proxyActivities<{ ship(): Promise<void> }>({ startToCloseTimeout: 1 });

// [name, call, message]
const calls: [string, () => unknown, string][] = [
  ['sleep', () => workflow.sleep(1), 'Workflow.sleep(...) may only be used from a Workflow Execution'],
  [
    'condition',
    () => workflow.condition(() => true),
    'Workflow.condition(...) may only be used from a Workflow Execution.',
  ],
  ['an activity', () => acts.ship(), 'Workflow.scheduleActivity(...) may only be used from a Workflow Execution'],
  ['workflowInfo', workflow.workflowInfo, 'Workflow.workflowInfo(...) may only be used from a Workflow Execution.'],
  [
    'currentUpdateInfo',
    workflow.currentUpdateInfo,
    'Workflow.currentUpdateInfo(...) may only be used from a Workflow Execution.',
  ],
  [
    'setHandler',
    () => workflow.setHandler(workflow.defineSignal('x'), () => undefined),
    'Workflow.setHandler(...) may only be used from a Workflow Execution.',
  ],
  [
    'setDefaultSignalHandler',
    () => workflow.setDefaultSignalHandler(undefined),
    'Workflow.setDefaultSignalHandler(...) may only be used from a Workflow Execution.',
  ],
  [
    'setDefaultUpdateHandler',
    () => workflow.setDefaultUpdateHandler(undefined),
    'Workflow.setDefaultUpdateHandler(...) may only be used from a Workflow Execution.',
  ],
  [
    'setDefaultQueryHandler',
    () => workflow.setDefaultQueryHandler(undefined),
    'Workflow.setDefaultQueryHandler(...) may only be used from a Workflow Execution.',
  ],
  [
    'patched',
    () => workflow.patched('x'),
    'Workflow.patch(...) and Workflow.deprecatePatch may only be used from a Workflow Execution.',
  ],
  [
    'deprecatePatch',
    () => workflow.deprecatePatch('x'),
    'Workflow.patch(...) and Workflow.deprecatePatch may only be used from a Workflow Execution.',
  ],
  [
    'continueAsNew',
    () => workflow.makeContinueAsNewFunc()(),
    'Workflow.continueAsNew(...) and Workflow.makeContinueAsNewFunc(...) may only be used from a Workflow Execution.',
  ],
  [
    'allHandlersFinished',
    workflow.allHandlersFinished,
    'allHandlersFinished() may only be used from a Workflow Execution.',
  ],
  ['getCurrentDetails', workflow.getCurrentDetails, 'getCurrentDetails() may only be used from a Workflow Execution.'],
  ['log', () => workflow.log.info('x'), 'Workflow.log(...) may only be used from workflow context.'],
  [
    'getRandomStream',
    () => workflow.getRandomStream('x'),
    'Workflow.getRandomStream(...) may only be used from workflow context.',
  ],
  [
    'workflowRandom',
    () => workflow.workflowRandom.random(),
    'Workflow.workflowRandom may only be used from workflow context.',
  ],
  ['uuid4', workflow.uuid4, 'Workflow random APIs may only be used from workflow context.'],
  ['setTimeout', () => globals.setTimeout(() => undefined, 1), 'Workflow uninitialized'],
];

for (const [name, call, message] of calls) {
  test(`outside of a run ${name} throws a clear error`, () => {
    assert.throws(call, (error) => {
      assert.ok(error instanceof workflow.IllegalStateError && error instanceof common.RuntimeError);
      assert.deepEqual([error.name, error.code, error.message], ['IllegalStateError', 'ILLEGAL_STATE', message]);
      return true;
    });
  });
}

test('outside of a run there is no workflow context', () => assert.equal(workflow.inWorkflowContext(), false));

let atLoad: unknown;
workflowTest(
  'patched cannot be used at module level',
  () => {
    try {
      workflow.patched('early');
    } catch (error) {
      atLoad = error;
    }
    return { workflow: async () => undefined };
  },
  async (driver) => {
    await driver.start();
    assert.ok(atLoad instanceof common.IllegalStateError);
    assert.equal(atLoad.message, 'Patches cannot be used before Workflow starts');
  },
);

workflowTest(
  'classes that depend on garbage collection throw a DeterminismViolationError that workflow code can identify',
  () => ({
    async workflow(): Promise<void> {
      try {
        new globals.WeakRef({});
      } catch (error) {
        const isOne = error instanceof workflow.DeterminismViolationError;
        throw workflow.ApplicationFailure.nonRetryable(`${isOne} ${(error as Error).name}`);
      }
    },
  }),
  async (driver) => {
    const [failed] = await driver.start();
    assert.equal(failureOf(failed).message, 'true DeterminismViolationError');
  },
);
