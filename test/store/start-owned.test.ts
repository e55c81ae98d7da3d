// Starts for a worker of the same process: if the worker is alive, it owns the run from the start. Otherwise any worker
// may claim the run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import type { HistoryEvent } from '../../runtime/core/log/event.ts';
import type { Fence } from '../../runtime/store/ownership/fence.ts';
import { claim } from '../../runtime/store/ownership/claim.ts';
import { EventRows } from '../../runtime/store/codec/event-rows.ts';
import { send } from '../../runtime/store/messages/inbox.ts';
import { declareDead } from '../../runtime/store/ownership/lease.ts';
import { runIdBytes } from '../../runtime/store/runs/run-id.ts';
import { type NewRun, startOwnedRuns, startRuns } from '../../runtime/store/runs/start-run.ts';
import { historyOf, type Incarnation, incarnation, newRun, readyRow, testStore, waits } from '../support/store.ts';

const store = await testStore();
const { pool, database } = store;

interface Starter {
  readonly worker: Incarnation;
  start(runs: readonly NewRun[], firstTurn?: readonly HistoryEvent[]): Promise<Map<string, boolean>>;
}

const at = Date.now() * 1000;

/**
 * Starts runs over the incarnation's last connection and with that connection's fence. `firstTurn` belongs to the first
 * run.
 */
async function starter(t: Parameters<typeof incarnation>[1]): Promise<Starter> {
  const worker = await incarnation(store, t, { writers: 2 });
  const client = worker.writers[1]!.client as pg.Client;
  const fence: Fence = { epoch: worker.epoch, slot: 2 };
  const rows = await EventRows.open(client, 'reprise');
  return {
    worker,
    start(runs, firstTurn = []) {
      for (const event of firstTurn) rows.add(runIdBytes(runs[0]!.runId), event);
      const starts = runs.map((run) => ({ run, at }));
      return startOwnedRuns(client, 'reprise', fence, starts, rows.take());
    },
  };
}

const scheduled: HistoryEvent = {
  ...newEvent(2, 'ActivityScheduled', { name: 'echo' }),
  at: at + 1,
  hash: Buffer.alloc(32),
};

async function typesOf(runId: string): Promise<string[]> {
  return (await historyOf(store, runId)).map((event) => event.type);
}

test('a live worker owns the run that it starts: no claim takes the run, messages go to the worker, and the first turn is stored', async (t) => {
  const { worker, start } = await starter(t);
  const run = newRun({ queue: 'default/own' });
  assert.deepEqual(await start([run], [scheduled]), new Map([[run.runId, true]]));
  assert.equal((await readyRow(store, run.runId))?.owner, worker.epoch);
  const everything = { queue: 'default/own', now: at * 2, from: 0, limit: 10 };
  assert.deepEqual(await claim(worker.control, 'reprise', worker, everything), []);
  assert.deepEqual(await typesOf(run.runId), ['WorkflowStarted', 'ActivityScheduled']);
  assert.equal((await historyOf(store, run.runId))[0]?.at, at);
  const delivery = await send(pool, 'reprise', run.runId, { type: 'SignalReceived', name: 'go' });
  assert.equal(delivery?.owner, worker.epoch);
});

test('a run started for a dead worker has no owner, and its log is only its start', async (t) => {
  const { worker, start } = await starter(t);
  await declareDead(database, worker.epoch, 'a test');
  const run = newRun({ queue: 'default/orphan' });
  assert.deepEqual(await start([run], [scheduled]), new Map([[run.runId, false]]));
  assert.deepEqual(await typesOf(run.runId), ['WorkflowStarted']);
  const heir = await incarnation(store, t);
  const everything = { queue: 'default/orphan', now: at * 2, from: 0, limit: 10 };
  const [claimed] = await claim(heir.control, 'reprise', heir, everything);
  assert.equal(claimed?.runId, run.runId);
  assert.equal(claimed?.start?.name, run.workflowType);
});

test('runs whose workflow id is taken are not started, and their turn is not stored', async (t) => {
  const { start } = await starter(t);
  await startRuns(pool, 'reprise', [newRun({ workflowId: 'in use' })]);
  const [taken, free] = [newRun({ workflowId: 'in use' }), newRun()];
  assert.deepEqual(await start([taken, free], [scheduled]), new Map([[free.runId, true]]));
  assert.deepEqual(await typesOf(taken.runId), []);
  assert.deepEqual(await typesOf(free.runId), ['WorkflowStarted']);
});

test('a start that waits for a workflow id does not keep its worker from being declared dead', async (t) => {
  const { worker, start } = await starter(t);
  const user = await store.session(t);
  await user.query('begin');
  await startRuns(user, 'reprise', [newRun({ workflowId: 'disputed' })]);
  const run = newRun({ workflowId: 'disputed' });
  const outcome = Promise.allSettled([start([newRun({ workflowId: 'before' }), run])]);
  await waits(store, outcome);
  await declareDead(database, worker.epoch, 'a test');
  await user.query('rollback');
  const [result] = await outcome;
  // Either the worker's session was terminated, or the start came too late to make the worker the owner.
  if (result.status === 'fulfilled') assert.equal(result.value.get(run.runId), false);
  assert.notEqual((await readyRow(store, run.runId))?.owner, worker.epoch);
});
