// Roles: a login that is a member of reprise_worker can do everything that workers and clients do, but cannot change
// the log. A member of reprise_auditor can only read.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import type pg from 'pg';
import { deleteHeartbeat, readAttempts, storeHeartbeat } from '../../runtime/store/activities/activity-heartbeats.ts';
import { LogWriter } from '../../runtime/store/log/append.ts';
import { claim, lockOwnedRun, park } from '../../runtime/store/ownership/claim.ts';
import { terminateUnowned } from '../../runtime/store/runs/close-run.ts';
import { Database } from '../../runtime/store/sql/database.ts';
import {
  changeRouting,
  countDeployment,
  readRunVersioning,
  registerVersion,
} from '../../runtime/store/deployments/deployments.ts';
import { readHeads, readHistory } from '../../runtime/store/log/history.ts';
import { readMail, send } from '../../runtime/store/messages/inbox.ts';
import { declareDead, heartbeat, register, sweepDead } from '../../runtime/store/ownership/lease.ts';
import { lookAround } from '../../runtime/store/ownership/poll.ts';
import {
  answer,
  ask,
  expireRequests,
  openRequests,
  takeAnswer,
  withdraw,
} from '../../runtime/store/messages/requests.ts';
import { runIdBytes } from '../../runtime/store/runs/run-id.ts';
import { listRuns } from '../../runtime/store/visibility/list-runs.ts';
import { getRun, readOpenState, readOutcomes } from '../../runtime/store/runs/runs.ts';
import { startRuns } from '../../runtime/store/runs/start-run.ts';
import { backendPid, newRun, openSession, startedRun, testStore, turn } from '../support/store.ts';

let drop = async (): Promise<void> => undefined;
after(() => drop());
const store = await testStore();
const worker = await login('reprise_worker');
const auditor = await login('reprise_auditor');

/** URL of the database for a new login that is a member of `role`. */
async function login(role: string): Promise<string> {
  const name = `${role}_${randomBytes(6).toString('hex')}`;
  const password = randomBytes(12).toString('hex');
  await store.pool.query(`create role ${name} login password '${password}' in role ${role}`);
  const dropOthers = drop;
  drop = async () => {
    await dropOthers();
    await store.pool.query(`drop role ${name}`);
  };
  const url = new URL(store.url);
  url.username = name;
  url.password = password;
  return url.href;
}

async function refused(session: pg.Client, statement: string): Promise<void> {
  await assert.rejects(session.query(statement), { code: '42501' }, statement);
}

test('a member of reprise_worker does everything that workers and clients do', async (t) => {
  const database = await Database.open({ connectionString: worker });
  t.after(() => database.close());
  const { pool } = database;
  const [heart, control, appending] = [
    await openSession(t, worker),
    await openSession(t, worker),
    await openSession(t, worker),
  ];
  const queue = 'default/test';
  const registration = {
    identity: 'me',
    queue,
    bundleHash: 'b',
    leaseMs: 60_000,
    backendPids: [await backendPid(control), await backendPid(appending)],
  };
  const epoch = await register(heart, 'reprise', registration);
  const other = await register(control, 'reprise', registration);
  assert.equal((await heartbeat(heart, 'reprise', epoch, { leaseMs: 60_000, missedMs: 0 })).alive, true);
  await heart.query('listen reprise_wake');

  assert.equal((await startRuns(pool, 'reprise', [newRun(), newRun(), newRun()])).size, 3);
  const due = { queue, now: (Date.now() + 60_000) * 1000, from: 0 };
  const mine = await claim(control, 'reprise', { epoch, slot: 0 }, { ...due, limit: 2 });
  const others = await claim(control, 'reprise', { epoch: other, slot: 0 }, { ...due, limit: 1 });
  const [run, waiting, orphan] = [...mine, ...others].map(({ runId }) => runId) as [string, string, string];
  assert.equal(await lockOwnedRun(control, 'reprise', run, epoch), true);
  for (let i = 0; i < 2; i += 1) await send(pool, 'reprise', run, { type: 'SignalReceived', name: 'go' });
  assert.deepEqual(
    (await lookAround(database, epoch, { queues: [queue], standaloneQueue: 'x', now: Date.now() * 1000 })).mailed,
    [run],
  );
  assert.equal((await readMail(database, [{ runId: run, after: 0 }])).length, 2);
  await storeHeartbeat(database, epoch, run, 2, new Uint8Array([1]));
  assert.equal((await readAttempts(database, run)).progress.size, 1);
  await deleteHeartbeat(database, run, 2);

  const writer = await LogWriter.open(appending, 'reprise', epoch, 1);
  const reading = turn({ runId: run, newEvents: ['SignalReceived'], consumed: [1] });
  const closing = turn({
    runId: run,
    after: 2,
    newEvents: ['SignalReceived', 'WorkflowCompleted'],
    consumed: [2],
    close: { status: 'completed', mail: 2 },
  });
  assert.deepEqual(await writer.append([reading]), ['committed']);
  assert.deepEqual(await writer.append([closing]), ['committed']);
  const parking = [{ runKey: runIdBytes(waiting), mail: 0, wakeAt: Date.now() * 1000 }];
  assert.deepEqual(await park(control, 'reprise', { epoch, slot: 0 }, parking), [waiting]);
  assert.equal(await declareDead(database, other, 'test'), 1);
  await sweepDead(database);
  assert.equal(await terminateUnowned(database, orphan, 'enough'), 'ended');

  assert.equal((await readHeads(database, [run, orphan], 10)).length, 6);
  assert.equal((await readHistory(database, run).next()).value?.length, 4);
  assert.equal((await listRuns(database, 'default', '', { limit: 10 })).rows.length, 3);
  assert.equal((await readOutcomes(database, [run, orphan])).size, 2);
  assert.equal((await readOpenState(database, (await getRun(database, waiting))!)).historyLength, 1);

  const request = {
    id: randomUUID(),
    runId: waiting,
    queue,
    name: 'q',
    args: new Uint8Array([0x90]),
    timeoutMs: 10_000,
  };
  await ask(database, request);
  assert.equal((await openRequests(database, epoch, { queues: [queue], open: [queue] })).length, 1);
  await answer(database, request.id, { payload: new Uint8Array([1]), problem: undefined });
  assert.deepEqual((await takeAnswer(database, request.id))?.problem, undefined);
  await withdraw(database, request.id);
  await expireRequests(database);

  await registerVersion(database, 'default', { deploymentName: 'shop', buildId: '1' });
  assert.equal(await changeRouting(database, 'default', 'shop', { current: '1' }), undefined);
  assert.equal((await countDeployment(database, 'default', 'shop', ['1'])).byBuild.get('1')?.pinned, 0);
  assert.equal(await readRunVersioning(pool, 'reprise', waiting), undefined);
});

