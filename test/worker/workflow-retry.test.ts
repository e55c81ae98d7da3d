// Retry policies and timeouts of workflows. Behaviors 51, 52 and 55 of docs/behaviors.md. With runs cached, rebuilt
// from the log for every turn, and replayed. test/conformance/cron.test.ts covers cron schedules.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { WorkflowFailedError } from 'reprise/client';
import { RetryState, TimeoutFailure } from 'reprise/common';
import { fixtureWorker, testEngine, until } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

const cached = await testEngine();
const evicted = await testEngine({ maxCachedRuns: 0 });

for (const [way, engine] of [
  ['cached', cached],
  ['evicted after every turn', evicted],
] as const) {
  const { client, taskQueue } = engine;
  const { workflow } = client;
  const { database } = engine.connection;
  interface Run {
    readonly run_id: string;
    readonly status: string;
  }
  const chain = async (workflowId: string): Promise<Run[]> => {
    const { rows } = await engine.pool.query<Run>(
      'select run_id, status from reprise.runs where workflow_id = $1 order by run_id',
      [workflowId],
    );
    return rows;
  };
  const statuses = async (workflowId: string) => (await chain(workflowId)).map((run) => run.status);
  const assertSound = async (workflowId: string) => {
    for (const { run_id: runId } of await chain(workflowId)) {
      await assertReplays(database, runId);
      const { rows } = await engine.pool.query('select ok from reprise_audit.verify($1)', [runId]);
      assert.deepEqual(rows, [{ ok: true }]);
    }
  };
  const failureOf = async (running: Promise<unknown>): Promise<WorkflowFailedError> => {
    const error = await running.then(() => undefined).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof WorkflowFailedError);
    return error;
  };

  describe(`a workflow of runs that are ${way}`, () => {
    it('is retried by its policy; handles follow, and each attempt knows the previous one', async () => {
      const retry = { initialInterval: 5, maximumAttempts: 5, nonRetryableErrorTypes: ['Never'] };
      const options = { workflowId: 'flaky', taskQueue, args: [3], retry };
      const handle = await workflow.start('succeedsAt', options);
      const result = (await handle.result()) as Record<string, unknown>;
      const runs = await chain('flaky');
      assert.deepEqual(
        runs.map((run) => run.status),
        ['failed', 'failed', 'completed'],
      );
      assert.deepEqual(result, {
        reached: 3,
        lastFailure: 'attempt 2',
        retryPolicy: retry,
        firstExecutionRunId: handle.runId,
        continuedFromExecutionRunId: runs[1]!.run_id,
      });
      assert.equal((await handle.describe()).runId, runs[2]!.run_id);
      await assertSound('flaky');
      const pinned = workflow.getHandle('flaky', handle.runId, { followRuns: false });
      assert.equal((await failureOf(pinned.result())).retryState, RetryState.IN_PROGRESS);
      const [failed] = (await pinned.fetchHistory()).events.slice(-1);
      assert.deepEqual(failed!['workflowExecutionFailedEventAttributes'], {
        retryState: 'IN_PROGRESS',
        newExecutionRunId: runs[1]!.run_id,
        failure: (failed!['workflowExecutionFailedEventAttributes'] as { failure: unknown }).failure,
      });
    });

    it('is not retried after its last attempt, after a non-retryable failure, or without a policy', async () => {
      const run = (workflowId: string, retry: object | undefined, type?: string) =>
        failureOf(
          workflow.execute('succeedsAt', {
            workflowId,
            taskQueue,
            args: [9, type],
            ...(retry === undefined ? {} : { retry }),
          }),
        );
      const usedUp = await run('used up', { initialInterval: 1, maximumAttempts: 2 });
      assert.equal(usedUp.retryState, RetryState.MAXIMUM_ATTEMPTS_REACHED);
      assert.equal(usedUp.cause?.message, 'attempt 2');
      const fatal = await run('fatal', { initialInterval: 1, nonRetryableErrorTypes: ['Never'] }, 'Never');
      assert.equal(fatal.retryState, RetryState.NON_RETRYABLE_FAILURE);
      assert.equal((await run('flagged', { initialInterval: 1 }, 'Flagged')).retryState, fatal.retryState);
      assert.equal((await run('none', undefined)).retryState, RetryState.RETRY_POLICY_NOT_SET);
      for (const workflowId of ['fatal', 'flagged', 'none']) assert.deepEqual(await statuses(workflowId), ['failed']);
      for (const workflowId of ['used up', 'fatal', 'flagged', 'none']) await assertSound(workflowId);
    });

    it('is not retried when it is cancelled or terminated', async () => {
      const retry = { initialInterval: 1 };
      const options = { workflowId: 'stopped', taskQueue, retry };
      const first = await workflow.start('waitsForEver', options);
      await first.cancel();
      await failureOf(first.result());
      const second = await workflow.start('waitsForEver', options);
      await second.terminate();
      await failureOf(second.result());
      assert.deepEqual(await statuses('stopped'), ['cancelled', 'terminated']);
      await assertSound('stopped');
    });

    it('times out without any notice to its code, and the retry policy applies', async () => {
      const handle = await workflow.start('waitsForEver', {
        workflowId: 'late',
        taskQueue,
        workflowRunTimeout: 40,
        retry: { initialInterval: 1, maximumAttempts: 2 },
      });
      const error = await failureOf(handle.result());
      assert.equal(error.message, 'Workflow execution timed out');
      assert.ok(error.cause instanceof TimeoutFailure);
      assert.equal(error.cause.timeoutType, 'START_TO_CLOSE');
      assert.equal(error.retryState, RetryState.MAXIMUM_ATTEMPTS_REACHED);
      assert.deepEqual(await statuses('late'), ['timed_out', 'timed_out']);
      await assertSound('late');
    });

    it('has one execution timeout for the whole chain', async () => {
      const handle = await workflow.start('neverEnds', {
        workflowId: 'spanned',
        taskQueue,
        workflowExecutionTimeout: 2_000,
        retry: {},
      });
      assert.equal((await failureOf(handle.result())).retryState, RetryState.TIMEOUT);
      const ends = await statuses('spanned');
      assert.ok(ends.length > 1);
      assert.equal(ends.at(-1), 'timed_out');
      await assertSound('spanned');
    });

    it('refuses invalid options, and starts nothing', async () => {
      for (const bad of [
        { cronSchedule: 'whenever' },
        { cronSchedule: '0 0 30 2 *' },
        { cronSchedule: '@every 1ms' },
        { cronSchedule: '@daily', startDelay: '1s' as const },
        { retry: { maximumAttempts: -1 } },
        { retry: { backoffCoefficient: 0.5 } },
        { workflowRunTimeout: -1 },
        { workflowExecutionTimeout: 'soon' as never },
        { workflowTaskTimeout: Number.NaN },
      ]) {
        const started = workflow.start('waitsForEver', { workflowId: 'bad', taskQueue, ...bad });
        await assert.rejects(started, { code: 'INVALID_INPUT' });
      }
      assert.deepEqual(await chain('bad'), []);
    });
  });
}

