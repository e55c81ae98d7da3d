// Continue-as-new: one run ends and the next run starts in the same commit, and no message is lost. Behaviors 16, 50
// and 51 of docs/behaviors.md. With runs cached, rebuilt from the log for every turn, and replayed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WorkflowContinuedAsNewError, WorkflowNotFoundError } from 'reprise/client';
import { testEngine, until } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

const cached = await testEngine();
const evicted = await testEngine({ maxCachedRuns: 0 });

for (const [way, engine] of [
  ['cached', cached],
  ['evicted after every turn', evicted],
] as const) {
  const { client, taskQueue } = engine;
  const chain = async (workflowId: string): Promise<{ run_id: string; status: string }[]> => {
    const { rows } = await engine.pool.query<{ run_id: string; status: string }>(
      'select run_id, status from reprise.runs where workflow_id = $1 order by run_id',
      [workflowId],
    );
    return rows;
  };

  const assertSound = async (workflowId: string): Promise<void> => {
    for (const { run_id: runId } of await chain(workflowId)) {
      await assertReplays(engine.connection.database, runId);
      const { rows } = await engine.pool.query('select ok from reprise_audit.verify($1)', [runId]);
      assert.deepEqual(rows, [{ ok: true }]);
    }
  };

  describe(`continue-as-new of a run that is ${way}`, () => {
    it('passes on arguments, context and handles, and result() waits for the last run', async () => {
      const handle = await client.workflow.start('countOn', { workflowId: 'chain', taskQueue, args: [2] });
      let sum = 0;
      for (let i = 1; i <= 5; i++) {
        await handle.signal('add', i);
        sum += i;
        await until(async () => (await handle.query('total')) === sum);
      }
      const latest = await handle.describe();
      assert.notEqual(latest.runId, handle.runId);
      await handle.signal('finish');
      assert.equal(await handle.result(), 15);
      const runs = await chain('chain');
      assert.deepEqual(
        runs.map((run) => run.status),
        ['continued_as_new', 'continued_as_new', 'completed'],
      );
      const last = client.workflow.getHandle('chain');
      assert.deepEqual((await last.stateAt()).state, { runs: runs.map((run) => run.run_id), sum: 15 });
      await assertSound('chain');
    });

    it('gives every run of a chain the start time of the first run', async () => {
      const handle = await client.workflow.start('tellsStart', { workflowId: 'start-of-chain', taskQueue });
      const [startTime, runStartTime] = (await handle.result()) as [number, number];
      const first = await client.workflow.getHandle('start-of-chain', handle.runId).history();
      assert.equal(startTime, first[0]!.at.getTime());
      assert.ok(runStartTime > startTime);
      await assertSound('start-of-chain');
    });

    it('loses no signal and no update that arrives while a run ends', async () => {
      const handle = await client.workflow.start('countOn', { workflowId: 'stream', taskQueue, args: [3] });
      const senders = Array.from({ length: 8 }, async () => {
        for (let i = 0; i < 10; i++) await handle.signal('add', 1);
      });
      const updates = Array.from({ length: 10 }, () =>
        handle.executeUpdate<number, [string]>('addItem', { args: ['x'] }),
      );
      await Promise.all(senders);
      for (const answer of await Promise.all(updates)) assert.ok(answer >= 1 && answer <= 81);
      await handle.signal('finish');
      assert.equal(await handle.result(), 80);
      assert.ok((await chain('stream')).length > 3);
      await assertSound('stream');
    });

    it('accepts new options: context, memo, delay', async () => {
      const started = { workflowId: 'options', taskQueue, memo: { a: 1 } };
      const first = { chained: true, taskQueue, value: 6 };
      const run = (options: object) => client.workflow.execute('continueWith', { ...started, args: [options, 5] });
      assert.deepEqual(await run({}), { ...first, memo: { a: 1 }, sum: 5 });
      assert.deepEqual(await run({ context: 'fresh', memo: { b: 2 } }), { ...first, memo: { b: 2 }, sum: 0 });
      assert.deepEqual(await run({ backoffStartInterval: 50 }), { ...first, memo: { a: 1 }, sum: 5 });
      assert.match((await run({ eventGroups: [] })) as string, /continueAsNew has no option "eventGroups"/);
      assert.match((await run({ workflowRunTimeout: -1 })) as string, /workflowRunTimeout is -1 ms, expected 0/);
      assert.match((await run({ context: 'new' })) as string, /context is the text "new", expected carry or fresh/);
      assert.match((await run({ taskQueue: '' })) as string, /taskQueue is the text ""/);
      await assertSound('options');
    });

    it('accepts new timeouts, and keeps the timeouts that its options do not name', async () => {
      const timeouts = { workflowRunTimeout: '1 hour', workflowTaskTimeout: 5000 };
      const started = { workflowId: 'timeouts', taskQueue, workflowRunTimeout: '2 hours' } as const;
      const run = (options: object) => client.workflow.execute('timeoutsAfter', { ...started, args: [options] });
      assert.deepEqual(await run(timeouts), { runTimeoutMs: 3_600_000, taskTimeoutMs: 5000 });
      assert.deepEqual(await run({ workflowRunTimeout: 0 }), { runTimeoutMs: 7_200_000, taskTimeoutMs: 10_000 });
      const short = await client.workflow.start('timeoutsAfter', {
        ...started,
        args: [{ workflowRunTimeout: 40 }, '1 minute'],
      });
      await assert.rejects(short.result(), /Workflow execution timed out/);
      for (const { run_id: runId } of await chain('timeouts')) await assertReplays(engine.connection.database, runId);
    });

    it('a handle to one run stays with that run; followRuns: false reports the next run', async () => {
      const { workflow } = client;
      const options = { workflowId: 'pinned', taskQueue, args: [1] as unknown as [] };
      const handle = await workflow.start('countOn', { ...options, followRuns: false });
      await handle.signal('add', 1);
      let next = '';
      await assert.rejects(handle.result(), (error) => {
        assert.ok(error instanceof WorkflowContinuedAsNewError);
        next = error.newExecutionRunId;
        return true;
      });
      const pinned = workflow.getHandle('pinned', handle.runId);
      assert.equal((await pinned.describe()).status.name, 'CONTINUED_AS_NEW');
      await assert.rejects(pinned.signal('add', 1), WorkflowNotFoundError);
      const { events } = await pinned.fetchHistory();
      const { eventType, workflowExecutionContinuedAsNewEventAttributes: attributes } = events.at(-1)!;
      assert.equal(eventType, 'WorkflowExecutionContinuedAsNew');
      assert.equal((attributes as { newExecutionRunId: string }).newExecutionRunId, next);
      await assert.rejects(
        workflow.getHandle('pinned', handle.runId, { followRuns: false }).result(),
        WorkflowContinuedAsNewError,
      );
      await workflow.getHandle('pinned', next).signal('finish');
      assert.equal(await pinned.result(), 1);
      await assertSound('pinned');
    });

    it('lets the handle of the first run terminate the chain', async () => {
      const handle = await client.workflow.start('countOn', { workflowId: 'ended', taskQueue, args: [1] });
      await handle.signal('add', 1);
      await until(async () => (await handle.describe()).runId !== handle.runId);
      await handle.terminate('enough');
      await assert.rejects(handle.result(), /enough/);
      assert.deepEqual(
        (await chain('ended')).map((run) => run.status),
        ['continued_as_new', 'terminated'],
      );
      await assertSound('ended');
    });
  });
}
