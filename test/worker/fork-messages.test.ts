// What people and clients send to runs that are forked: each message counts once, in order, and its sender gets an answer.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { WorkflowHandle } from 'reprise/client';
import { fixtureBundle } from '../support/bundles.ts';
import { fixtureWorker, testEngine } from '../support/engine.ts';
import { handedOver } from '../support/fixtures/activities.ts';
import { Forks } from '../support/forks.ts';
import { assertReplays } from '../support/replays.ts';

const workflowBundle = await fixtureBundle('forks.ts');
const engine = await testEngine({ workflowBundle });
const { client, connection, until } = engine;
const forks = new Forks(engine);
const person = { reason: 'approved', actor: 'Ada' };

function latest({ workflowId }: WorkflowHandle): WorkflowHandle {
  return client.workflow.getHandle(workflowId);
}

async function headOf(runId: string): Promise<number> {
  return (await forks.historyOf(runId)).at(-1)!.seq;
}

async function completed(runId: string, count: number): Promise<void> {
  await until(async () => {
    return (await forks.historyOf(runId)).filter(({ type }) => type === 'ActivityCompleted').length >= count;
  });
}

/** Starts a run and waits until it waits for its messages. */
async function waiting(): Promise<WorkflowHandle> {
  const handle = await engine.start('approved', [], randomUUID());
  await completed(handle.runId!, 2);
  return handle;
}

async function waitsForClient(key: string): Promise<string> {
  const token = await until(async () => handedOver.get(`${key} 1`));
  const left = 'select from reprise.activity_tasks where worker is null and due_at is null and started_at is not null';
  await until(async () => ((await engine.pool.query(left)).rowCount ?? 0) > 0);
  return token;
}

for (const [reapply, expected] of [
  [true, [1]],
  [false, []],
] as const) {
  test(`a person's patch right behind a result is ${reapply ? 'applied again once' : 'dropped'} when reapply is ${reapply}`, async () => {
    const key = randomUUID();
    const handle = await engine.start('handsOverTwice', [key], key);
    const tokens = [await waitsForClient(`${key} a`), await waitsForClient(`${key} b`)];
    const point = await headOf(handle.runId!);
    await client.activity.complete(Buffer.from(tokens[0]!, 'base64'), 'a');
    await completed(handle.runId!, 1);
    await handle.patchContext({ op: 'add', path: '/done/-', value: 1 }, person);
    const { runId } = await handle.rollback({ toSeq: point, reapply });
    await client.activity.complete(Buffer.from(tokens[1]!, 'base64'), 'b');
    await latest(handle).signal('go', 'end');
    assert.deepEqual(await handle.result(), expected);
    await assertReplays(connection.database, runId, 'forks.ts');
  });
}

test('an update that completed before the point has its outcome in the fork, also when it is sent again', async () => {
  const handle = await waiting();
  assert.equal(await handle.executeUpdate('double', { args: [21], updateId: 'once' }), 42);
  await handle.rollback({ toSeq: await headOf(handle.runId!) });
  assert.equal(await latest(handle).getUpdateHandle('once').result(), 42);
  assert.equal(await latest(handle).executeUpdate('double', { args: [21], updateId: 'once' }), 42);
  await latest(handle).signal('go', 'end');
  assert.deepEqual(await handle.result(), ['21', 'end']);
});

for (const by of ['token', 'id', 'id of the closed run'] as const) {
  test(`a client completes an activity of a forked run by its ${by}`, async () => {
    const key = randomUUID();
    const handle = await engine.start('handsOver', [key], key);
    const token = await waitsForClient(key);
    const scheduled = (await forks.historyOf(handle.runId!)).find(({ type }) => type === 'ActivityScheduled')!;
    const { id: activityId } = JSON.parse(scheduled.meta!) as { id: string };
    await handle.rollback({ toSeq: scheduled.seq });
    const { workflowId, runId } = handle;
    const closed = by === 'id' ? {} : { runId: runId! };
    const activity = by === 'token' ? Buffer.from(token, 'base64') : { workflowId, activityId, ...closed };
    await client.activity.heartbeat(activity, 'half');
    await client.activity.complete(activity, 'done');
    assert.equal(await handle.result(), 'done');
  });
}

test('messages that were to be applied again are not doubled when the closed origin is forked once more', async () => {
  const taskQueue = randomUUID();
  const worker = (): ReturnType<typeof fixtureWorker> => fixtureWorker(connection, taskQueue, { workflowBundle });
  const started = await (await worker()).runUntil(async () => {
    const handle = await client.workflow.start('approved', { workflowId: taskQueue, taskQueue, args: [] });
    await completed(handle.firstExecutionRunId, 2);
    await handle.patchContext({ op: 'add', path: '/done/-', value: 1 }, person);
    await handle.signal('go', 'once');
    await forks.logged(handle.firstExecutionRunId, ({ type }) => type === 'SignalReceived');
    return handle;
  });
  const origin = client.workflow.getHandle(taskQueue, started.firstExecutionRunId);
  await until(async () => (await origin.describe()).owner === undefined);
  await origin.reset({ to: 'echo#2' });
  // The fork waits for a worker with this message, the patch and the signal unread.
  await latest(origin).signal('go', 'new');
  await origin.reset({ to: 'echo#2' });
  const result = await (await worker()).runUntil(async () => {
    await latest(origin).signal('go', 'end');
    return latest(origin).result();
  });
  assert.deepEqual(result, ['once', 'new', 'end']);
  assert.deepEqual((await latest(origin).stateAt()).state, { done: [1] });
});

test('signals, updates and patches are applied again in the order of the log', async () => {
  const handle = await waiting();
  const first = (await forks.historyOf(handle.runId!)).find(({ hash }) => hash !== null)!;
  await handle.executeUpdate('double', { args: [1] });
  await handle.signal('go', 'second');
  await forks.logged(handle.runId!, ({ type }) => type === 'SignalReceived');
  await handle.executeUpdate('double', { args: [3] });
  const made = await handle.rollback({ toSeq: first.seq, reapply: true });
  await latest(handle).signal('go', 'end');
  assert.deepEqual(await handle.result(), ['1', 'second', '3', 'end']);
  const again = (await forks.historyOf(made.runId)).filter(
    ({ seq, meta }) => seq > made.seq && meta?.includes('"from"'),
  );
  assert.deepEqual(
    again.map(({ type, meta }) => [type, (JSON.parse(meta!) as { from: { runId: string } }).from.runId]),
    ['UpdateAccepted', 'SignalReceived', 'UpdateAccepted'].map((type) => [type, handle.runId]),
  );
  await assertReplays(connection.database, made.runId, 'forks.ts');
});
