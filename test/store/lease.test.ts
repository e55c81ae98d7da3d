// Life and death of incarnations: registration, heartbeats, suspects, and the runs that the reaper frees. The search
// for suspects reads all leases of a database, so each test of suspects has a separate database.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claim } from '../../runtime/store/ownership/claim.ts';
import { Database } from '../../runtime/store/sql/database.ts';
import { declareDead, heartbeat, register, sweepDead } from '../../runtime/store/ownership/lease.ts';
import {
  backendPid,
  eventCount,
  type Incarnation,
  incarnation,
  readyRow,
  startedRun,
  startedRuns,
  type TestStore,
  testStore,
  turn,
  waits,
} from '../support/store.ts';

const store = await testStore();
const { pool, database } = store;
const allDue = { now: (Date.now() + 60_000) * 1000, from: 0, limit: 10 };
const calm = { leaseMs: 60_000, missedMs: 60_000 };

/** Moves the last heartbeat back by an hour. `lease`: whether the lease still holds. */
async function silence(bed: TestStore, { epoch }: { epoch: number }, lease: 'holds' | 'over'): Promise<void> {
  await bed.pool.query(
    `update reprise.leases set beat_at = now() - interval '1 hour',
       expires_at = now() + case when $2 then interval '1 hour' else interval '-1 minute' end where epoch = $1`,
    [epoch, lease === 'holds'],
  );
}

async function suspectsOf(worker: Incarnation): Promise<unknown> {
  return (await heartbeat(worker.heart, 'reprise', worker.epoch, calm)).suspects;
}

test('epochs only grow, and each epoch has a lease and one fence for each connection', async (t) => {
  const first = await incarnation(store, t);
  const second = await incarnation(store, t, { writers: 2, queue: 'default/two' });
  assert.ok(second.epoch > first.epoch);
  const { rows } = await pool.query('select slot, backend_pid from reprise.fences where epoch = $1 order by slot', [
    second.epoch,
  ]);
  const sessions = [second.control, ...second.writers.map((writer) => writer.client)];
  const pids = await Promise.all(sessions.map(backendPid));
  assert.deepEqual(
    rows,
    pids.map((backend_pid, slot) => ({ slot, backend_pid })),
  );
  const leases = await pool.query('select queue, expires_at > beat_at as holds from reprise.leases where epoch = $1', [
    second.epoch,
  ]);
  assert.deepEqual(leases.rows, [{ queue: 'default/two', holds: true }]);
});

test('a heartbeat does not wait for a flush', async (t) => {
  const worker = await incarnation(store, t, { lockTimeout: '200ms' });
  const runId = await startedRun(store, { owner: worker });
  await worker.writer.client.query('begin');
  await worker.writer.append([turn({ runId })]);
  const beat = await heartbeat(worker.heart, 'reprise', worker.epoch, calm);
  assert.equal(beat.alive, true);
  await worker.writer.client.query('rollback');
});

test('a heartbeat does not wait for a reaper that itself waits for a flush', async (t) => {
  const worker = await incarnation(store, t, { lockTimeout: '200ms' });
  const runId = await startedRun(store, { owner: worker });
  await worker.writer.client.query('begin');
  await worker.writer.append([turn({ runId })]);
  const death = declareDead(database, worker.epoch, 'test');
  await waits(store, death);
  assert.equal((await heartbeat(worker.heart, 'reprise', worker.epoch, calm)).alive, true);
  await worker.writer.client.query('commit');
  await death;
  assert.equal((await heartbeat(worker.heart, 'reprise', worker.epoch, calm)).alive, false);
});

test('a heartbeat extends the lease and returns the database’s time', async (t) => {
  const worker = await incarnation(store, t);
  await silence(store, worker, 'over');
  const { rows: before } = await pool.query<{ at: string }>(
    'select extract(epoch from clock_timestamp()) * 1000000 as at',
  );
  const beat = await heartbeat(worker.heart, 'reprise', worker.epoch, calm);
  const { rows: after } = await pool.query<{ at: string }>(
    'select extract(epoch from clock_timestamp()) * 1000000 as at',
  );
  assert.ok(Number(before[0]!.at) <= beat.databaseTime && beat.databaseTime <= Number(after[0]!.at));
  const { rows } = await pool.query(
    `select expires_at > now() + interval '59 s' as extended, beat_at > now() - interval '59 s' as beaten
     from reprise.leases where epoch = $1`,
    [worker.epoch],
  );
  assert.deepEqual(rows, [{ extended: true, beaten: true }]);
});

