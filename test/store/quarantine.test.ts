// Runs in quarantine, in the database: nobody claims such a run before its next try, whatever messages it receives.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineNumber } from '../../runtime/core/log/engine-number.ts';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import { readMail, readMailByRun, send } from '../../runtime/store/messages/inbox.ts';
import { claim, type ClaimedRun, park } from '../../runtime/store/ownership/claim.ts';
import { isEngineKnownToAll, register } from '../../runtime/store/ownership/lease.ts';
import {
  isOwnedBy,
  leaveQuarantine,
  putIntoQuarantine,
  readQuarantine,
} from '../../runtime/store/ownership/quarantine.ts';
import { endOverdue, terminateUnowned } from '../../runtime/store/runs/close-run.ts';
import { runIdBytes } from '../../runtime/store/runs/run-id.ts';
import {
  eventCount,
  type Incarnation,
  incarnation,
  startedRun,
  startedRuns,
  statusOf,
  testStore,
  turn,
} from '../support/store.ts';

const store = await testStore();
const { database, pool } = store;
const second = 1_000_000;

function claimAt(worker: Incarnation, queue: string, now: number): Promise<ClaimedRun[]> {
  return claim(worker.control, 'reprise', worker, { queue, now, from: 0, limit: 10 });
}

function fault(runId: string, worker: Incarnation, nextTry: number, attempts = 1) {
  const { epoch } = worker;
  return { runId, nextTry, attempts, cause: 'TypeError', message: 'a fault', epoch, owner: epoch };
}

test('a run in quarantine is claimed at its next try, and a message does not make it due earlier', async (t) => {
  const worker = await incarnation(store, t);
  const queue = 'default/patient';
  const [sick, healthy] = await startedRuns(store, 2, { queue, owner: worker });
  const now = Date.now() * 1000;
  const nextTry = now + 60 * second;
  await putIntoQuarantine(database, fault(sick!, worker, nextTry, 3));
  const parked = [sick!, healthy!].map((runId) => ({ runKey: runIdBytes(runId), mail: 0, wakeAt: now }));
  assert.equal((await park(worker.control, 'reprise', worker, parked)).length, 2);
  await send(pool, 'reprise', sick!, { type: 'SignalReceived', name: 's' });
  const taken = await claimAt(worker, queue, now + second);
  assert.deepEqual(
    taken.map(({ runId, quarantined }) => [runId, quarantined]),
    [[healthy, undefined]],
  );
  assert.deepEqual(await claimAt(worker, queue, nextTry - 1), []);
  const tried = await claimAt(worker, queue, nextTry);
  assert.deepEqual(
    tried.map(({ runId, quarantined }) => [runId, quarantined]),
    [[sick, 3]],
  );
});

test('consecutive failures keep the time of the first and show the last', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const now = Date.now() * 1000;
  await putIntoQuarantine(database, fault(runId, worker, now + second));
  const first = await readQuarantine(database, runId);
  await putIntoQuarantine(database, { ...fault(runId, worker, now + 3 * second, 2), cause: 'XX001', message: 'b' });
  const info = await readQuarantine(database, runId);
  assert.deepEqual(info, {
    ...{ code: 'RUN_QUARANTINED', cause: 'XX001', message: 'b', attempt: 2, epoch: worker.epoch },
    ...{ since: first!.since, nextAttempt: new Date(Math.floor((now + 3 * second) / 1000)) },
  });
  await leaveQuarantine(database, runId);
  assert.equal(await readQuarantine(database, runId), undefined);
});

test('a worker that does not own a run cannot put it into quarantine', async (t) => {
  const [worker, other] = [await incarnation(store, t), await incarnation(store, t)];
  const runId = await startedRun(store, { owner: other });
  await putIntoQuarantine(database, fault(runId, worker, 0));
  await putIntoQuarantine(database, { ...fault(runId, worker, 0), owner: null });
  assert.equal(await readQuarantine(database, runId), undefined);
  assert.deepEqual(
    [await isOwnedBy(database, runId, other.epoch), await isOwnedBy(database, runId, worker.epoch)],
    [true, false],
  );
});

test('a run in quarantine can be terminated, and does not delay another run’s timeout', async (t) => {
  const worker = await incarnation(store, t);
  const [sick, late] = await startedRuns(store, 2, { owner: worker });
  await putIntoQuarantine(database, fault(sick!, worker, Date.now() * 1000 + 3_600 * second));
  await pool.query(
    `update reprise.ready set owner = null, deadline = clock_timestamp() - interval '1 hour' where run_id = any($1)`,
    [[sick, late]],
  );
  await endOverdue(database);
  assert.deepEqual([await statusOf(store, sick!), await statusOf(store, late!)], ['running', 'timed_out']);
  assert.equal(await terminateUnowned(database, sick!, 'enough'), 'ended');
  const { rows } = await pool.query('select from reprise.quarantine where run_id = $1', [sick]);
  assert.deepEqual(rows, []);
});

test('a message of an unknown type keeps only its own run’s mail unread', async (t) => {
  const worker = await incarnation(store, t);
  const [sick, healthy] = await startedRuns(store, 2, { owner: worker });
  for (const runId of [sick!, healthy!, sick!, sick!, healthy!]) {
    await send(pool, 'reprise', runId, { type: 'SignalReceived', name: 's' });
  }
  await pool.query('update reprise.inbox set type = 999 where run_id = $1 and id = 2', [sick]);
  const runs = [sick!, healthy!].map((runId) => ({ runId, after: 0 }));
  const { mail, unreadable } = await readMailByRun(database, runs);
  assert.deepEqual(
    mail.map(({ runId, id }) => [runId, id]),
    [
      [healthy, 1],
      [healthy, 2],
    ],
  );
  assert.deepEqual([...unreadable.keys()], [sick]);
  await assert.rejects(readMail(database, runs), { code: 'UNSUPPORTED_ENGINE' });
});

test('a turn that cannot be encoded is not sent, and does not affect the next turn', async (t) => {
  const worker = await incarnation(store, t);
  const [sick, healthy] = await startedRuns(store, 2, { owner: worker });
  const good = turn({ runId: healthy! });
  const bad = turn({
    runId: sick!,
    newEvents: [newEvent(0, 'ActivityAttemptFailed', { attempt: 70_000 })],
    consumed: [1],
  });
  await assert.rejects(worker.writer.append([good, bad]), { code: 'ASSERTION_FAILED', message: /nothing was sent/ });
  assert.deepEqual(await worker.writer.append([good]), ['committed']);
  assert.deepEqual([await eventCount(store, healthy!), await eventCount(store, sick!)], [2, 1]);
});

test('a new event type may be written when every live worker knows its engine number', async (t) => {
  const [older, newer] = [await store.session(t), await store.session(t)];
  const worker = { identity: 'w', queue: 'default/engines', bundleHash: null, leaseMs: 60_000, backendPids: [] };
  const next = engineNumber + 1;
  await register(newer, 'reprise', { ...worker, engine: next });
  const epoch = await register(older, 'reprise', worker);
  assert.ok(await isEngineKnownToAll(database, engineNumber));
  assert.ok(!(await isEngineKnownToAll(database, next)));
  await pool.query(
    'delete from reprise.leases where epoch <> all (select epoch from reprise.workers where engine = $1)',
    [next],
  );
  assert.ok(await isEngineKnownToAll(database, next), `worker ${epoch} is dead`);
});
