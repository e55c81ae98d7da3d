// The runs and updates that handles find by workflow id, by run id and by chain.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Client,
  WorkflowClient,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from 'reprise/client';
import { fixtureWorker, testEngine } from '../support/engine.ts';

const engine = await testEngine();
const { client, connection, taskQueue } = engine;
const { workflow } = client;

const notFound = (error: unknown): boolean => error instanceof WorkflowNotFoundError;
const updateNotFound = (id: string): { code: string; message: RegExp } => ({
  code: 'RUN_NOT_FOUND',
  message: new RegExp(`^workflow update not found: ${id} `),
});

test('the client gives the result of a workflow id, of a run, and of a chain', async () => {
  const { runId } = await engine.start('greet', ['ada'], 'asked');
  assert.equal(await workflow.result('asked'), 'Hello, ada!');
  assert.equal(await workflow.result('asked', runId, { followRuns: false }), 'Hello, ada!');
  await assert.rejects(workflow.result('unknown'), notFound);
  await assert.rejects(workflow.result('asked', undefined, { folowRuns: true } as object), { code: 'INVALID_INPUT' });
});

test('a handle knows its client', async () => {
  const handle = await engine.start('greet', ['bo']);
  const typed: WorkflowClient = handle.client; // the type is the whole client
  assert.equal(typed, workflow);
  assert.equal(await handle.client.getHandle(handle.workflowId).result(), 'Hello, bo!');
});

test('a run of another workflow id or namespace is not found', async () => {
  const { runId } = await engine.start('waitsForEver', [], 'mine');
  const other = workflow.getHandle('yours', runId);
  const elsewhere = new Client({ connection, namespace: 'elsewhere' }).workflow.getHandle('mine', runId);
  for (const handle of [other, elsewhere]) {
    await assert.rejects(handle.signal('note'), notFound);
    await assert.rejects(handle.cancel(), notFound);
    await assert.rejects(handle.terminate(), notFound);
    await assert.rejects(handle.describe(), notFound);
    await assert.rejects(handle.result(), notFound);
  }
  const own = workflow.getHandle('mine', runId);
  await own.signal('note');
  await own.terminate('done');
  await assert.rejects(own.result(), (error: WorkflowFailedError) => {
    assert.deepEqual([error.message, error.retryState], ['done', 'NON_RETRYABLE_FAILURE']);
    return true;
  });
});

test('a handle to a chain ignores later runs of its workflow id', async () => {
  const first = await engine.start('countOn', [1], 'chained');
  const chain = workflow.getHandle('chained', undefined, { firstExecutionRunId: first.runId });
  assert.equal(chain.firstExecutionRunId, first.runId);
  await chain.terminate();
  const { runId } = await engine.start('waitsForEver', [], 'chained');
  await assert.rejects(chain.terminate(), notFound);
  await assert.rejects(chain.cancel(), notFound);
  const ofOther = workflow.getHandle('chained', runId, { firstExecutionRunId: first.runId });
  await assert.rejects(ofOther.terminate(), notFound);
  assert.equal((await workflow.getHandle('chained').describe()).status.name, 'RUNNING');
  await workflow.getHandle('chained', runId, { firstExecutionRunId: runId }).terminate();
  assert.throws(() => workflow.getHandle('w', undefined, { firstExecutionRunId: 'x' }), { code: 'INVALID_INPUT' });
});

test('without a run id, an update of the latest run is found', async () => {
  const handle = await engine.start('cart');
  await handle.executeUpdate('addItem', { args: ['pen'], updateId: 'u' });
  const update = workflow.getHandle(handle.workflowId).getUpdateHandle('u');
  assert.equal(update.workflowRunId, undefined);
  assert.equal(await update.result(), 1);
});

test('an update of another workflow’s run is not found', async () => {
  const [mine, yours] = await Promise.all([engine.start('cart'), engine.start('cart')]);
  await yours.executeUpdate('addItem', { args: ['pen'], updateId: 'yours' });
  const { runId: workflowRunId } = yours as { runId: string };
  await assert.rejects(mine.getUpdateHandle('yours', { workflowRunId }).result(), notFound);
  await assert.rejects(workflow.getHandle(mine.workflowId, workflowRunId).getUpdateHandle('yours').result(), notFound);
  const elsewhere = new Client({ connection, namespace: 'elsewhere' }).workflow.getHandle(yours.workflowId);
  await assert.rejects(elsewhere.getUpdateHandle('yours', { workflowRunId }).result(), notFound);
  assert.equal(await yours.getUpdateHandle('yours', { workflowRunId }).result(), 1);
  for (const handle of [mine, yours]) await handle.terminate();
});

