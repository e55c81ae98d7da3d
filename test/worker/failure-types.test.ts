// Which errors fail a run or an update instead of the workflow task. Behavior 56 of docs/behaviors.md. With runs
// cached, evicted after every turn, and replayed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WorkflowFailedError, type WorkflowHandle, WorkflowUpdateFailedError } from 'reprise/client';
import { ApplicationFailure } from 'reprise/common';
import { fixtureBundle } from '../support/bundles.ts';
import { fixtureWorker, testEngine, until } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

const options = {
  workflowBundle: await fixtureBundle('failing.ts'),
  workflowFailureErrorTypes: { '*': ['Refused'], other: ['TypeError'] },
};
const cached = await testEngine(options);
const evicted = await testEngine({ ...options, maxCachedRuns: 0 });

async function failureOf(handle: WorkflowHandle): Promise<ApplicationFailure> {
  const error: unknown = await handle.result().catch((thrown: unknown) => thrown);
  assert.ok(error instanceof WorkflowFailedError, String(error));
  assert.ok(error.cause instanceof ApplicationFailure);
  return error.cause;
}

async function taskFailure(handle: WorkflowHandle): Promise<string> {
  const failure = await until(async () => (await handle.describe()).taskFailure);
  await handle.terminate();
  return `${failure.code}: ${failure.message}`;
}

for (const [way, engine] of [
  ['cached', cached],
  ['evicted after every turn', evicted],
] as const) {
  describe(`an error in a run that is ${way}`, () => {
    it('fails the run if the worker names its class or a superclass', async () => {
      for (const where of ['main', 'later', 'signal']) {
        for (const name of ['Refused', 'Declined']) {
          const handle = await engine.start('byWorker', [where, name]);
          if (where === 'signal') await handle.signal('trip');
          const { type, message, nonRetryable } = await failureOf(handle);
          assert.deepEqual([type, message, nonRetryable], [name, name.toLowerCase(), false]);
          await assertReplays(engine.connection.database, handle.runId!, 'failing.ts');
        }
      }
    });

    it('fails the task if neither worker nor workflow names its class', async () => {
      const handle = await engine.start('byWorker', ['later', 'TypeError']);
      assert.match(await taskFailure(handle), /^WORKFLOW_ERROR: TypeError: a bug/);
    });

    it('fails the run if its workflow names the class', async () => {
      const handle = await engine.start('byItself', ['later', 'Declined']);
      assert.equal((await failureOf(handle)).type, 'Declined');
      await assertReplays(engine.connection.database, handle.runId!, 'failing.ts');
      const anything = await engine.start('byAnything', ['main', 'TypeError']);
      assert.equal((await failureOf(anything)).type, 'TypeError');
      await assertReplays(engine.connection.database, anything.runId!, 'failing.ts');
      assert.match(await taskFailure(await engine.start('byItself', ['main', 'TypeError'])), /^WORKFLOW_ERROR/);
    });

    it('fails an update, and its run continues', async () => {
      const handle = await engine.start('byItself', ['wait', '']);
      const ask = (which: string): Promise<string> => handle.executeUpdate<string, [string]>('ask', { args: [which] });
      assert.equal(await ask('none'), 'fine');
      await assert.rejects(ask('Declined'), (error) => {
        assert.ok(error instanceof WorkflowUpdateFailedError);
        assert.ok(error.cause instanceof ApplicationFailure);
        assert.equal(error.cause.type, 'Declined');
        return true;
      });
      await ask('end');
      assert.equal(await handle.result(), 'ended');
      await assertReplays(engine.connection.database, handle.runId!, 'failing.ts');
    });
  });
}

describe('a history that the code cannot follow', () => {
  const later = async (types: Record<string, string[]> | undefined): Promise<WorkflowHandle> => {
    const taskQueue = `changed ${JSON.stringify(types)}`;
    const { connection, client } = cached;
    const before = await fixtureWorker(connection, taskQueue, options);
    const handle = await before.runUntil(async () => {
      const started = await client.workflow.start('changed', { workflowId: taskQueue, taskQueue });
      await until(async () => (await started.history()).some((event) => event.type === 'TimerFired'));
      return started;
    });
    const after = await fixtureWorker(connection, taskQueue, {
      workflowBundle: await fixtureBundle('failing-changed.ts'),
      ...(types === undefined ? {} : { workflowFailureErrorTypes: types }),
    });
    await handle.signal('unknown');
    await after.runUntil(async () => {
      await until(async () => {
        const { status, taskFailure: failure } = await handle.describe();
        return status.name !== 'RUNNING' || failure !== undefined;
      });
    });
    return handle;
  };

  it('fails the task, so that the code can be fixed', async () => {
    for (const types of [undefined, { changed: ['Refused'] }, { other: ['NondeterminismError'] }]) {
      assert.match(await taskFailure(await later(types)), /^DETERMINISM: /);
    }
  });

  it('fails the run if the worker names the class of the error', async () => {
    for (const name of ['NondeterminismError', 'DeterminismViolationError', 'Error']) {
      const handle = await later({ changed: [name] });
      const { type, message, nonRetryable } = await failureOf(handle);
      assert.deepEqual([type, nonRetryable], ['NondeterminismError', true]);
      assert.match(message, /^Nondeterminism error at event/);
      const { rows } = await cached.pool.query('select ok from reprise_audit.verify($1)', [handle.runId]);
      assert.deepEqual(rows, [{ ok: true }]);
    }
  });
});
