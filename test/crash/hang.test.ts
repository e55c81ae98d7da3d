// A worker hangs past its lease and wakes up again. Another worker has finished its run, and the database refuses the
// first worker's writes.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../support/engine.ts';
import { lateAttempts } from './attempts.ts';
import { checkLog, crashLab, exited, kill, tally, taskQueue } from './crash-lab.ts';

const lab = await crashLab();

it('a stopped worker loses its run to another worker, and writes nothing to the log when it wakes up', async () => {
  const items = 400;
  const concurrency = 4;
  const hung = await lab.worker({ leaseMs: 1000 });
  const handle = await lab.client.workflow.start('tallyAll', {
    workflowId: 'hang',
    taskQueue,
    args: [items, concurrency],
  });
  await until(async () => (await lab.effects()).length > 40);
  hung.kill('SIGSTOP');
  await lab.worker({ leaseMs: 1000 });
  assert.equal(await handle.result(), items);
  await checkLog(lab.pool, handle.runId);
  const before = await lab.pool.query('select count(*) as n from reprise.events');
  hung.kill('SIGCONT');
  // The stopped worker notices that it was declared dead, and registers again under another epoch.
  await until(async () => {
    const { rows } = await lab.pool.query<{ n: string }>(
      'select count(*) as n from reprise.workers where dead_at is null',
    );
    return rows[0]!.n === '2';
  });
  const after = await lab.pool.query('select count(*) as n from reprise.events');
  assert.deepEqual(after.rows, before.rows, 'nothing was written after waking up');
  const effects = tally((await lab.effects()).filter((line) => line.startsWith('tally')));
  assert.equal(effects.size, items);
  hung.kill('SIGTERM');
  await exited(hung);
  await checkLog(lab.pool, handle.runId);
  assert.ok((await lateAttempts(lab.pool)) <= concurrency, 'it began at most what was already in its hands');
});

it('a worker that starts after a dead worker’s lease expired takes its run without waiting another lease', async () => {
  const late = await crashLab();
  const dead = await late.worker({ leaseMs: 1000 });
  const handle = await late.client.workflow.start('tallyAll', { workflowId: 'late', taskQueue, args: [200, 2] });
  await until(async () => (await late.effects()).length > 20);
  await kill(dead);
  await until(async () => {
    const { rows } = await late.pool.query<{ over: boolean }>('select expires_at < now() as over from reprise.leases');
    return rows[0]!.over;
  });
  await late.worker({ leaseMs: 600_000 });
  assert.equal(await handle.result(), 200);
  const { rows } = await late.pool.query('select dead_reason from reprise.workers where dead_at is not null');
  assert.deepEqual(rows, [{ dead_reason: 'session ended' }]);
  await checkLog(late.pool, handle.runId);
});

it('a run whose owner died unnoticed can still be terminated', async () => {
  const alone = await crashLab();
  const worker = await alone.worker({ leaseMs: 1000 });
  const handle = await alone.client.workflow.start('accumulate', { workflowId: 'orphan', taskQueue });
  await until(async () => (await handle.describe()).owner !== undefined);
  await kill(worker);
  await handle.terminate('nobody left');
  assert.equal((await handle.describe()).status.name, 'TERMINATED');
  await checkLog(alone.pool, handle.runId);
});