test('a silent incarnation is not a suspect while its session lives and its lease holds', async (t) => {
  const bed = await testStore(t);
  const [watcher, silent] = [await incarnation(bed, t), await incarnation(bed, t)];
  await silence(bed, silent, 'holds');
  assert.deepEqual(await suspectsOf(watcher), []);
});

test('an incarnation that lost its session is a suspect only after a missed heartbeat', async (t) => {
  const bed = await testStore(t);
  const [watcher, gone] = [await incarnation(bed, t), await incarnation(bed, t)];
  await gone.heart.end();
  assert.deepEqual(await suspectsOf(watcher), []);
  await silence(bed, gone, 'holds');
  assert.deepEqual(await suspectsOf(watcher), [{ epoch: gone.epoch, sessionEnded: true }]);
});

test('an incarnation whose lease expired is a suspect even if its session lives', async (t) => {
  const bed = await testStore(t);
  const [watcher, hanging] = [await incarnation(bed, t), await incarnation(bed, t)];
  await silence(bed, hanging, 'over');
  assert.deepEqual(await suspectsOf(watcher), [{ epoch: hanging.epoch, sessionEnded: false }]);
});

test('a suspect with a lost session and an expired lease is reported as lost, so nobody waits another lease', async (t) => {
  const bed = await testStore(t);
  const [watcher, gone] = [await incarnation(bed, t), await incarnation(bed, t)];
  await gone.heart.end();
  await silence(bed, gone, 'over');
  assert.deepEqual(await suspectsOf(watcher), [{ epoch: gone.epoch, sessionEnded: true }]);
});

test('two workers may suspect the same incarnation at the same time, and no worker suspects itself', async (t) => {
  const bed = await testStore(t);
  const [one, two, gone] = [await incarnation(bed, t), await incarnation(bed, t), await incarnation(bed, t)];
  await gone.heart.end();
  for (const each of [one, two, gone]) await silence(bed, each, 'holds');
  await one.heart.query('begin');
  const expected = [{ epoch: gone.epoch, sessionEnded: true }];
  assert.deepEqual(await suspectsOf(one), expected);
  assert.deepEqual(await suspectsOf(two), expected);
  await one.heart.query('commit');
});

test('an incarnation of another schema with the same epoch does not count as alive', async (t) => {
  const bed = await testStore(t);
  const watcher = await incarnation(bed, t);
  const gone = await incarnation(bed, t);
  const other = await Database.open({ pool: bed.pool, schema: 'other' });
  const session = await bed.session(t);
  const registration = { identity: 'x', queue: 'x', bundleHash: 'x', leaseMs: 60_000, backendPids: [] };
  let epoch = 0;
  while (epoch < gone.epoch) epoch = await register(session, other.schema, registration);
  await gone.heart.end();
  await silence(bed, gone, 'holds');
  assert.deepEqual(await suspectsOf(watcher), [{ epoch: gone.epoch, sessionEnded: true }]);
});

test('the reaper frees a run whose claim was in flight', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { queue: 'default/late' });
  await worker.control.query('begin');
  const options = { ...allDue, queue: 'default/late' };
  assert.equal((await claim(worker.control, 'reprise', worker, options)).length, 1);
  const death = declareDead(database, worker.epoch, 'test');
  await waits(store, death);
  await worker.control.query('commit');
  assert.equal(await death, 1);
  const row = await readyRow(store, runId);
  assert.deepEqual([row?.owner, row?.lost], [null, worker.epoch]);
});

test('a reaper that used a single statement would miss a run whose claim was in flight', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { queue: 'default/trap' });
  const reaper = await store.session(t);
  await worker.control.query('begin');
  const options = { ...allDue, queue: 'default/trap' };
  await claim(worker.control, 'reprise', worker, options);
  const death = reaper.query(
    `with dead as (delete from reprise.fences where epoch = $1 returning epoch)
     update reprise.ready r set owner = null from (select distinct epoch from dead) d where r.owner = d.epoch`,
    [worker.epoch],
  );
  await waits(store, death);
  await worker.control.query('commit');
  assert.equal((await death).rowCount, 0);
  assert.equal((await readyRow(store, runId))?.owner, worker.epoch);
});

