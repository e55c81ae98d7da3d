// Termination of a run that nobody owns: the log continues as if a worker had written it, also with concurrent claims,
// messages and terminations.
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { verifyChain } from '../support/verify-chain.ts';
import { claim, park } from '../../runtime/store/ownership/claim.ts';
import { terminateUnowned } from '../../runtime/store/runs/close-run.ts';
import { send } from '../../runtime/store/messages/inbox.ts';
import { newRunId, runIdBytes } from '../../runtime/store/runs/run-id.ts';
import { getRun, readOutcomes } from '../../runtime/store/runs/runs.ts';
import {
  eventCount,
  gate,
  historyOf,
  inboxOf,
  incarnation,
  patiently,
  readyRow,
  startedRun,
  statusOf,
  testStore,
  turn,
  waits,
} from '../support/store.ts';

const store = await testStore();
const { pool, database } = store;

async function verified(runId: string): Promise<unknown> {
  const { rows } = await pool.query('select * from reprise_audit.verify($1)', [runId]);
  return rows;
}

/** Checks that the log verifies in TypeScript and in SQL, and that the run's row matches the log. */
async function assertWhole(runId: string, length: number): Promise<void> {
  const events = await historyOf(store, runId);
  assert.deepEqual(
    events.map((event) => event.seq),
    Array.from({ length }, (_, i) => i + 1),
  );
  const verdict = verifyChain(runId, events, (bytes) => hash('sha256', bytes, 'buffer'));
  assert.ok(verdict.ok, JSON.stringify(verdict));
  assert.deepEqual(await verified(runId), [{ ok: true, seq: length, problem: null }]);
  const run = await getRun(database, runId);
  assert.deepEqual([run?.status, run?.final_seq], ['terminated', length]);
  assert.deepEqual(run?.final_hash, Buffer.from(verdict.head));
}

test('a run that no worker has touched is terminated, and the hash covers its start', async () => {
  const runId = await startedRun(store);
  assert.equal(await terminateUnowned(database, runId, 'not needed'), 'ended');
  await assertWhole(runId, 2);
  assert.equal(await readyRow(store, runId), undefined);
  assert.deepEqual((await readOutcomes(database, [runId])).get(runId), {
    type: 'WorkflowTerminated',
    payload: null,
    reason: 'not needed',
  });
});

test('a parked run is terminated after its last turn, in the same hash chain', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const start = await historyOf(store, runId);
  const first = turn({
    runId,
    at: start[0]!.at + 1,
    newEvents: ['ActivityScheduled', 'TimerStarted'],
    unhashed: start,
  });
  await worker.writer.append([first]);
  const second = turn({
    runId,
    at: start[0]!.at + 2,
    after: 3,
    newEvents: ['ActivityScheduled'],
    previous: first.events[1]!.hash!,
  });
  await worker.writer.append([second]);
  await park(worker.control, 'reprise', worker, [{ runKey: runIdBytes(runId), mail: 0, wakeAt: Date.now() * 2000 }]);
  assert.equal(await terminateUnowned(database, runId, null), 'ended');
  await assertWhole(runId, 5);
});

test('the terminating turn is later than the last one, even if a clock was ahead', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store);
  const ahead = (Date.now() + 3_600_000) * 1000;
  await worker.writer.append([turn({ runId, at: ahead, unhashed: await historyOf(store, runId) })]);
  await terminateUnowned(database, runId, 'x');
  const events = await historyOf(store, runId);
  assert.deepEqual(events.map((event) => event.at).slice(1), [ahead, ahead + 1]);
  await assertWhole(runId, 3);
});

test('verify finds an edited event of a terminated run', async () => {
  const runId = await startedRun(store);
  await terminateUnowned(database, runId, 'x');
  await pool.query("update reprise.events set reason = 'another' where run_id = $1 and seq = 2", [runId]);
  const [row] = (await verified(runId)) as { ok: boolean; seq: number }[];
  assert.deepEqual([row?.ok, row?.seq], [false, 2]);
});

test('unread mail of a terminated run is deleted', async () => {
  const runId = await startedRun(store);
  await send(pool, 'reprise', runId, { type: 'SignalReceived', name: 'go' });
  assert.equal(await terminateUnowned(database, runId, 'x'), 'ended');
  assert.deepEqual(await inboxOf(store, runId), []);
});

test('terminateUnowned leaves an owned run to its owner', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  assert.equal(await terminateUnowned(database, runId, 'x'), 'owned');
  assert.deepEqual([await statusOf(store, runId), await eventCount(store, runId)], ['running', 1]);
});

test('a closed or unknown run is not terminated', async () => {
  const runId = await startedRun(store);
  await terminateUnowned(database, runId, 'x');
  assert.equal(await terminateUnowned(database, runId, 'y'), 'closed');
  assert.equal(await terminateUnowned(database, newRunId(), 'y'), 'closed');
  assert.equal(await eventCount(store, runId), 2);
});

test('a run that is claimed while the terminator waits for its row stays with its new owner', async (t) => {
  const queue = 'default/claimed';
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { queue });
  await worker.control.query('begin');
  await claim(worker.control, 'reprise', worker, { queue, now: Date.now() * 2000, from: 0, limit: 1 });
  const terminating = patiently(() => terminateUnowned(database, runId, 'x'));
  await waits(store, terminating);
  await worker.control.query('commit');
  assert.equal(await terminating, 'owned');
});

test('of two terminators, one terminates the run and the other finds it closed', async () => {
  const runId = await startedRun(store);
  const results = await Promise.all(
    ['a', 'b'].map((reason) => patiently(() => terminateUnowned(database, runId, reason))),
  );
  assert.deepEqual(results.toSorted(), ['closed', 'ended']);
  await assertWhole(runId, 2);
});

test('a claim skips a run that is being terminated', async (t) => {
  const queue = 'default/terminating';
  const worker = await incarnation(store, t, { lockTimeout: '500ms' });
  const runId = await startedRun(store, { queue });
  await send(pool, 'reprise', runId, { type: 'SignalReceived', name: 'go' });
  // The termination waits for the run's mail while it holds the run's row.
  const mail = await gate(store, 'delete on reprise.inbox');
  t.after(async () => void (await pool.query('drop function gated cascade; drop table gate')));
  const terminating = terminateUnowned(database, runId, 'x');
  await mail.entered();
  assert.deepEqual(
    await claim(worker.control, 'reprise', worker, { queue, now: Date.now() * 2000, from: 0, limit: 1 }),
    [],
  );
  await mail.open();
  assert.equal(await terminating, 'ended');
});

test('a waiter in the same process gets the outcome as soon as the termination commits', async (t) => {
  const told: unknown[] = [];
  const listener = (id: string, outcome: unknown): void => void told.push([id, outcome]);
  database.local.on('closed', listener);
  t.after(async () => void database.local.off('closed', listener));
  const runId = await startedRun(store);
  await terminateUnowned(database, runId, 'told');
  assert.deepEqual(told, [[runId, { type: 'WorkflowTerminated', payload: null, reason: 'told' }]]);
});
