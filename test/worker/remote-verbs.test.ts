// Verbs on activities that other workers execute, with the run's owner in memory, evicted after every turn, or gone.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Worker } from 'reprise/worker';
import type { WorkflowHandle } from 'reprise/client';
import * as tools from '../support/fixtures/tools.ts';
import { fixtureWorker, quiet, testEngine, type TestEngine } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

const slow = { retry: { initialInterval: '1 hour', maximumInterval: '1 hour' }, skippable: true };

async function withTools<T>(engine: TestEngine, queue: string, work: () => Promise<T>): Promise<T> {
  const { connection } = engine;
  const worker = await Worker.create({ connection, taskQueue: queue, activities: tools, logger: quiet });
  return worker.runUntil(work);
}

async function taskOf({ pool }: TestEngine, { runId }: WorkflowHandle): Promise<{ due: Date | null } | undefined> {
  const { rows } = await pool.query<{ due: Date | null }>(
    'select due_at as due from reprise.activity_tasks where run_id = $1',
    [runId],
  );
  return rows[0];
}

for (const [way, options] of [
  ['cached', {}],
  ['evicted after every turn', { maxCachedRuns: 0 }],
] as const) {
  describe(`an activity on another queue, its run ${way}`, () => {
    it('is not begun while the run is paused, and is begun when it is resumed', async () => {
      const engine = await testEngine(options);
      const handle = await engine.start('callRemote', ['double', [4], { taskQueue: 'quiet' }]);
      await engine.until(async () => (await taskOf(engine, handle))?.due instanceof Date);
      await handle.pause();
      await engine.until(async () => (await taskOf(engine, handle))?.due === null);
      assert.equal((await handle.describe()).pendingActivities[0]?.remote?.state, 'PAUSED');
      await withTools(engine, 'quiet', async () => {
        await handle.signal('nobody listens');
        await engine.until(async () => (await handle.history()).some(({ type }) => type === 'SignalReceived'));
        assert.ok(!(await handle.history()).some(({ type }) => type === 'ActivityCompleted'));
        await handle.resume();
        assert.equal(await handle.result(), 8);
      });
      await assertReplays(engine.connection.database, handle.runId!);
    });

    it('is attempted at once with edited arguments, or skipped', async () => {
      const engine = await testEngine(options);
      await withTools(engine, 'tools', async () => {
        const retried = await engine.start('callRemote', ['failUntil', [9], slow]);
        const skipped = await engine.start('callRemote', ['failUntil', [9], slow]);
        for (const handle of [retried, skipped]) {
          await engine.until(async () => (await handle.describe()).pendingActivities[0]?.remote?.attempt === 2);
        }
        await retried.retry({ input: [{ path: '/0', value: 2 }], actor: 'ann' });
        assert.equal(await retried.result(), 2);
        const attempt = (await retried.history()).find(({ type }) => type === 'ActivityCompleted')?.attempt;
        assert.equal(attempt, 2);
        await skipped.skip({ activity: 'failUntil#1', result: 'skipped' });
        assert.equal(await skipped.result(), 'skipped');
        for (const handle of [retried, skipped]) await assertReplays(engine.connection.database, handle.runId!);
      });
    });

    it('that runs is left alone by verbs, and its outcome is logged while the run is paused', async () => {
      const engine = await testEngine(options);
      await withTools(engine, 'tools', async () => {
        const handle = await engine.start('callRemote', ['takeLong', [1_500], slow]);
        await engine.until(async () => (await handle.describe()).pendingActivities[0]?.remote?.state === 'STARTED');
        const [activity] = (await handle.describe()).pendingActivities;
        await assert.rejects(handle.skip({ activity: activity!.seq }), { code: 'ATTEMPT_RUNNING' });
        await handle.pause();
        await engine.until(async () => (await handle.history()).some(({ type }) => type === 'ActivityCompleted'));
        assert.equal((await handle.describe()).status.name, 'PAUSED');
        await handle.resume();
        assert.equal(await handle.result(), 1);
        await assertReplays(engine.connection.database, handle.runId!);
      });
    });
  });
}

it('verbs change a run that no worker has, and the next worker continues from there', async () => {
  const engine = await testEngine();
  const taskQueue = 'deserted';
  const worker = await fixtureWorker(engine.connection, taskQueue);
  const start = (args: unknown[]): Promise<WorkflowHandle> =>
    engine.client.workflow.start('callRemote', { workflowId: `w ${String(args[0])}`, taskQueue, args });
  let handles: WorkflowHandle[] = [];
  await worker.runUntil(async () => {
    handles = [
      await start(['failTimes', [1000], { ...slow, taskQueue }]),
      await start(['double', [1], { ...slow, taskQueue: 'nobody' }]),
    ];
    await engine.until(async () => (await handles[0]!.describe()).pendingActivities[0]?.lastFailure !== null);
    await engine.until(async () => (await taskOf(engine, handles[1]!)) !== undefined);
  });
  const [failed, waiting] = handles as [WorkflowHandle, WorkflowHandle];
  for (const handle of handles) await engine.until(async () => (await handle.describe()).owner === undefined);
  const paused = await failed.pause({ reason: 'look at it', actor: 'ann' });
  assert.equal((await failed.describe()).status.name, 'PAUSED');
  await failed.skip({ activity: 'failTimes#1', result: 'given', actor: 'ann' });
  const types = (await failed.history()).slice(paused.seq - 1).map(({ type }) => type);
  assert.deepEqual(types, ['WorkflowPaused', 'RecoveryApplied', 'ActivityCompleted', 'WorkflowTaskDeferred']);
  await assert.rejects(failed.skip({ activity: 'failTimes#1', result: 'again' }), { code: 'ACTIVITY_ALREADY_ENDED' });
  await failed.resume();
  await waiting.skip({ activity: 'double#1', result: 'skipped' });
  assert.equal(await taskOf(engine, waiting), undefined);
  const next = await fixtureWorker(engine.connection, taskQueue);
  assert.deepEqual(await next.runUntil(Promise.all(handles.map((handle) => handle.result()))), ['given', 'skipped']);
  for (const handle of handles) {
    await assertReplays(engine.connection.database, handle.runId!);
    const { rows } = await engine.pool.query('select ok, problem from reprise_audit.verify($1)', [handle.runId]);
    assert.deepEqual(rows, [{ ok: true, problem: null }]);
  }
});