test('an update is found in any run of the chain', async () => {
  const first = await engine.start('cartOfRuns', [], 'carts');
  const runs = async (): Promise<string> => (await workflow.getHandle('carts').describe()).runId;
  for (const [i, updateId] of ['a', 'b'].entries()) {
    assert.equal(await first.executeUpdate('addItem', { args: [updateId], updateId }), i + 1);
    const before = await runs();
    await first.signal('finish');
    await engine.until(async () => (await runs()) !== before);
  }
  for (const handle of [first, workflow.getHandle('carts')]) {
    assert.equal(await handle.getUpdateHandle('a').result(), 1);
    assert.equal(await handle.getUpdateHandle('b').result(), 2);
    await assert.rejects(handle.getUpdateHandle('c').result(), updateNotFound('c'));
  }
  const ofFirst = workflow.getHandle('carts', first.runId);
  assert.equal(await ofFirst.getUpdateHandle('a').result(), 1);
  await assert.rejects(ofFirst.getUpdateHandle('b').result(), notFound);
  await first.terminate();
});

test('an unknown update is not found; a handle waits for an update that no worker has read yet', async () => {
  const queue = 'unserved';
  const handle = await workflow.start('cart', { workflowId: queue, taskQueue: queue, args: [] });
  await assert.rejects(handle.getUpdateHandle('unsent').result(), updateNotFound('unsent'));
  const sent = ['good', 'bad'].map((updateId) =>
    handle.executeUpdate('addItem', { args: [updateId === 'bad' ? '' : 'pen'], updateId }),
  );
  await engine.until(async () => (await handle.describe()).unreadMail === 2);
  const asked = ['good', 'bad'].map((id) => workflow.getHandle(queue).getUpdateHandle(id).result());
  const answers = Promise.all([sent, asked].map((results) => Promise.allSettled(results)));
  const worker = await fixtureWorker(connection, queue);
  const running = worker.run();
  const [told, seen] = await answers;
  assert.deepEqual(
    [told![0], seen![0]],
    [1, 1].map((value) => ({ status: 'fulfilled', value })),
  );
  assert.ok(told![1]?.status === 'rejected' && told![1].reason instanceof WorkflowUpdateFailedError);
  // The other handle receives the rejection only if it reads the answer before the sender does.
  const rejected = seen![1]?.status === 'rejected' && (seen![1].reason as Error);
  assert.ok(rejected instanceof WorkflowUpdateFailedError || notFound(rejected));
  await handle.terminate();
  worker.shutdown();
  await running;
});

test('a WorkflowClient can be created without a Client', async () => {
  const alone = new WorkflowClient({ connection });
  assert.equal(await alone.execute('greet', { workflowId: 'alone', taskQueue, args: ['cy'] }), 'Hello, cy!');
  assert.throws(() => new WorkflowClient({ connection, interceptors: [] } as { connection: typeof connection }), {
    code: 'INVALID_INPUT',
  });
});

test('lists and descriptions contain a run’s length, parent, root and execution time', async () => {
  const workflowId = 'told';
  const handle = await workflow.start('greet', { workflowId, taskQueue, args: ['di'], startDelay: 50 });
  await handle.result();
  const described = await handle.describe();
  const listed = [];
  for await (const run of workflow.list({ query: `WorkflowId = '${workflowId}'` })) listed.push(run);
  const { historyLength, executionTime, parentExecution, rootExecution, startTime } = listed[0]!;
  assert.equal(listed.length, 1);
  assert.equal(historyLength, (await handle.history()).length);
  assert.equal(executionTime.getTime() - startTime.getTime(), 50);
  assert.deepEqual([parentExecution, rootExecution], [undefined, { workflowId, runId: handle.runId }]);
  assert.deepEqual([described.historyLength, described.executionTime], [historyLength, executionTime]);
  assert.deepEqual(described.rootExecution, rootExecution);
  assert.ok(described.historySize > historyLength * 100, String(described.historySize));
});
