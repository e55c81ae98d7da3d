// Open runs whose code changes: their context is migrated by the first new turn, older code leaves them alone, and results
// with staged patches wait for code that works. With runs cached and evicted after every turn.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { WorkflowHandle } from 'reprise/client';
import { letGo, stagings } from '../support/fixtures/activities.ts';
import { loadBundle } from '../../runtime/sandbox/bundle/bundle.ts';
import { fixtureBundle } from '../support/bundles.ts';
import { fixtureWorker, testEngine, until } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

const [one, two] = await Promise.all(
  ['context-one.ts', 'context-two.ts'].map(async (file) => loadBundle(await fixtureBundle(file))),
);
const engine = await testEngine({ workflowBundle: one! });
let queues = 0;

for (const [way, maxCachedRuns] of [
  ['cached', 100],
  ['evicted after every turn', 0],
] as const) {
  describe(`with runs ${way}`, { timeout: 60_000 }, () => {
    /** Works on a task queue with one of the two versions of the code. */
    async function withCode<T>(taskQueue: string, workflowBundle: typeof one, work: () => Promise<T>): Promise<T> {
      const options = { workflowBundle: workflowBundle!, maxCachedRuns, deadlockTimeoutMs: 200 };
      return (await fixtureWorker(engine.connection, taskQueue, options)).runUntil(work);
    }

    async function start(workflow: string, args: unknown[]): Promise<[string, WorkflowHandle]> {
      const taskQueue = `versions ${queues++}`;
      const workflowId = `${workflow} on ${taskQueue}`;
      return [taskQueue, await engine.client.workflow.start(workflow, { workflowId, taskQueue, args })];
    }

    it('the first new turn under a higher version begins with the migration; both versions replay the run', async () => {
      const [queue, handle] = await start('counts', [2]);
      await withCode(queue, one, async () => {
        await handle.signal('visit');
        await until(async () => (await stateOf(handle))['visits'] === 1);
      });
      const before = await handle.history();
      const result = await withCode(queue, two, async () => {
        assert.deepEqual(await handle.query('shape'), { names: ['Ada', 'Lovelace'], visits: 1, from: 1 });
        assert.equal((await handle.history()).length, before.length, 'a query has written');
        await handle.signal('visit');
        return handle.result();
      });
      const document = { names: ['Ada', 'Lovelace'], visits: 2, from: 1 };
      assert.deepEqual(result, document);
      const [migration, signal] = (await handle.history()).slice(before.length);
      assert.deepEqual(
        [migration?.type, migration?.source, migration?.meta],
        ['ContextPatched', 'system', { version: 2 }],
      );
      assert.equal(migration?.reason, 'The context was migrated from version 1 to version 2.');
      assert.equal(migration?.answers, before.length);
      assert.equal(signal?.type, 'SignalReceived');
      await assertFolds(handle, document, before.length);
      const { database } = engine.connection;
      await assertReplays(database, handle.runId!, 'context-two.ts');
    });

    it('code older than the document fails the task and writes no patch; newer code goes on', async () => {
      const [queue, handle] = await start('counts', [1]);
      await withCode(queue, two, () => until(async () => (await stateOf(handle))['visits'] === 0));
      await handle.signal('visit');
      await withCode(queue, one, async () => {
        const failure = await until(async () => (await handle.describe()).taskFailure);
        assert.equal(failure.code, 'CONTEXT_VERSION_TOO_HIGH');
        assert.match(failure.message, /has version 2, but this code defines version 1/);
      });
      assert.equal((await handle.patches()).length, 1);
      assert.deepEqual(await withCode(queue, two, () => handle.result()), { names: [], visits: 1 });
      await assertReplays(engine.connection.database, handle.runId!, 'context-two.ts');
    });

    it('a document that continue-as-new carries to newer code is migrated once', async () => {
      const [queue, handle] = await start('counts', [1, 3]);
      await withCode(queue, one, async () => {
        await handle.signal('visit');
        await until(async () => (await handle.describe()).runId !== handle.runId);
      });
      await handle.signal('visit');
      const result = await withCode(queue, two, async () => {
        const latest = engine.client.workflow.getHandle(handle.workflowId);
        await until(async () => (await stateOf(latest))['visits'] === 2);
        await latest.signal('visit');
        return handle.result();
      });
      assert.deepEqual(result, { names: ['Ada', 'Lovelace'], visits: 3, from: 1 });
      const { rows } = await engine.pool.query<{ run_id: string; meta: object | null }>(
        `select e.run_id, e.meta from reprise.events e join reprise.runs r using (run_id)
         where workflow_id = $1 and type = 50 and meta is not null order by e.run_id, seq`,
        [handle.workflowId],
      );
      const versions = rows.map(({ meta }) => (meta as { version?: number }).version);
      assert.deepEqual(versions, [undefined, 2, 2]);
      for (const runId of new Set(rows.map((row) => row.run_id))) {
        await assertReplays(engine.connection.database, runId, 'context-two.ts');
      }
    });

    it('a result with staged patches that arrives while the code fails is kept for code that works', async () => {
      const [queue, handle] = await start('breaks', [way]);
      await withCode(queue, one, async () => {
        const isBegun = (): boolean => [...stagings.keys()].some((key) => key.startsWith(handle.runId!));
        await until(async () => isBegun() && (await handle.describe()).pendingActivities.length === 1);
        await handle.signal('visit');
        await until(async () => (await handle.describe()).taskFailure);
        letGo(way);
        // The result goes to the inbox, because this code cannot say whether the patch applies.
        await until(async () => {
          const inbox = 'select 1 from reprise.inbox where run_id = $1 and type = 24';
          return (await engine.pool.query(inbox, [handle.runId])).rowCount === 1;
        });
      });
      const result = await withCode(queue, two, () => handle.result());
      assert.deepEqual(result, { result: 'staged by attempt 1', visits: 5 });
      const executed = [...stagings].filter(([key]) => key.startsWith(handle.runId!));
      assert.deepEqual(
        executed.map(([, count]) => count),
        [1],
      );
      await assertReplays(engine.connection.database, handle.runId!, 'context-two.ts');
    });
  });
}

async function stateOf(handle: WorkflowHandle): Promise<Record<string, unknown>> {
  return ((await handle.stateAt()).state ?? {}) as Record<string, unknown>;
}

/** The document at the end, and the old shape before the migration, in TypeScript and in SQL. */
async function assertFolds(handle: WorkflowHandle, end: object, before: number): Promise<void> {
  const old = { name: 'Ada Lovelace', visits: 1 };
  assert.deepEqual((await handle.stateAt()).state, end);
  assert.deepEqual((await handle.stateAt({ seq: before })).state, old);
  const { rows } = await engine.pool.query(
    'select reprise_audit.state_at($1) as now, reprise_audit.state_at($1, $2::int) as then',
    [handle.runId, before],
  );
  assert.deepEqual(rows, [{ now: end, then: old }]);
}
