// The claim: which runs it takes, in which order, from which watermark, and that it leaves no setting on its session.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { storeHeartbeat } from '../../runtime/store/activities/activity-heartbeats.ts';
import { type ClaimedRun, claim, park } from '../../runtime/store/ownership/claim.ts';
import { Database } from '../../runtime/store/sql/database.ts';
import { heartbeat } from '../../runtime/store/ownership/lease.ts';
import { runIdBytes } from '../../runtime/store/runs/run-id.ts';
import { startRuns } from '../../runtime/store/runs/start-run.ts';
import {
  historyOf,
  type Incarnation,
  incarnation,
  newRun,
  readyRow,
  startedRun,
  startedRuns,
  testStore,
} from '../support/store.ts';

const store = await testStore();
const { pool } = store;

/** The time `from` seconds from now, in µs since 1970. */
function seconds(from: number): number {
  return (Date.now() + from * 1000) * 1000;
}

function claimAll(
  worker: Incarnation,
  queue: string,
  options: { from?: number; now?: number; limit?: number } = {},
): Promise<ClaimedRun[]> {
  return claim(worker.control, 'reprise', worker, { queue, now: seconds(60), from: 0, limit: 100, ...options });
}

function withoutStart({ start: _, ...run }: ClaimedRun): Omit<ClaimedRun, 'start'> {
  return run;
}

async function wakeAt(runId: string, micros: number): Promise<void> {
  await pool.query(
    "update reprise.ready set wake_at = timestamptz 'epoch' + $2::bigint * interval '1 microsecond' where run_id = $1",
    [runId, micros],
  );
}

async function commitsAsynchronously(session: pg.Client): Promise<boolean> {
  const { rows } = await session.query<{ synchronous_commit: string }>('show synchronous_commit');
  return rows[0]!.synchronous_commit === 'off';
}

test('due runs are claimed, and the run that has been due longest comes first', async (t) => {
  const queue = 'default/order';
  const worker = await incarnation(store, t);
  const [first, second, third] = await startedRuns(store, 3, { queue });
  const due = { first: seconds(-10), second: seconds(-5), third: seconds(3600) };
  await wakeAt(third!, due.third);
  await wakeAt(second!, due.second);
  await wakeAt(first!, due.first);
  assert.deepEqual((await claimAll(worker, queue, { limit: 1 })).map(withoutStart), [
    { runId: first, mail: 0, lost: null, wakeAt: due.first },
  ]);
  assert.deepEqual((await claimAll(worker, queue)).map(withoutStart), [
    { runId: second, mail: 0, lost: null, wakeAt: due.second },
  ]);
  assert.deepEqual(await claimAll(worker, queue), []);
  assert.deepEqual((await claimAll(worker, queue, { now: due.third })).map(withoutStart), [
    { runId: third, mail: 0, lost: null, wakeAt: due.third },
  ]);
});

test('the claim of a run that never had an owner returns its WorkflowStarted event', async (t) => {
  const worker = await incarnation(store, t);
  const queue = 'default/new';
  const meta = '{"seed": "ab",  "memo": {"a": 1}}';
  const runId = await startedRun(store, { queue, workflowType: 'demo', args: Uint8Array.of(1, 0x90), meta });
  const [claimed] = await claimAll(worker, queue);
  const [logged] = await historyOf(store, runId);
  assert.deepEqual({ ...claimed?.start, payload: new Uint8Array(claimed!.start!.payload!) }, logged);
  assert.equal(claimed?.start?.meta, meta);
});

test('a claim takes only runs of its queue that nobody owns', async (t) => {
  const [worker, other] = [await incarnation(store, t), await incarnation(store, t)];
  const mine = await startedRun(store, { queue: 'default/mine' });
  await startedRun(store, { queue: 'default/mine', owner: other });
  await startedRun(store, { queue: 'default/mine too' });
  assert.deepEqual(
    (await claimAll(worker, 'default/mine')).map((run) => run.runId),
    [mine],
  );
  assert.equal((await readyRow(store, mine))?.owner, worker.epoch);
});

