// The engine does not wait for rows that somebody else has locked: it skips them and tries again later. So a user's
// open transaction delays one run and no worker.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claim, park } from '../../runtime/store/ownership/claim.ts';
import { send } from '../../runtime/store/messages/inbox.ts';
import { runIdBytes } from '../../runtime/store/runs/run-id.ts';
import {
  closingTurn,
  eventCount,
  inboxOf,
  incarnation,
  readyRow,
  startedRuns,
  statusOf,
  testStore,
  turn,
  waits,
} from '../support/store.ts';

const store = await testStore();
const { pool } = store;
const signal = { type: 'SignalReceived', name: 'go' } as const;
const soon = (): number => (Date.now() + 60_000) * 1000;

test('an open transaction that signals one run does not delay closings and turns of others', async (t) => {
  const worker = await incarnation(store, t, { lockTimeout: '500ms' });
  const [signalled, closing, open] = await startedRuns(store, 3, { owner: worker });
  const user = await store.session(t);
  await user.query('begin');
  await send(user, 'reprise', signalled!, signal);
  const turns = [closingTurn(signalled!, 0), closingTurn(closing!, 0), turn({ runId: open! })];
  assert.deepEqual(await worker.writer.append(turns), ['busy', 'committed', 'committed']);
  assert.deepEqual(
    [await eventCount(store, signalled!), await eventCount(store, closing!), await eventCount(store, open!)],
    [1, 2, 2],
  );
  assert.equal(await statusOf(store, closing!), 'completed');
  assert.equal(await statusOf(store, signalled!), 'running');
  await user.query('commit');
  assert.deepEqual(await worker.writer.append([closingTurn(signalled!, 0)]), ['mail']);
});

test('a closing turn that a signal delayed succeeds after the signal rolls back', async (t) => {
  const worker = await incarnation(store, t, { lockTimeout: '500ms' });
  const [runId] = await startedRuns(store, 1, { owner: worker });
  const user = await store.session(t);
  await user.query('begin');
  await send(user, 'reprise', runId!, signal);
  assert.deepEqual(await worker.writer.append([closingTurn(runId!, 0)]), ['busy']);
  await user.query('rollback');
  assert.deepEqual(await worker.writer.append([closingTurn(runId!, 0)]), ['committed']);
});

test('a busy closing turn consumes no mail, while another turn of the same flush does', async (t) => {
  const worker = await incarnation(store, t, { lockTimeout: '500ms' });
  const [busy, free] = await startedRuns(store, 2, { owner: worker });
  for (const runId of [busy!, free!]) await send(pool, 'reprise', runId, signal);
  const user = await store.session(t);
  await user.query('begin');
  await send(user, 'reprise', busy!, signal);
  const turns = [closingTurn(busy!, 1, [1]), closingTurn(free!, 1, [1])];
  assert.deepEqual(await worker.writer.append(turns), ['busy', 'committed']);
  assert.deepEqual(await inboxOf(store, busy!), [1]);
  assert.deepEqual(await inboxOf(store, free!), []);
  await user.query('rollback');
});

test('a transaction that signals two runs and a flush that closes them in the opposite order do not deadlock', async (t) => {
  const worker = await incarnation(store, t);
  const [first, second] = await startedRuns(store, 2, { owner: worker });
  const user = await store.session(t);
  await user.query('begin');
  await send(user, 'reprise', second!, signal);
  await worker.writer.client.query('begin');
  const flush = worker.writer.append([closingTurn(first!, 0), closingTurn(second!, 0)]);
  await Promise.race([flush, waits(store, flush)]);
  const signalling = send(user, 'reprise', first!, signal);
  assert.deepEqual(await flush, ['committed', 'busy']);
  await waits(store, signalling);
  await worker.writer.client.query('commit');
  assert.equal(await signalling, undefined);
  await user.query('commit');
  assert.deepEqual(await inboxOf(store, second!), [1]);
});

test('two flushes that close the same runs in opposite order do not deadlock', async (t) => {
  const worker = await incarnation(store, t, { writers: 2 });
  const [first, second] = await startedRuns(store, 2, { owner: worker });
  const [one, two] = worker.writers;
  await one!.client.query('begin');
  assert.deepEqual(await one!.append([closingTurn(first!, 0)]), ['committed']);
  assert.deepEqual(await two!.append([closingTurn(second!, 0), closingTurn(first!, 0)]), ['committed', 'busy']);
  await one!.client.query('commit');
});

test('turns that do not close touch no row of their run', async (t) => {
  const worker = await incarnation(store, t, { lockTimeout: '500ms' });
  const runIds = await startedRuns(store, 2, { owner: worker });
  const user = await store.session(t);
  await user.query('begin');
  await user.query('select 1 from reprise.ready where run_id = any($1) for update', [runIds]);
  await user.query('select 1 from reprise.runs where run_id = any($1) for update', [runIds]);
  const turns = runIds.map((runId) => turn({ runId }));
  assert.deepEqual(await worker.writer.append(turns), ['committed', 'committed']);
  await user.query('rollback');
});

test('parking skips a run whose row a sender holds, and releases the others', async (t) => {
  const worker = await incarnation(store, t, { lockTimeout: '500ms' });
  const [signalled, idle] = await startedRuns(store, 2, { owner: worker });
  const user = await store.session(t);
  await user.query('begin');
  await send(user, 'reprise', signalled!, signal);
  const runs = [signalled!, idle!].map((runId) => ({ runKey: runIdBytes(runId), mail: 0, wakeAt: soon() }));
  assert.deepEqual(await park(worker.control, 'reprise', worker, runs), [idle]);
  await user.query('commit');
  assert.equal((await readyRow(store, signalled!))?.owner, worker.epoch);
  assert.equal((await readyRow(store, idle!))?.owner, null);
});

test('claims skip locked rows', async (t) => {
  const queue = 'default/held';
  const worker = await incarnation(store, t, { lockTimeout: '500ms' });
  const [held, free] = await startedRuns(store, 2, { queue });
  const user = await store.session(t);
  await user.query('begin');
  await send(user, 'reprise', held!, signal);
  const claimed = await claim(worker.control, 'reprise', worker, { queue, now: soon(), from: 0, limit: 10 });
  assert.deepEqual(
    claimed.map((run) => run.runId),
    [free],
  );
  await user.query('commit');
  const later = await claim(worker.control, 'reprise', worker, { queue, now: soon(), from: 0, limit: 10 });
  assert.deepEqual(
    later.map(({ runId, mail }) => [runId, mail]),
    [[held, 1]],
  );
});

test('two workers that claim at the same time get different runs', async (t) => {
  const queue = 'default/shared';
  const [one, two] = [
    await incarnation(store, t, { lockTimeout: '500ms' }),
    await incarnation(store, t, { lockTimeout: '500ms' }),
  ];
  const runIds = await startedRuns(store, 6, { queue });
  await one.control.query('begin');
  const first = await claim(one.control, 'reprise', one, { queue, now: soon(), from: 0, limit: 4 });
  const second = await claim(two.control, 'reprise', two, { queue, now: soon(), from: 0, limit: 4 });
  await one.control.query('commit');
  assert.deepEqual([first.length, second.length], [4, 2]);
  assert.deepEqual([...first, ...second].map((run) => run.runId).sort(), runIds);
});
