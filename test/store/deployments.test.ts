// The table of deployment versions: it has one current and at most one ramping version, also after concurrent changes.
// Also the runs that a claim by version takes.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { claim, park } from '../../runtime/store/ownership/claim.ts';
import {
  changeRouting,
  countDeployment,
  readRouting,
  readVersions,
  registerVersion,
} from '../../runtime/store/deployments/deployments.ts';
import { assignQueues } from '../../runtime/store/ownership/queue-changes.ts';
import { runIdBytes } from '../../runtime/store/runs/run-id.ts';
import { type Incarnation, incarnation, startedRun, testStore } from '../support/store.ts';

const store = await testStore();
const { database, pool } = store;
const namespace = 'default';
const all = { now: Date.now() * 1000 + 3_600_000_000, from: 946_684_800_000_000, limit: 100 };

async function deployment(name: string, builds: readonly string[]): Promise<void> {
  for (const buildId of builds) await registerVersion(database, namespace, { deploymentName: name, buildId });
}

async function claimed(worker: Incarnation, queue: string, name: string, buildId: string): Promise<string[]> {
  const route = { namespace, version: { deploymentName: name, buildId } };
  const runs = await claim(worker.control, 'reprise', worker, { queue, ...all, route });
  await park(
    worker.control,
    'reprise',
    worker,
    runs.map(({ runId, wakeAt }) => ({ runKey: runIdBytes(runId), mail: 0, wakeAt })),
  );
  return runs.map(({ runId }) => runId);
}

test('after concurrent changes, exactly one version is current and at most one is ramping', async () => {
  const builds = Array.from({ length: 6 }, (_, i) => `b${i}`);
  await deployment('race', builds);
  assert.equal(await changeRouting(database, namespace, 'race', { current: 'b0' }), undefined);
  const changes = Array.from({ length: 40 }, (_, i) => {
    const buildId = builds[i % 6]!;
    const change = i % 3 === 0 ? { current: buildId } : { ramping: { buildId, percentage: i } };
    return changeRouting(database, namespace, 'race', change);
  });
  for (const fault of await Promise.all(changes)) assert.ok(fault === undefined || fault.fault === 'is current');
  const rows = await readVersions(database, namespace, 'race');
  assert.equal(rows.filter((row) => row.is_current).length, 1);
  assert.ok(rows.filter((row) => row.ramp_percentage !== null).length <= 1);
  assert.ok(!rows.some((row) => row.is_current && row.ramp_percentage !== null));
});

test('a refused change of the routing changes nothing', async () => {
  await deployment('faulty', ['a', 'b']);
  const change = (what: Parameters<typeof changeRouting>[3]) => changeRouting(database, namespace, 'faulty', what);
  assert.deepEqual(await change({ ramping: { buildId: 'a', percentage: 5 } }), { fault: 'no current' });
  assert.deepEqual(await change({ current: 'c' }), { fault: 'unknown', builds: ['a', 'b'] });
  assert.deepEqual(await readRouting(database, namespace, 'faulty'), { current: undefined, ramping: undefined });
  assert.equal(await change({ current: 'a' }), undefined);
  assert.deepEqual(await change({ ramping: { buildId: 'a', percentage: 5 } }), { fault: 'is current' });
  assert.equal(await change({ ramping: { buildId: 'b', percentage: 50 } }), undefined);
  const routing = await readRouting(database, namespace, 'faulty');
  assert.deepEqual(routing, { current: 'a', ramping: { buildId: 'b', share: 32_768 } });
  // Version b becomes the current version, so it stops ramping.
  assert.equal(await change({ current: 'b' }), undefined);
  assert.deepEqual(await readRouting(database, namespace, 'faulty'), { current: 'b', ramping: undefined });
  assert.deepEqual(await changeRouting(database, 'elsewhere', 'faulty', { current: 'a' }), {
    fault: 'unknown',
    builds: [],
  });
});

test('a claim by version takes the workflow ids that the current routing assigns to the version', async (t) => {
  const queue = 'default/routed';
  await deployment('routed', ['one', 'two']);
  const worker = await incarnation(store, t);
  const part = (id: string): number => createHash('sha256').update(id).digest().readUInt16BE(0);
  const ids: Record<string, string> = {};
  for (let i = 0; i < 12; i++) ids[`routed-${i}`] = await startedRun(store, { workflowId: `routed-${i}`, queue });
  const runs = Object.values(ids).toSorted();
  const take = async (buildId: string): Promise<string[]> =>
    (await claimed(worker, queue, 'routed', buildId)).toSorted();
  assert.deepEqual([await take('one'), await take('two'), await take('three')], [[], [], []]);
  await changeRouting(database, namespace, 'routed', { current: 'one' });
  assert.deepEqual([await take('one'), await take('two')], [runs, []]);
  for (const percentage of [0, 1, 37.5, 100]) {
    await changeRouting(database, namespace, 'routed', { ramping: { buildId: 'two', percentage } });
    const ramped = Object.entries(ids).filter(([id]) => part(id) < Math.floor(percentage * 655.36));
    const two = ramped.map(([, runId]) => runId).toSorted();
    assert.deepEqual([await take('two'), await take('one')], [two, runs.filter((runId) => !two.includes(runId))]);
  }
});

test('only the living owner changes a run’s queue, and a park into another queue keeps the lost owner', async (t) => {
  const [owner, other] = [await incarnation(store, t), await incarnation(store, t)];
  const runId = await startedRun(store, { owner, queue: 'default/moved' });
  const runKey = runIdBytes(runId);
  const row = async () =>
    (await pool.query('select owner, lost, queue from reprise.ready where run_id = $1', [runId])).rows[0] as object;
  assert.deepEqual(await assignQueues(other.control, 'reprise', other, [{ runKey, queue: '@d/default/moved' }]), []);
  assert.deepEqual(await assignQueues(owner.control, 'reprise', owner, [{ runKey, queue: '@d/default/moved' }]), [
    runId,
  ]);
  assert.deepEqual(await row(), { owner: owner.epoch, lost: null, queue: '@d/default/moved' });
  const parked = { runKey, mail: 0, wakeAt: Date.now() * 1000, queue: '@d:b/default/moved', lost: 77 };
  assert.deepEqual(await park(other.control, 'reprise', other, [parked]), []);
  assert.deepEqual(await park(owner.control, 'reprise', owner, [parked]), [runId]);
  assert.deepEqual(await row(), { owner: null, lost: 77, queue: '@d:b/default/moved' });
});

test('counts distinguish versions and namespaces, whatever their names', async () => {
  const name = 'a b/c%_';
  await deployment(name, ['1', '1/2']);
  const prefix = '@a%20b%2Fc%25_';
  for (const queue of [
    `${prefix}:1/default/q`,
    `${prefix}:1%2F2/default/q`,
    `${prefix}:1%2F2/default/other/q`,
    `${prefix}:1/foreign/q`,
    `${prefix}/default/q`,
    '@a/default/q',
    'default/q',
  ]) {
    await startedRun(store, { queue });
  }
  const { autoUpgrade, byBuild } = await countDeployment(database, namespace, name, ['1', '1/2']);
  assert.deepEqual([autoUpgrade, byBuild.get('1')?.pinned, byBuild.get('1/2')?.pinned], [1, 1, 2]);
});