test('the full sweep finds a start that committed late and is below the watermark', async (t) => {
  const queue = 'default/late';
  const worker = await incarnation(store, t);
  const user = await store.session(t);
  const late = newRun({ queue });
  await user.query('begin');
  await startRuns(user, 'reprise', [late]);
  await user.query('select pg_sleep(0.01)');
  const prompt = await startedRun(store, { queue });
  const [claimed] = await claimAll(worker, queue);
  assert.equal(claimed?.runId, prompt);
  await user.query('commit');
  assert.deepEqual(await claimAll(worker, queue, { from: claimed.wakeAt }), []);
  assert.deepEqual(
    (await claimAll(worker, queue, { from: 0 })).map((run) => run.runId),
    [late.runId],
  );
});

test('a claim includes runs that are due exactly at the watermark', async (t) => {
  const queue = 'default/edge';
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { queue });
  const due = seconds(-1) + 1;
  await wakeAt(runId, due);
  assert.deepEqual(await claimAll(worker, queue, { from: due + 1, now: seconds(0) }), []);
  assert.equal((await claimAll(worker, queue, { from: due, now: due })).length, 1);
});

test('claim, park and heartbeats commit asynchronously, and the session does not keep that setting', async (t) => {
  const queue = 'default/async';
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { queue });
  const runKey = runIdBytes(runId);
  const statements: readonly [string, pg.Client, () => Promise<unknown>][] = [
    ['claim', worker.control, () => claimAll(worker, queue)],
    ['park', worker.control, () => park(worker.control, 'reprise', worker, [{ runKey, mail: 0, wakeAt: seconds(0) }])],
    [
      'heartbeat',
      worker.heart,
      () => heartbeat(worker.heart, 'reprise', worker.epoch, { leaseMs: 60_000, missedMs: 60_000 }),
    ],
  ];
  for (const [name, session, statement] of statements) {
    await session.query("set synchronous_commit = 'on'");
    await session.query('begin');
    await statement();
    assert.equal(await commitsAsynchronously(session), true, name);
    await session.query('rollback');
    await statement();
    assert.equal(await commitsAsynchronously(session), false, name);
  }
});

test('storing heartbeats and sending notices leave no setting on the pool’s sessions', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const single = new pg.Pool({ connectionString: store.url, max: 1, options: '-c synchronous_commit=on' });
  t.after(() => single.end());
  const other = await Database.open({ pool: single });
  await storeHeartbeat(other, worker.epoch, runId, 2, new Uint8Array([1]));
  other.notifier.closed(runId);
  await new Promise((resolve) => setImmediate(resolve));
  const { rows } = await single.query('show synchronous_commit');
  assert.deepEqual(rows, [{ synchronous_commit: 'on' }]);
  const { rows: prepared } = await single.query('select name from pg_prepared_statements order by 1');
  assert.deepEqual(prepared, [{ name: 'reprise_activity_heartbeat_reprise' }, { name: 'reprise_notify' }]);
});

test('a parked run can be claimed again, with the mail that it received in the meantime', async (t) => {
  const queue = 'default/again';
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { queue });
  await claimAll(worker, queue);
  const planned = seconds(30);
  assert.deepEqual(
    await park(worker.control, 'reprise', worker, [{ runKey: runIdBytes(runId), mail: 0, wakeAt: planned }]),
    [runId],
  );
  assert.deepEqual(await claimAll(worker, queue, { now: planned - 1 }), []);
  // The run's last owner may have appended to the log, so WorkflowStarted alone would be incomplete.
  assert.deepEqual(await claimAll(worker, queue, { now: planned }), [
    { runId, mail: 0, lost: null, wakeAt: planned, start: undefined },
  ]);
});

test('a worker cannot park a run that another worker owns', async (t) => {
  const [worker, other] = [await incarnation(store, t), await incarnation(store, t)];
  const runId = await startedRun(store, { owner: other });
  assert.deepEqual(
    await park(worker.control, 'reprise', worker, [{ runKey: runIdBytes(runId), mail: 0, wakeAt: seconds(0) }]),
    [],
  );
  assert.equal((await readyRow(store, runId))?.owner, other.epoch);
});
