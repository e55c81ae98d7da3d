// Forks of runs on the real engine: what a fork sees, what it leaves alone, and everything that depends on its start.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { terminateUnowned } from '../../runtime/store/runs/close-run.ts';
import { nextRun } from '../../runtime/store/runs/runs.ts';
import { fixtureBundle } from '../support/bundles.ts';
import { testEngine } from '../support/engine.ts';
import { forkPoints, Forks } from '../support/forks.ts';
import { assertReplays } from '../support/replays.ts';

// Without a cache, a run that waits has no owner, and can be forked at once.
const engine = await testEngine({ workflowBundle: await fixtureBundle('forks.ts'), maxCachedWorkflows: 0 });
const { database } = engine.connection;
const forks = new Forks(engine);

test('a fork of a closed run at any point completes, replays, and leaves its origin alone', async () => {
  const origin = await engine.start('steps', [3]);
  const result = await origin.result();
  const events = await forks.historyOf(origin.runId!);
  for (const point of forkPoints(events)) {
    const handle = await forks.fork(origin.runId!, point, { verb: 'fork', workflowId: randomUUID() });
    assert.deepEqual(await handle.result(), result);
    const forked = await forks.historyOf(handle.runId!);
    assert.deepEqual(
      forked.map(({ seq }) => seq),
      forked.map((_, i) => i + 1),
    );
    assert.deepEqual(forked.slice(0, point), events.slice(0, point));
    assert.equal(forked[point]?.type, 'WorkflowForked');
    await forks.assertVerified(handle.runId!);
    await assertReplays(database, handle.runId!, 'forks.ts');
  }
  assert.deepEqual(await forks.historyOf(origin.runId!), events);
});

test('workflow code has the identity of the origin before the fork and that of the fork behind it', async () => {
  const origin = await engine.start('identities', []);
  const before = (await origin.result()) as string[][];
  const point = await forks.seqOf(origin.runId!, ({ type }) => type === 'ActivityScheduled');
  const handle = await forks.fork(origin.runId!, point, { verb: 'fork', workflowId: 'another id' });
  const after = (await handle.result()) as string[][];
  assert.deepEqual(after[0], before[0]);
  assert.deepEqual(after[1]!.slice(0, 2), [handle.runId, 'another id']);
  assert.notEqual(after[1]![2], before[1]![2]);
  await assertReplays(database, handle.runId!, 'forks.ts');
});

test('a fork continues as new, from each run of a chain, with the context of its own history', async () => {
  const origin = await engine.start('chained', [2]);
  assert.equal(await origin.result(), 3);
  let runId: string | undefined = origin.runId;
  const runIds: string[] = [];
  for (; runId !== undefined; runId = (await nextRun(database, runId))?.run_id) runIds.push(runId);
  assert.equal(runIds.length, 3);
  for (const id of runIds) {
    for (const point of forkPoints(await forks.historyOf(id))) {
      const handle = await forks.fork(id, point, { verb: 'fork', workflowId: randomUUID() });
      assert.equal(await handle.result(), 3);
      await forks.assertVerified(handle.runId!);
      const next = await nextRun(database, handle.runId!);
      assert.equal(next?.workflow_id ?? handle.workflowId, handle.workflowId);
    }
  }
});

test('a fork of a failed attempt fails again and is retried', async () => {
  const origin = await engine.client.workflow.start('failsFirst', {
    ...{ workflowId: randomUUID(), taskQueue: engine.taskQueue, args: [] },
    retry: { maximumAttempts: 2, initialInterval: 1 },
  });
  assert.equal(await origin.result(), 2);
  const point = await forks.seqOf(origin.firstExecutionRunId, ({ type }) => type === 'ActivityScheduled');
  const handle = await forks.fork(origin.firstExecutionRunId, point);
  assert.equal(await handle.result(), 2);
  const next = await nextRun(database, handle.runId!);
  assert.equal(next?.workflow_id, origin.workflowId);
  assert.equal(await origin.result(), 2); // follows the fork
  assert.equal((await nextRun(database, origin.firstExecutionRunId))?.run_id, handle.runId);
});

test('a fork of a run of a schedule takes the place of the next one, and the schedule goes on', async () => {
  const origin = await engine.client.workflow.start('counts', {
    ...{ workflowId: randomUUID(), taskQueue: engine.taskQueue, args: [], cronSchedule: '@every 1s' },
  });
  await forks.logged(origin.firstExecutionRunId, ({ type }) => type === 'WorkflowCompleted');
  const waiting = await nextRun(database, origin.firstExecutionRunId);
  const point = await forks.seqOf(origin.firstExecutionRunId, ({ type }) => type === 'ActivityScheduled');
  const handle = await forks.fork(origin.firstExecutionRunId, point);
  await forks.logged(handle.runId!, ({ type }) => type === 'WorkflowCompleted');
  assert.equal((await nextRun(database, handle.runId!))?.workflow_id, origin.workflowId);
  const replaced = await engine.client.workflow.getHandle(origin.workflowId, waiting!.run_id).describe();
  assert.ok(['ROLLED_BACK', 'COMPLETED'].includes(replaced.status.name));
  await engine.client.workflow.getHandle(origin.workflowId).terminate();
});