describe('a run that no worker of its queue owns', () => {
  it('times out nevertheless, and is retried', async () => {
    const { workflow } = cached.client;
    const handle = await workflow.start('waitsForEver', {
      workflowId: 'alone',
      taskQueue: 'nobody',
      workflowRunTimeout: 50,
      retry: { initialInterval: 1, maximumAttempts: 2 },
    });
    const error = await handle.result().catch((thrown: unknown) => thrown);
    assert.ok(error instanceof WorkflowFailedError);
    assert.equal(error.retryState, RetryState.MAXIMUM_ATTEMPTS_REACHED);
    const { rows } = await cached.pool.query<{ run_id: string }>(
      "select run_id from reprise.runs where workflow_id = 'alone' and status = 'timed_out'",
    );
    assert.equal(rows.length, 2);
    for (const { run_id: runId } of rows) {
      const { rows: verdicts } = await cached.pool.query('select ok from reprise_audit.verify($1)', [runId]);
      assert.deepEqual(verdicts, [{ ok: true }]);
    }
  });

  it('keeps its deadline when its worker is gone', async () => {
    const { workflow } = cached.client;
    const worker = await fixtureWorker(cached.connection, 'brief');
    const running = worker.run();
    after(() => running);
    const handle = await workflow.start('waitsForEver', {
      workflowId: 'left',
      taskQueue: 'brief',
      workflowExecutionTimeout: 2_000,
    });
    await until(async () => (await handle.describe()).historyLength > 1);
    worker.shutdown();
    await running;
    await assert.rejects(handle.result(), { message: 'Workflow execution timed out' });
  });
});
