// The fence: statements of an incarnation that was declared dead change nothing, whatever their timing against the
// reaper.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import { readAttempts, storeHeartbeat } from '../../runtime/store/activities/activity-heartbeats.ts';
import { claim, lockOwnedRun, park } from '../../runtime/store/ownership/claim.ts';
import { send } from '../../runtime/store/messages/inbox.ts';
import { declareDead } from '../../runtime/store/ownership/lease.ts';
import { runIdBytes } from '../../runtime/store/runs/run-id.ts';
import {
  closingTurn,
  eventCount,
  inboxOf,
  incarnation,
  readyRow,
  startedRun,
  startedRuns,
  statusOf,
  testStore,
  turn,
  waits,
} from '../support/store.ts';

const store = await testStore();
const { pool } = store;
const soon = (): number => (Date.now() + 60_000) * 1000;
const everything = { queue: 'default/test', now: soon(), from: 0, limit: 100 };

/** Does the first half of a reaper's work. The test decides how the reaper's transaction ends. */
async function reaper(session: pg.Client, epoch: number): Promise<{ bury(): Promise<void>; giveUp(): Promise<void> }> {
  await session.query('begin');
  await session.query('select 1 from reprise.fences where epoch = $1 for update', [epoch]);
  return {
    async bury() {
      await session.query('delete from reprise.fences where epoch = $1', [epoch]);
      await session.query('commit');
    },
    async giveUp() {
      await session.query('rollback');
    },
  };
}

test('a flush that waits on the fence while the reaper deletes it inserts nothing', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const death = await reaper(await store.session(t), worker.epoch);
  const flush = worker.writer.append([turn({ runId })]);
  await waits(store, flush);
  await death.bury();
  assert.equal(await flush, undefined);
  assert.equal(await eventCount(store, runId), 1);
});

test('a flush that waits on the fence is written if the reaper gives up', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const death = await reaper(await store.session(t), worker.epoch);
  const flush = worker.writer.append([turn({ runId })]);
  await waits(store, flush);
  await death.giveUp();
  assert.deepEqual(await flush, ['committed']);
  assert.equal(await eventCount(store, runId), 2);
});

test('the reaper waits for a flush in flight, and the flush stays written', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await worker.writer.client.query('begin');
  await worker.writer.append([turn({ runId })]);
  const death = declareDead(store.database, worker.epoch, 'test');
  await waits(store, death);
  await worker.writer.client.query('commit');
  assert.equal(await death, 1);
  assert.equal(await eventCount(store, runId), 2);
});

test('an append of a dead worker does not consume the message that it has read', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await send(pool, 'reprise', runId, { type: 'SignalReceived', name: 'go' });
  const death = await reaper(await store.session(t), worker.epoch);
  const flush = worker.writer.append([turn({ runId, newEvents: ['SignalReceived'], consumed: [1] })]);
  await waits(store, flush);
  await death.bury();
  assert.equal(await flush, undefined);
  assert.deepEqual(await inboxOf(store, runId), [1]);
  assert.equal(await eventCount(store, runId), 1);
});

test('a closing turn of a dead worker neither closes the run nor consumes its mail', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await send(pool, 'reprise', runId, { type: 'SignalReceived', name: 'go' });
  const death = await reaper(await store.session(t), worker.epoch);
  const flush = worker.writer.append([closingTurn(runId, 1, [1])]);
  await waits(store, flush);
  await death.bury();
  assert.equal(await flush, undefined);
  assert.equal(await statusOf(store, runId), 'running');
  assert.equal((await readyRow(store, runId))?.mail, 1);
  assert.deepEqual(await inboxOf(store, runId), [1]);
  assert.equal(await eventCount(store, runId), 1);
});

test('a stale epoch cannot append, even if nobody took its run', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store);
  await declareDead(store.database, worker.epoch, 'test');
  await pool.query('update reprise.ready set owner = $2 where run_id = $1', [runId, worker.epoch]);
  assert.equal(await worker.writer.append([turn({ runId })]), undefined);
  assert.equal(await worker.writer.append([closingTurn(runId, 0)]), undefined);
  assert.equal(await eventCount(store, runId), 1);
});

