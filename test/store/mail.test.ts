// Messages: the run's row numbers them, the run's owner reads them, and the append consumes them. Whatever the timing
// of sender and owner, neither closing nor parking overlooks a message.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';
import { park } from '../../runtime/store/ownership/claim.ts';
import { readMail, send } from '../../runtime/store/messages/inbox.ts';
import { lookAround } from '../../runtime/store/ownership/poll.ts';
import { runIdBytes } from '../../runtime/store/runs/run-id.ts';
import {
  closingTurn,
  eventCount,
  type Incarnation,
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
const { pool, database } = store;
const signal = { type: 'SignalReceived', name: 'go' } as const;
const later = (): number => (Date.now() + 3_600_000) * 1000;

/**
 * Locks the fence, so that a statement of the worker waits after it took its snapshot and before it reads the run's
 * row.
 */
async function heldFence(session: pg.Client, worker: Incarnation): Promise<() => Promise<unknown>> {
  await session.query('begin');
  await session.query('select 1 from reprise.fences where epoch = $1 for update', [worker.epoch]);
  return () => session.query('rollback');
}

function parkUntilLater(worker: Incarnation, runId: string, mail: number): Promise<string[]> {
  return park(worker.control, 'reprise', worker, [{ runKey: runIdBytes(runId), mail, wakeAt: later() }]);
}

async function isDue(runId: string): Promise<boolean> {
  const { rows } = await pool.query(
    'select 1 from reprise.ready where run_id = $1 and owner is null and wake_at <= clock_timestamp()',
    [runId],
  );
  return rows.length === 1;
}

test('messages get consecutive numbers in the order in which they lock the run’s row', async () => {
  const runId = await startedRun(store);
  await Promise.all(Array.from({ length: 20 }, () => send(pool, 'reprise', runId, signal)));
  assert.deepEqual(
    await inboxOf(store, runId),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  assert.equal((await readyRow(store, runId))?.mail, 20);
});

test('a message is received as it was sent', async () => {
  const runId = await startedRun(store);
  const full = {
    type: 'SignalReceived',
    name: 'näme',
    payload: new Uint8Array([0, 1, 255]),
    sourceId: 'ops',
    reason: 'why',
    correlationId: 'c-1',
    meta: '{"a":1}',
    answers: 3,
    ops: '[{"op":"remove",  "path":"/a"}]',
    source: 'user',
  } as const;
  await send(pool, 'reprise', runId, full);
  await send(pool, 'reprise', runId, { type: 'WorkflowCancelRequested' });
  const [first, second] = await readMail(database, [{ runId, after: 0 }]);
  assert.deepEqual(first, { ...full, runId, id: 1, payload: Buffer.from(full.payload) });
  const nothing = {
    name: null,
    payload: null,
    sourceId: null,
    reason: null,
    correlationId: null,
    meta: null,
    answers: null,
    ops: null,
    source: null,
  };
  assert.deepEqual(second, { runId, id: 2, type: 'WorkflowCancelRequested', ...nothing });
});

test('mail after a given number is read in order, for many runs at once', async () => {
  const [one, two] = await startedRuns(store, 2);
  for (const runId of [two!, one!, two!, one!, two!]) await send(pool, 'reprise', runId, signal);
  const mail = await readMail(database, [
    { runId: two!, after: 1 },
    { runId: one!, after: 0 },
  ]);
  assert.deepEqual(
    mail.map(({ runId, id }) => [runId, id]),
    [
      [one, 1],
      [one, 2],
      [two, 2],
      [two, 3],
    ],
  );
});

test('send() returns the run’s owner, and the owner finds the run among those with mail', async (t) => {
  const worker = await incarnation(store, t);
  const owned = await startedRun(store, { owner: worker });
  const free = await startedRun(store);
  assert.deepEqual(await send(pool, 'reprise', owned, signal), { owner: worker.epoch, queue: 'default/test' });
  assert.deepEqual(await send(pool, 'reprise', free, signal), { owner: null, queue: 'default/test' });
  await send(pool, 'reprise', owned, signal);
  const found = await lookAround(database, worker.epoch, {
    queues: ['default/test'],
    standaloneQueue: 'default#activities/test',
    now: Date.now() * 1000,
  });
  assert.deepEqual(found, { mailed: [owned], tasks: false, expired: false, standalone: false });
});

test('a message makes a run without an owner due, and leaves the wake time of an owned run alone', async (t) => {
  const worker = await incarnation(store, t);
  const [owned, free] = [await startedRun(store, { owner: worker }), await startedRun(store)];
  await pool.query("update reprise.ready set wake_at = '2100-01-01' where run_id = any($1)", [[owned, free]]);
  for (const runId of [owned, free]) await send(pool, 'reprise', runId, signal);
  assert.equal(await isDue(free), true);
  assert.equal((await readyRow(store, owned))?.wake_at.getUTCFullYear(), 2100);
});

test('a closed or unknown run receives no mail', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await worker.writer.append([closingTurn(runId, 0)]);
  assert.equal(await send(pool, 'reprise', runId, signal), undefined);
  assert.equal(await send(pool, 'reprise', '00000000-0000-7000-8000-000000000000', signal), undefined);
  assert.deepEqual(await inboxOf(store, runId), []);
});

test('a signal in a transaction that rolls back leaves nothing', async (t) => {
  const runId = await startedRun(store);
  const user = await store.session(t);
  await user.query('begin');
  await send(user, 'reprise', runId, signal);
  await user.query('rollback');
  assert.deepEqual(await inboxOf(store, runId), []);
  assert.equal((await readyRow(store, runId))?.mail, 0);
});

test('the append of a message’s event consumes the message', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  for (let i = 0; i < 3; i += 1) await send(pool, 'reprise', runId, signal);
  const flush = turn({ runId, newEvents: ['SignalReceived', 'SignalReceived'], consumed: [1, 2] });
  assert.deepEqual(await worker.writer.append([flush]), ['committed']);
  assert.deepEqual(await inboxOf(store, runId), [3]);
});

