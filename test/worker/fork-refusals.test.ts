// Forks that are refused: the caller learns why, whoever makes the fork, and nothing is written. And forks of copies.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { WorkflowHandle } from 'reprise/client';
import { refusalIn } from '../../runtime/core/recovery/verb-inputs.ts';
import { sendAlone } from '../../runtime/store/messages/inbox.ts';
import { takeAnswer } from '../../runtime/store/messages/requests.ts';
import { announce } from '../../runtime/store/messages/run-messages.ts';
import { verbKey } from '../../runtime/store/messages/updates.ts';
import { fixtureBundle } from '../support/bundles.ts';
import { testEngine } from '../support/engine.ts';
import { Forks } from '../support/forks.ts';

const engine = await testEngine({ workflowBundle: await fixtureBundle('forks.ts') });
const { client, until } = engine;
const forks = new Forks(engine);

function latest({ workflowId }: { readonly workflowId: string }): WorkflowHandle {
  return client.workflow.getHandle(workflowId);
}

/** Starts a run and waits until it waits for its signal. */
async function waiting(): Promise<WorkflowHandle> {
  const handle = await engine.start('gated', [], randomUUID());
  await until(async () => {
    return (await forks.historyOf(handle.runId!)).filter(({ type }) => type === 'ActivityCompleted').length === 2;
  });
  return handle;
}

for (const isOpen of [true, false]) {
  test(`a copy that goes back behind its own beginning stays the copy while both runs are ${isOpen ? 'open' : 'closed'}`, async () => {
    const origin = await waiting();
    const copy = await origin.fork({ workflowId: randomUUID() });
    if (!isOpen) {
      for (const run of [origin, copy]) await latest(run).signal('go', 'end');
      for (const run of [origin, copy]) await latest(run).result();
    }
    for (const verb of ['reset', 'restart'] as const) {
      const made = await (verb === 'reset' ? latest(copy).reset({ to: 'record#1' }) : latest(copy).restart());
      assert.equal(made.workflowId, copy.workflowId);
    }
    await latest(copy).signal('go', 'end');
    assert.deepEqual(await latest(copy).result(), ['end']);
    if (isOpen) await latest(origin).signal('go', 'end');
    assert.deepEqual(await latest(origin).result(), ['end']);
  });
}

test('a fork whose execution deadline has passed is refused, whether or not a worker has the run', async () => {
  const handle = await waiting();
  const problem = { code: 'INVALID_INPUT', message: /execution deadline/ };
  await assert.rejects(handle.rollback({ toSeq: 1, executionTimeout: 1 }), problem);
  assert.equal((await handle.describe()).status.name, 'RUNNING');
  await handle.signal('go', 'end');
  await handle.result();
  await assert.rejects(handle.rollback({ toSeq: 1, executionTimeout: 1 }), problem);
});

test('a fork under the workflow id of an open run is refused', async () => {
  const handle = await waiting();
  const refused = { code: 'RUN_ALREADY_STARTED', runId: handle.runId };
  await assert.rejects(handle.fork({ workflowId: handle.workflowId }), refused);
  await handle.terminate();
});

test('the owner of a run answers a request for a fork that it cannot make, and the run goes on', async () => {
  const handle = await waiting();
  const { database } = engine.connection;
  const [requestId, runId] = [randomUUID(), handle.runId!];
  const request = { requestId, verb: 'rollback', runId, forkId: randomUUID(), reason: null, actor: null };
  const delivery = await sendAlone(database, runId, {
    type: 'WorkflowRolledBack',
    correlationId: requestId,
    meta: JSON.stringify({ ...request, point: 4711, reapplies: false }),
  });
  announce(database, [{ runId, delivery: delivery! }]);
  const answer = await until(() => takeAnswer(database, verbKey(runId, requestId)));
  const { code, message } = refusalIn(answer.payload);
  assert.equal(code, 'INVALID_INPUT');
  assert.match(message, /cannot be forked after event 4711/);
  await handle.signal('go', 'end');
  assert.deepEqual(await handle.result(), ['end']);
});