test('every appending connection has its own fence, and the reaper takes all of them', async (t) => {
  const worker = await incarnation(store, t, { writers: 2 });
  const [first, second] = await startedRuns(store, 2, { owner: worker });
  await worker.writers[0]!.client.query('begin');
  await worker.writers[0]!.append([turn({ runId: first! })]);
  const { rows } = await pool.query('select slot from reprise.fences where epoch = $1 for update skip locked', [
    worker.epoch,
  ]);
  assert.deepEqual(rows, [{ slot: 0 }, { slot: 2 }]);
  const death = declareDead(store.database, worker.epoch, 'test');
  await waits(store, death);
  await worker.writers[0]!.client.query('commit');
  await death;
  for (const writer of worker.writers) assert.equal(await writer.append([turn({ runId: second! })]), undefined);
  assert.equal(await eventCount(store, second!), 1);
});

test('a worker that was declared dead claims no run', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { queue: 'default/dead' });
  await declareDead(store.database, worker.epoch, 'test');
  const claimed = await claim(worker.control, 'reprise', worker, { ...everything, queue: 'default/dead' });
  assert.deepEqual(claimed, []);
  assert.equal((await readyRow(store, runId))?.owner, null);
});

test('a claim that waits on the fence while the reaper deletes it takes no run', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { queue: 'default/dying' });
  const death = await reaper(await store.session(t), worker.epoch);
  const claiming = claim(worker.control, 'reprise', worker, { ...everything, queue: 'default/dying' });
  await waits(store, claiming);
  await death.bury();
  assert.deepEqual(await claiming, []);
  assert.equal((await readyRow(store, runId))?.owner, null);
});

test('a claim that finds no due run does not touch the fence', async (t) => {
  const worker = await incarnation(store, t, { lockTimeout: '100ms' });
  const death = await reaper(await store.session(t), worker.epoch);
  assert.deepEqual(await claim(worker.control, 'reprise', worker, { ...everything, queue: 'default/empty' }), []);
  await death.giveUp();
});

test('a park by a dead worker does not change the run that the reaper is about to free', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const before = await readyRow(store, runId);
  const death = await reaper(await store.session(t), worker.epoch);
  const parking = park(worker.control, 'reprise', worker, [{ runKey: runIdBytes(runId), mail: 0, wakeAt: soon() }]);
  await waits(store, parking);
  await death.bury();
  assert.deepEqual(await parking, []);
  assert.deepEqual(await readyRow(store, runId), before);
});

test('heartbeat details of a dead worker are not stored', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await storeHeartbeat(store.database, worker.epoch, runId, 2, new Uint8Array([1]));
  await declareDead(store.database, worker.epoch, 'test');
  await storeHeartbeat(store.database, worker.epoch, runId, 2, new Uint8Array([2]));
  await storeHeartbeat(store.database, worker.epoch, runId, 3, new Uint8Array([3]));
  assert.deepEqual((await readAttempts(store.database, runId)).progress, new Map([[2, Buffer.from([1])]]));
});

test('only the owner of a run can lock it', async (t) => {
  const [mine, other] = [await incarnation(store, t), await incarnation(store, t)];
  const runId = await startedRun(store, { owner: mine });
  assert.equal(await lockOwnedRun(mine.control, 'reprise', runId, mine.epoch), true);
  assert.equal(await lockOwnedRun(other.control, 'reprise', runId, other.epoch), false);
});

test('a whole append is refused if another writer has already written the run’s seq', async (t) => {
  const worker = await incarnation(store, t);
  const [free, taken] = await startedRuns(store, 2, { owner: worker });
  await send(pool, 'reprise', free!, { type: 'SignalReceived', name: 'go' });
  await pool.query(
    "insert into reprise.events (run_id, at, seq, type, name) values ($1, clock_timestamp(), 2, 20, 'other')",
    [taken],
  );
  await assert.rejects(
    worker.writer.append([
      turn({ runId: free!, newEvents: [newEvent(0, 'SignalReceived')], consumed: [1] }),
      turn({ runId: taken! }),
    ]),
    { code: '23505', constraint: 'events_pkey' },
  );
  assert.equal(await eventCount(store, free!), 1);
  assert.deepEqual(await inboxOf(store, free!), [1]);
  assert.deepEqual(await worker.writer.append([turn({ runId: free!, newEvents: ['SignalReceived'], consumed: [1] })]), [
    'committed',
  ]);
});

test('of two writers that append the same seq at the same time, one is refused', async (t) => {
  const [one, two] = [await incarnation(store, t), await incarnation(store, t)];
  const runId = await startedRun(store);
  await one.writer.client.query('begin');
  await one.writer.append([turn({ runId })]);
  const late = two.writer.append([turn({ runId })]);
  await waits(store, late);
  await one.writer.client.query('commit');
  await assert.rejects(late, { code: '23505', constraint: 'events_pkey' });
  assert.equal(await eventCount(store, runId), 2);
});
