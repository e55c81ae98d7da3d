// Calls that workflow code must not make: names that the engine reserves (behavior 62 of docs/behaviors.md), and
// options that nothing reads.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as workflow from '../../../sdk/workflow.ts';
import { workflowTest } from './harness.ts';

const short = { startToCloseTimeout: 1000 };
const reserved = (kind: string, name: string, prefix = '__temporal_'): object => ({
  name: 'TypeError',
  message: `Cannot use ${kind} name: '${name}', with reserved prefix: '${prefix}'`,
});

test('reserved names of task queues, activities and workflows are rejected before a run begins', () => {
  const { proxyActivities, makeContinueAsNewFunc } = workflow;
  assert.throws(() => proxyActivities({ ...short, taskQueue: '__temporal_q' }), reserved('task queue', '__temporal_q'));
  assert.throws(() => proxyActivities(short)['__temporal_a'], reserved('activity', '__temporal_a'));
  assert.throws(
    () => makeContinueAsNewFunc({ taskQueue: '__reprise_q' }),
    reserved('task queue', '__reprise_q', '__reprise_'),
  );
  assert.throws(() => makeContinueAsNewFunc({ workflowType: '__temporal_w' }), reserved('workflow', '__temporal_w'));
});

test('a definition takes no options', () => {
  type Define = (name: string, options: Record<string, never>) => unknown;
  for (const define of [workflow.defineSignal, workflow.defineQuery, workflow.defineUpdate] as Define[]) {
    const options = { typeInfo: {} } as unknown as Record<string, never>;
    assert.throws(() => define('x', options), {
      code: 'INVALID_INPUT',
      message: `${define.name} has no option "typeInfo". It takes none.`,
    });
  }
});

const refused: [string, () => unknown, object][] = [
  [
    'a child without a name',
    () => workflow.startChild(async () => undefined),
    { code: 'INVALID_INPUT', message: /^startChild: the workflow function has no name\. Pass the function/ },
  ],
  ['a child of a reserved type', () => workflow.startChild('__temporal_w'), reserved('workflow', '__temporal_w')],
  [
    'a child on a reserved task queue',
    () => workflow.executeChild('w', { taskQueue: '__temporal_q' }),
    reserved('task queue', '__temporal_q'),
  ],
  [
    'an activity of a reserved type',
    () => workflow.scheduleActivity('__temporal_a', [], short),
    reserved('activity', '__temporal_a'),
  ],
  [
    'an option of a child that is not supported yet',
    () => workflow.startChild('w', { eventGroups: [] } as object),
    { code: 'INVALID_INPUT', message: /^A child workflow has no option "eventGroups"/ },
  ],
  [
    'an option of a child’s retry policy',
    () => workflow.startChild('w', { retry: { maximumAttemps: 2 } as workflow.RetryPolicy }),
    { code: 'INVALID_INPUT', message: /^retry has no option "maximumAttemps". Did you mean maximumAttempts\?$/ },
  ],
  [
    'a memo of a child that JSON would change',
    () => workflow.startChild('w', { memo: { a: new Map() } }),
    { code: 'NOT_SERIALISABLE', message: /^memo\.a is an instance of Map/ },
  ],
  [
    'a memo that JSON would change',
    () => workflow.upsertMemo({ a: [Number.NaN] }),
    { code: 'NOT_SERIALISABLE', message: /^memo\.a\[0\] is NaN/ },
  ],
  [
    'a memo of the next run that JSON would change',
    () => workflow.makeContinueAsNewFunc({ memo: { a: { b: () => 1 } } }),
    { code: 'NOT_SERIALISABLE', message: /^memo\.a\.b is a function/ },
  ],
  [
    'an option of sleep',
    () => workflow.sleep(1, { eventGroups: [] } as object),
    { code: 'INVALID_INPUT', message: 'sleep has no option "eventGroups". Known options: summary.' },
  ],
  [
    'an option of condition',
    () => workflow.condition(() => true, 1, { sumary: 'x' } as object),
    { code: 'INVALID_INPUT', message: /^condition has no option "sumary". Did you mean summary\?$/ },
  ],
  [
    'an option of a handler of another kind',
    () => workflow.setHandler(workflow.defineQuery('q'), () => 1, { validator: () => undefined } as object),
    {
      code: 'INVALID_INPUT',
      message: 'setHandler has no option "validator". Known options: description.',
    },
  ],
  [
    'an unknown unfinishedPolicy',
    () => workflow.setHandler(workflow.defineSignal('s'), () => undefined, { unfinishedPolicy: 'WARN' as 'ABANDON' }),
    { name: 'TypeError', message: "Invalid unfinishedPolicy: 'WARN'. Expected WARN_AND_ABANDON or ABANDON" },
  ],
  [
    'an option of a signal',
    () => workflow.getExternalWorkflowHandle('w').signalWithOptions('s', { args: [], typeInfo: {} } as { args: [] }),
    { code: 'INVALID_INPUT', message: /^signalWithOptions has no option "typeInfo"/ },
  ],
];

const code = (): Record<string, unknown> => ({
  async workflow(): Promise<string[]> {
    for (const [, call, error] of refused) await assert.rejects(async () => call(), error);
    return refused.map(([name]) => name);
  },
});

workflowTest('rejected calls leave nothing in the history of their run', code, async (driver) => {
  const outputs = await driver.start();
  assert.deepEqual(
    outputs.map(({ type }) => type),
    ['WorkflowCompleted'],
  );
});
