// describe() shows a failed workflow task with its cause, the line of the user's code, and the next try.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { join } from 'node:path';
import { Client, Connection, type WorkflowExecutionDescription, type WorkflowHandle } from 'reprise/client';
import { Worker } from 'reprise/worker';
import { writePackage } from '../unit/sandbox/workflow-files.ts';
import { testDatabase } from '../support/database.ts';
import { quiet, until } from '../support/engine.ts';

const database = await testDatabase();
const connection = await Connection.connect({ connectionString: database.url });
after(() => connection.close());
const client = new Client({ connection });

const head = `import { condition, defineContext, defineQuery, defineSignal, proxyActivities, setHandler, sleep } from 'reprise/workflow';
const { charge, refund, flaky } = proxyActivities<Record<string, (n?: number) => Promise<void>>>({ startToCloseTimeout: '1m' });
`;
const activities = {
  charge: async () => undefined,
  refund: async () => undefined,
  flaky: async () => {
    throw new Error('flaky');
  },
};

/** Runs a worker with this code for the duration of `work`. */
async function withCode<T>(taskQueue: string, body: string, work: () => Promise<T>): Promise<T> {
  const workflowsPath = join(writePackage({ 'src/workflows.ts': head + body }), 'src/workflows.ts');
  const options = { connection, taskQueue, workflowsPath, activities, logger: quiet, deadlockTimeoutMs: 100 };
  return (await Worker.create(options)).runUntil(work);
}

type TaskFailure = NonNullable<WorkflowExecutionDescription['taskFailure']>;

function failureOf(handle: WorkflowHandle, attempt = 1): Promise<TaskFailure> {
  return until(async () => {
    const { taskFailure } = await handle.describe();
    return taskFailure !== undefined && taskFailure.attempt >= attempt && taskFailure;
  });
}

/** [workflow, error code, message, position in the code] */
const failures: [string, string, RegExp, string | undefined][] = [
  ['throws', 'WORKFLOW_ERROR', /^TypeError: a bug$/, 'broken (src/workflows.ts:3:34)'],
  ['rejects', 'WORKFLOW_ERROR', /^Unhandled Promise rejection: RangeError: nobody$/, 'rejects (src/workflows.ts:5:55)'],
  ['patches', 'CONTEXT_PATCH_INVALID', /Context patch, operation 0/, 'patches (src/workflows.ts:13:12)'],
  ['handler', 'WORKFLOW_ERROR', /^a bug in a handler$/, 'src/workflows.ts:7:48'],
  [
    'loops',
    'DEADLOCK',
    /^Workflow code computed for more than 100 ms without waiting: run \S+ was interrupted at loops \(src\/workflows\.ts:10:\d+\)\. /,
    undefined,
  ],
  [
    'nowhere',
    'WORKFLOW_TYPE_NOT_FOUND',
    /^Failed to initialize workflow of type 'nowhere': no such function is exported by the workflow bundle/,
    undefined,
  ],
];
const failing = `function broken(): never { throw new TypeError('a bug'); }
export async function throws() { await sleep(1); broken(); }
export async function rejects() { void Promise.reject(new RangeError('nobody')); await sleep(1000); }
export async function handler() {
  setHandler(defineSignal('go'), () => { throw new Error('a bug in a handler'); });
  await condition(() => false);
}
export async function loops() { for (;;) {} }
const document = defineContext({ n: 1 });
export async function patches() {
  document.patch({ op: 'replace', path: '/nope/x', value: 1 });
}
`;

for (const [type, code, message, place] of failures) {
  test(`a failed task is described: ${type}`, async () => {
    await withCode(type, failing, async () => {
      const handle = await client.workflow.start(type, { workflowId: type, taskQueue: type });
      if (type === 'handler') await handle.signal('go');
      const failure = await failureOf(handle);
      assert.deepEqual([failure.code, failure.cause, failure.attempt], [code, 'WORKFLOW_WORKER_UNHANDLED_FAILURE', 1]);
      assert.match(failure.message, message);
      if (place !== undefined) assert.equal(failure.place, place);
      assert.equal(failure.nextAttempt.getTime() - failure.at.getTime(), 1000);
      assert.equal((await handle.describe()).status.name, 'RUNNING');
      await handle.terminate();
    });
  });
}