test('freed runs are due at once, and the next owner learns of the loss once', async (t) => {
  const [dead, heir] = [await incarnation(store, t), await incarnation(store, t)];
  const runId = await startedRun(store, { queue: 'default/heir', owner: dead });
  await pool.query("update reprise.ready set wake_at = 'infinity' where run_id = $1", [runId]);
  assert.equal(await declareDead(database, dead.epoch, 'test'), 1);
  const options = { ...allDue, queue: 'default/heir' };
  const [claimed] = await claim(heir.control, 'reprise', heir, options);
  assert.deepEqual([claimed?.runId, claimed?.lost], [runId, dead.epoch]);
  assert.equal((await readyRow(store, runId))?.lost, null);
});

test('a dead incarnation is recorded with the first reason', async (t) => {
  const worker = await incarnation(store, t);
  await declareDead(database, worker.epoch, 'session ended');
  await declareDead(database, worker.epoch, 'lease expired');
  const { rows } = await pool.query(
    'select dead_at is not null as dead, dead_reason from reprise.workers where epoch = $1',
    [worker.epoch],
  );
  assert.deepEqual(rows, [{ dead: true, dead_reason: 'session ended' }]);
});

test('two reapers of the same dead incarnation both finish, and every run is freed once', async (t) => {
  const worker = await incarnation(store, t);
  await startedRuns(store, 3, { owner: worker });
  const freed = await Promise.all([
    declareDead(database, worker.epoch, 'one'),
    declareDead(database, worker.epoch, 'two'),
  ]);
  assert.equal(freed[0] + freed[1], 3);
});

test('a locked row does not delay the release of a dead worker’s other runs, and a later sweep frees it', async (t) => {
  const worker = await incarnation(store, t);
  const [held, ...others] = await startedRuns(store, 5, { owner: worker });
  const user = await store.session(t);
  await user.query('begin');
  await user.query('select 1 from reprise.ready where run_id = $1 for update', [held]);
  assert.equal(await declareDead(database, worker.epoch, 'test'), others.length);
  await sweepDead(database);
  for (const runId of others) assert.equal((await readyRow(store, runId))?.owner, null);
  assert.equal((await readyRow(store, held!))?.owner, worker.epoch);
  await user.query('commit');
  await sweepDead(database);
  const row = await readyRow(store, held!);
  assert.deepEqual([row?.owner, row?.lost], [null, worker.epoch]);
});

test('the reaper leaves runs of live workers alone', async (t) => {
  const [dead, alive] = [await incarnation(store, t), await incarnation(store, t)];
  const runId = await startedRun(store, { owner: alive });
  await startedRun(store, { owner: dead });
  assert.equal(await declareDead(database, dead.epoch, 'test'), 1);
  assert.equal((await readyRow(store, runId))?.owner, alive.epoch);
  assert.deepEqual(await alive.writer.append([turn({ runId })]), ['committed']);
});

test('the sweep frees the runs of a reaper that died between its statements, however long ago it died', async (t) => {
  const [dead, alive] = [await incarnation(store, t), await incarnation(store, t)];
  const lost = await startedRuns(store, 2, { owner: dead });
  const kept = await startedRun(store, { owner: alive });
  await pool.query('delete from reprise.fences where epoch = $1', [dead.epoch]);
  await pool.query("update reprise.workers set dead_at = now() - interval '1 month' where epoch = $1", [dead.epoch]);
  await sweepDead(database);
  for (const runId of lost) {
    const row = await readyRow(store, runId);
    assert.deepEqual([row?.owner, row?.lost], [null, dead.epoch]);
  }
  assert.equal((await readyRow(store, kept))?.owner, alive.epoch);
});

test('a stalled session that holds the fence is terminated, and its transaction is rolled back', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await worker.writer.client.query('begin');
  await worker.writer.append([turn({ runId })]);
  assert.equal(await declareDead(database, worker.epoch, 'test'), 1);
  assert.equal(await eventCount(store, runId), 1);
  await assert.rejects(worker.writer.client.query('commit'));
});

test('a session that reuses the pid of a dead backend is not terminated', async (t) => {
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  const stranger = await store.session(t);
  await pool.query('update reprise.fences set backend_pid = $2 where epoch = $1 and slot = 0', [
    worker.epoch,
    await backendPid(stranger),
  ]);
  await worker.writer.client.query('begin');
  await worker.writer.append([turn({ runId })]);
  await declareDead(database, worker.epoch, 'test');
  assert.equal((await stranger.query('select 1')).rowCount, 1);
});