test('an append whose mail is missing marks the affected turns as suspect', async (t) => {
  const worker = await incarnation(store, t);
  const [first, second] = await startedRuns(store, 2, { owner: worker });
  const read = turn({ runId: first!, newEvents: ['SignalReceived'], consumed: [1] });
  assert.deepEqual(await worker.writer.append([read, turn({ runId: second! })]), ['suspect', 'committed']);
  assert.deepEqual([await eventCount(store, first!), await eventCount(store, second!)], [2, 2]);
});

test('a closing turn is refused if a message arrived before the flush', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await send(pool, 'reprise', runId, signal);
  assert.deepEqual(await worker.writer.append([closingTurn(runId, 0)]), ['mail']);
  assert.deepEqual([await statusOf(store, runId), await eventCount(store, runId)], ['running', 1]);
  const repeated = turn({
    runId,
    newEvents: ['SignalReceived', 'WorkflowCompleted'],
    consumed: [1],
    close: { status: 'completed', mail: 1 },
  });
  assert.deepEqual(await worker.writer.append([repeated]), ['committed']);
  assert.deepEqual([await statusOf(store, runId), await inboxOf(store, runId)], ['completed', []]);
});

test('a closing turn is refused if a message commits after the flush’s snapshot', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const release = await heldFence(await store.session(t), worker);
  const flush = worker.writer.append([closingTurn(runId, 0)]);
  await waits(store, flush);
  await send(pool, 'reprise', runId, signal);
  await release();
  assert.deepEqual(await flush, ['mail']);
  assert.deepEqual([await statusOf(store, runId), await eventCount(store, runId)], ['running', 1]);
  assert.deepEqual(await inboxOf(store, runId), [1]);
});

test('a subquery on the inbox would miss a message that commits after the flush’s snapshot', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const release = await heldFence(await store.session(t), worker);
  const flush = worker.writer.client.query(
    `with fence as materialized (select 1 from reprise.fences where epoch = $1 for share)
     delete from reprise.ready r using fence
     where r.run_id = $2 and not exists (select from reprise.inbox i where i.run_id = r.run_id)`,
    [worker.epoch, runId],
  );
  await waits(store, flush);
  await send(pool, 'reprise', runId, signal);
  await release();
  assert.equal((await flush).rowCount, 1);
  assert.deepEqual(await inboxOf(store, runId), [1]);
});

test('a sender waits for a closing turn in flight and then finds the run closed', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await worker.writer.client.query('begin');
  assert.deepEqual(await worker.writer.append([closingTurn(runId, 0)]), ['committed']);
  const sending = send(pool, 'reprise', runId, signal);
  await waits(store, sending);
  await worker.writer.client.query('commit');
  assert.equal(await sending, undefined);
  assert.deepEqual(await inboxOf(store, runId), []);
});

test('a run that is parked with all its mail read keeps its wake time', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await send(pool, 'reprise', runId, signal);
  assert.deepEqual(await parkUntilLater(worker, runId, 1), [runId]);
  assert.equal(await isDue(runId), false);
  assert.equal((await readyRow(store, runId))?.owner, null);
});

test('a run parked with unread mail is due at once', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await send(pool, 'reprise', runId, signal);
  assert.deepEqual(await parkUntilLater(worker, runId, 0), [runId]);
  assert.equal(await isDue(runId), true);
});

test('a run parked while a message commits after the snapshot is due at once', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const release = await heldFence(await store.session(t), worker);
  const parking = parkUntilLater(worker, runId, 0);
  await waits(store, parking);
  await send(pool, 'reprise', runId, signal);
  await release();
  assert.deepEqual(await parking, [runId]);
  assert.equal(await isDue(runId), true);
});

test('a sender waits for a park in flight and then makes the run due', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await worker.control.query('begin');
  assert.deepEqual(await parkUntilLater(worker, runId, 0), [runId]);
  const sending = send(pool, 'reprise', runId, signal);
  await waits(store, sending);
  await worker.control.query('commit');
  assert.deepEqual(await sending, { owner: null, queue: 'default/test' });
  assert.equal(await isDue(runId), true);
});

test('a park of several runs sets each wake time by the run’s own mail', async (t) => {
  const worker = await incarnation(store, t);
  const [read, unread] = await startedRuns(store, 2, { owner: worker });
  for (const runId of [read!, unread!]) await send(pool, 'reprise', runId, signal);
  const runs = [
    { runKey: runIdBytes(unread!), mail: 0, wakeAt: later() },
    { runKey: runIdBytes(read!), mail: 1, wakeAt: later() },
  ];
  assert.deepEqual((await park(worker.control, 'reprise', worker, runs)).sort(), [read, unread].sort());
  assert.deepEqual([await isDue(read!), await isDue(unread!)], [false, true]);
});
