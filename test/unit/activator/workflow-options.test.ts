// Options of a workflow function in this realm: how they are checked, when a getter is called, which errors they
// affect.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ApplicationFailure,
  defineWorkflowOptions,
  setWorkflowOptions,
  sleep,
  type WorkflowDefinitionOptions,
  workflowInfo,
} from 'reprise/workflow';
import { isConfiguredFailure } from '../../../runtime/activator/info/workflow-options.ts';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import { Driver, failureOf, fired, workflowTest } from './harness.ts';

test('invalid workflow options are rejected', () => {
  const fn = async (): Promise<void> => undefined;
  const cases: [unknown, RegExp][] = [
    [null, /the options are null/],
    [{ versioningBehavior: 'pinned' }, /versioningBehavior is the text "pinned", expected PINNED or AUTO_UPGRADE/],
    [{ versioningBehavoir: 'PINNED' }, /no option "versioningBehavoir". Did you mean versioningBehavior\?/],
    [{ failureExceptionTypes: ['Error'] }, /failureExceptionTypes\.0 is the text "Error", expected an error class/],
  ];
  for (const [options, message] of cases) {
    const given = options as WorkflowDefinitionOptions;
    assert.throws(() => setWorkflowOptions(given, fn), { code: 'INVALID_INPUT', message });
  }
  assert.throws(() => setWorkflowOptions({}, 'fn' as unknown as typeof fn), /the workflow is the text "fn"/);
  assert.equal(defineWorkflowOptions({ versioningBehavior: 'PINNED' }, fn), fn);
});

test('an error counts as a failure by its class, its name, or the name of a superclass', () => {
  class Above extends Error {}
  class Below extends Above {}
  const violation = new RuntimeError('DETERMINISM', 'WeakRef');
  assert.ok(isConfiguredFailure(new Below(), [Above], undefined));
  assert.ok(isConfiguredFailure(new Below(), undefined, ['Above']));
  assert.ok(isConfiguredFailure('no error at all', undefined, ['Error']));
  assert.ok(isConfiguredFailure('no error at all', [Error], undefined));
  assert.ok(isConfiguredFailure(violation, undefined, ['NondeterminismError']));
  assert.ok(!isConfiguredFailure(new Above(), [Below], ['Below']));
  assert.ok(!isConfiguredFailure(null, [Below], ['Below']));
  assert.ok(!isConfiguredFailure(new TypeError(), [], undefined));
});

/** Runs `workflow` with these options. */
function withOptions(options: Parameters<typeof setWorkflowOptions>[0], workflow: () => Promise<unknown>) {
  return () => ({ workflow: defineWorkflowOptions(options, async () => workflow()) });
}

let asked = 0;
workflowTest(
  'a getter is called once per run and may use workflowInfo()',
  withOptions(
    () => {
      asked += 1;
      return { versioningBehavior: workflowInfo().workflowId === 'order-1' ? 'PINNED' : 'AUTO_UPGRADE' };
    },
    async () => {
      await sleep(1);
      await sleep(1);
    },
  ),
  async (driver) => {
    assert.equal(driver.run.versioningBehavior, undefined);
    asked = 0;
    const [timer] = await driver.start();
    const [next] = await driver.turn(fired(timer!.seq));
    await driver.turn(fired(next!.seq));
    assert.deepEqual([driver.run.versioningBehavior, asked], ['PINNED', 1]);
  },
);

workflowTest(
  'an error of a named class fails the run',
  withOptions({ failureExceptionTypes: [RangeError] }, () => Promise.reject(new RangeError('too far'))),
  async (driver) => {
    const failure = failureOf((await driver.start()).at(-1));
    assert.ok(failure instanceof ApplicationFailure);
    assert.deepEqual([failure.type, failure.message], ['RangeError', 'too far']);
  },
);

test('a getter that throws or returns invalid options fails the task', async () => {
  const cases: [() => WorkflowDefinitionOptions, RegExp][] = [
    [
      () => {
        throw new TypeError('a bug');
      },
      /a bug/,
    ],
    [() => ({ versioningBehavior: 'ELSEWHERE' }) as unknown as WorkflowDefinitionOptions, /versioningBehavior is/],
  ];
  for (const [getter, message] of cases) {
    const driver = new Driver(
      withOptions(getter, async () => undefined),
      'workflow',
    );
    const result = await driver.attempt(driver.started());
    assert.ok(!result.ok);
    assert.match(result.failure.message, message);
  }
});