test('the run timeout of a fork counts from the fork', async () => {
  const origin = await engine.client.workflow.start('collects', {
    ...{ workflowId: randomUUID(), taskQueue: engine.taskQueue, args: [], workflowRunTimeout: '2 seconds' },
  });
  const point = await forks.logged(origin.firstExecutionRunId, ({ type }) => type === 'ActivityScheduled');
  await assert.rejects(origin.result(), /timed out/);
  const handle = await forks.fork(origin.firstExecutionRunId, point);
  await assert.rejects(handle.result(), /timed out/);
  const [forked, last] = await Promise.all([
    forks.historyOf(handle.runId!).then((events) => events[point]!),
    forks.historyOf(handle.runId!).then((events) => events.at(-1)!),
  ]);
  assert.equal(last.type, 'WorkflowTimedOut');
  assert.ok(last.at - forked.at >= 2_000_000);
  await forks.assertVerified(handle.runId!);
});

test('a fork without a worker can be terminated', async () => {
  const handle = await engine.client.workflow.start('collects', {
    workflowId: randomUUID(),
    taskQueue: 'nobody polls this',
    args: [],
  });
  const fork = await forks.fork(handle.firstExecutionRunId, 1);
  assert.equal(await terminateUnowned(database, fork.runId!, 'enough'), 'ended');
  await forks.assertVerified(fork.runId!);
  await assert.rejects(handle.result(), /enough/);
});

test('a fork of an open child answers the parent, once', async () => {
  const childId = randomUUID();
  const parent = await engine.start('parentOf', [childId]);
  const child = engine.client.workflow.getHandle(childId);
  const runId = await engine.until(async () => (await child.describe().catch(() => undefined))?.runId);
  const point = await forks.logged(runId, ({ type }) => type === 'ActivityScheduled');
  await forks.logged(runId, ({ type }) => type === 'ActivityCompleted');
  const fork = await forks.fork(runId, point);
  assert.equal((await engine.client.workflow.getHandle(childId, runId).describe()).status.name, 'ROLLED_BACK');
  await fork.signal('go', 'end');
  assert.deepEqual(await parent.result(), ['end']);
  assert.equal((await fork.describe()).parentExecution?.runId, parent.runId);
});

test('a fork answers queries, is listed, and is found under its workflow id', async () => {
  const origin = await engine.start('collects', []);
  const point = await forks.logged(origin.runId!, ({ type }) => type === 'ActivityCompleted');
  await origin.signal('go', 'before');
  await forks.logged(origin.runId!, ({ type }) => type === 'SignalReceived');
  const events = await forks.historyOf(origin.runId!);
  const fork = await forks.fork(origin.runId!, events.find(({ seq, hash }) => seq >= point && hash !== null)!.seq);
  assert.deepEqual(await fork.query('words'), []);
  const listed = [];
  const query = `WorkflowId = '${origin.workflowId}' AND ExecutionTime > '2000-01-01T00:00:00Z'`;
  for await (const run of engine.client.workflow.list({ query })) listed.push([run.runId, run.status.name]);
  assert.deepEqual(listed, [
    [fork.runId, 'RUNNING'],
    [origin.runId, 'ROLLED_BACK'],
  ]);
  await engine.client.workflow.getHandle(origin.workflowId).signal('go', 'end');
  assert.deepEqual(await origin.result(), ['end']);
});

test('a repeated request returns the fork that is there', async () => {
  const origin = await engine.start('steps', [1]);
  await origin.result();
  const requestId = randomUUID();
  const made = await Promise.all([1, 2, 3].map(() => forks.fork(origin.runId!, 1, { requestId })));
  assert.equal(new Set(made.map(({ runId }) => runId)).size, 1);
});

test('a fork that exists only for comparison is in no list', async () => {
  const origin = await engine.start('steps', [1], randomUUID());
  await origin.result();
  const copy = await forks.fork(origin.runId!, 1, { verb: 'fork', workflowId: randomUUID() });
  await copy.result();
  const query = `WorkflowId = '${copy.workflowId}'`;
  assert.equal((await engine.client.workflow.count(query)).count, 1);
  await engine.pool.query("update reprise.runs set kind = 'replay' where run_id = $1", [copy.runId]);
  assert.equal((await engine.client.workflow.count(query)).count, 0);
});
