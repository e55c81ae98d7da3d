// Starts on behalf of a worker of the same process: its own from the first moment if it lives, anybody's if not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { declareDead } from '../../runtime/store/lease.ts';
import { send } from '../../runtime/store/inbox.ts';
import { startOwnedRuns, startRuns } from '../../runtime/store/start-run.ts';
import { claim } from '../../runtime/store/claim.ts';
import { historyOf, incarnation, newRun, readyRow, testStore, waits } from '../support/store.ts';

const store = await testStore();
const { pool, database } = store;

/** The fence of the connection that starts runs: the last of the incarnation's. */
async function starter(t: Parameters<typeof incarnation>[1]): Promise<{
  worker: Awaited<ReturnType<typeof incarnation>>;
  fence: { epoch: number; slot: number };
  client: Awaited<ReturnType<typeof incarnation>>['control'];
}> {
  const worker = await incarnation(store, t, { writers: 2 });
  const client = worker.writers[1]!.client as (typeof worker)['control'];
  return { worker, fence: { epoch: worker.epoch, slot: 2 }, client };
}

test('a run started by a live worker is its own: no claim takes it, a message names it, its start is as told', async (t) => {
  const { worker, fence, client } = await starter(t);
  const run = newRun({ queue: 'default/own' });
  const started = await startOwnedRuns(client, 'reprise', fence, [run]);
  const { at, owned } = started.get(run.runId)!;
  assert.equal(owned, true);
  assert.equal((await readyRow(store, run.runId))?.owner, worker.epoch);
  const everything = { queue: 'default/own', now: Date.now() * 2000, from: 0, limit: 10 };
  assert.deepEqual(await claim(worker.control, 'reprise', worker, everything), []);
  assert.equal((await historyOf(store, run.runId))[0]?.at, at);
  const delivery = await send(pool, 'reprise', run.runId, { type: 'SignalReceived', name: 'go' });
  assert.equal(delivery?.owner, worker.epoch);
});

test('a run started on behalf of a dead worker is free, with its start for whoever claims it', async (t) => {
  const { worker, fence, client } = await starter(t);
  await declareDead(database, worker.epoch, 'a test');
  const run = newRun({ queue: 'default/orphan' });
  const started = await startOwnedRuns(client, 'reprise', fence, [run]);
  assert.equal(started.get(run.runId)?.owned, false);
  const heir = await incarnation(store, t);
  const everything = { queue: 'default/orphan', now: Date.now() * 2000, from: 0, limit: 10 };
  const [claimed] = await claim(heir.control, 'reprise', heir, everything);
  assert.equal(claimed?.runId, run.runId);
  assert.equal(claimed?.start?.name, run.workflowType);
});

test('of the runs of one statement those whose workflow id is taken are not started', async (t) => {
  const { fence, client } = await starter(t);
  await startRuns(pool, 'reprise', [newRun({ workflowId: 'in use' })]);
  const [free, taken] = [newRun(), newRun({ workflowId: 'in use' })];
  assert.deepEqual([...(await startOwnedRuns(client, 'reprise', fence, [free, taken])).keys()], [free.runId]);
  assert.deepEqual(await historyOf(store, taken.runId), []);
});

test('a start that waits for a workflow id does not keep its worker from being declared dead', async (t) => {
  const { worker, fence, client } = await starter(t);
  const user = await store.session(t);
  await user.query('begin');
  await startRuns(user, 'reprise', [newRun({ workflowId: 'disputed' })]);
  const run = newRun({ workflowId: 'disputed' });
  const starting = startOwnedRuns(client, 'reprise', fence, [newRun({ workflowId: 'before' }), run]);
  const outcome = Promise.allSettled([starting]);
  await waits(store, outcome);
  await declareDead(database, worker.epoch, 'a test');
  await user.query('rollback');
  const [result] = await outcome;
  // Its session was ended, or it came too late to own anything.
  if (result.status === 'fulfilled') assert.equal(result.value.get(run.runId)?.owned, false);
  assert.notEqual((await readyRow(store, run.runId))?.owner, worker.epoch);
});