test('a member of reprise_worker cannot change, remove or empty the log', async (t) => {
  const runId = await startedRun(store);
  const session = await openSession(t, worker);
  await refused(session, `update reprise.events set payload = null where run_id = '${runId}'`);
  await refused(session, `delete from reprise.events where run_id = '${runId}'`);
  await refused(session, 'truncate reprise.events');
  await refused(
    session,
    `insert into reprise.events (run_id, at, seq, type) values ('${runId}', now(), 1, 1) on conflict (run_id, seq) do update set at = now()`,
  );
  await refused(session, `select 1 from reprise.events where run_id = '${runId}' for update`);
  await refused(
    session,
    `merge into reprise.events e using (select 1) s on e.run_id = '${runId}' when matched then delete`,
  );
  const { rowCount } = await store.pool.query(
    'select 1 from reprise.events where run_id = $1 and payload is not null',
    [runId],
  );
  assert.equal(rowCount, 1);
});

test('a member of reprise_worker cannot extend its rights', async (t) => {
  const session = await openSession(t, worker);
  for (const statement of [
    'alter table reprise.events disable trigger all',
    'drop table reprise.events',
    'create table reprise.mine (n int)',
    'create rule changed as on insert to reprise.events do instead nothing',
    'delete from reprise.runs',
    'truncate reprise.runs',
    'delete from reprise.workers',
    "insert into reprise.migrations values ('9999_x', 'now')",
  ]) {
    await refused(session, statement);
  }
  await session.query('grant update on reprise.events to current_user');
  await refused(session, 'update reprise.events set name = null');
});

test('a member of reprise_auditor reads runs and events and verifies them', async (t) => {
  const runId = await startedRun(store);
  const session = await openSession(t, auditor);
  assert.equal((await session.query('select 1 from reprise.runs where run_id = $1', [runId])).rowCount, 1);
  assert.equal((await session.query('select 1 from reprise.events where run_id = $1', [runId])).rowCount, 1);
  const { rows } = await session.query('select * from reprise_audit.verify($1)', [runId]);
  assert.deepEqual(rows, [{ ok: true, seq: 1, problem: null }]);
});

test('a member of reprise_auditor cannot write, and reads only the log', async (t) => {
  const session = await openSession(t, auditor);
  for (const table of ['runs', 'events']) {
    await refused(session, `insert into reprise.${table} (run_id) values (gen_random_uuid())`);
    await refused(session, `update reprise.${table} set run_id = run_id`);
    await refused(session, `delete from reprise.${table}`);
    await refused(session, `truncate reprise.${table}`);
  }
  for (const table of ['ready', 'inbox', 'activity_heartbeats', 'workers', 'fences', 'leases', 'requests']) {
    await refused(session, `select 1 from reprise.${table}`);
  }
  await refused(session, 'create table reprise.mine (n int)');
  await refused(session, 'create table reprise_audit.mine (n int)');
});

test('a login without either role sees nothing', async (t) => {
  const name = `nobody_${randomBytes(6).toString('hex')}`;
  await store.pool.query(`create role ${name} login password 'x'`);
  const url = new URL(store.url);
  url.username = name;
  url.password = 'x';
  t.after(async () => {
    await store.pool.query(`drop role ${name}`);
  });
  const session = await openSession(t, url.href);
  for (const statement of [
    'select 1 from reprise.runs',
    'select 1 from reprise.events',
    'select reprise_audit.verify(gen_random_uuid())',
  ]) {
    await refused(session, statement);
  }
});