test('other events of a run do not hide its failed task', async () => {
  const body = `export async function beside() {
  void flaky().catch(() => undefined);
  await sleep(1);
  throw new Error('a bug beside an activity');
}`;
  await withCode('beside', body, async () => {
    const handle = await client.workflow.start('beside', { workflowId: 'beside', taskQueue: 'beside' });
    await failureOf(handle);
    await until(async () => (await handle.describe()).pendingActivities.some(({ attempt }) => attempt > 2));
    assert.match((await handle.describe()).taskFailure?.message ?? '', /a bug beside/);
    await handle.terminate();
  });
});

test('a divergence is described in full, and fixed code lets the run continue', async () => {
  const was = `export async function order() {
  setHandler(defineQuery('at'), () => 'charging');
  await charge(5);
  await condition(() => false);
}`;
  const taskQueue = 'diverging';
  const handle = await withCode(taskQueue, was, async () => {
    const started = await client.workflow.start('order', { workflowId: 'diverging', taskQueue });
    await until(async () => (await started.describe()).historyLength >= 3);
    return started;
  });
  await withCode(taskQueue, was.replace('await charge(5)', 'await refund(6)'), async () => {
    await handle.signal('anything');
    const failure = await failureOf(handle);
    assert.deepEqual(
      [failure.code, failure.cause, failure.place],
      ['DETERMINISM', 'NON_DETERMINISTIC_ERROR', 'order (src/workflows.ts:5:9)'],
    );
    assert.equal(
      failure.message,
      `Nondeterminism error at event 2 (ActivityScheduled): the history holds ActivityScheduled of activity 'charge' with id '1', but the workflow code produced ActivityScheduled of activity 'refund' with id '1'.
The code issues the same kind of command with another name.
Issued at: order (src/workflows.ts:5:9)
Events before it, which the code followed:
  1 WorkflowStarted 'order'
What to do: keep the code as it was for open runs: if (patched('a-name-for-this-change')) { new code } else { old code }; or deploy the code that wrote the history until its runs have ended; or, if the code did not change, look for a query handler that changes state of the workflow.`,
    );
    await assert.rejects(handle.query('at'), { message: failure.message });
    await assert.rejects(handle.query('__stack_trace'), { message: failure.message });
    const { events } = await handle.fetchHistory();
    const failed = events.find(({ eventType }) => eventType === 'WorkflowTaskFailed');
    const { cause, failure: told } = failed?.['workflowTaskFailedEventAttributes'] as Record<string, unknown>;
    assert.equal(cause, 'WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR');
    assert.equal((told as { message: string }).message, failure.message);
    await failureOf(handle, 2);
  });
  await withCode(taskQueue, was, async () => {
    await until(async () => (await handle.describe()).taskFailure === undefined);
    assert.equal(await handle.query('at'), 'charging');
    await handle.terminate();
  });
});

test('a stack trace works with the activities that the worker has', async () => {
  const body = `import { proxyLocalActivities } from 'reprise/workflow';
const { missing } = proxyLocalActivities<{ missing(): Promise<void> }>({ startToCloseTimeout: '1m' });
export async function without() {
  await missing().catch(() => undefined);
  await sleep('1 day');
}`;
  await withCode('without', body, async () => {
    const handle = await client.workflow.start('without', { workflowId: 'without', taskQueue: 'without' });
    const trace = '    at sleep (reprise/workflow)\n    at without (src/workflows.ts:7:9)';
    assert.equal(await handle.query('__stack_trace'), trace);
    await handle.terminate();
  });
});
