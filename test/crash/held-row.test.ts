// A user's open transaction holds the row of one run of a dead worker. Reapers keep their leases, and all other runs
// continue.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { send } from '../../runtime/store/messages/inbox.ts';
import { openSession } from '../support/store.ts';
import { until } from '../support/engine.ts';
import { crashLab, kill, taskQueue } from './crash-lab.ts';

const lab = await crashLab();
const leaseMs = 1_000;

it('while a row is held for three leases, no reaper loses its epoch and every other run gets a new owner', async (t) => {
  const dead = await lab.worker({ leaseMs });
  const runs = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      lab.client.workflow.start('accumulate', { workflowId: `held ${i}`, taskQueue }),
    ),
  );
  const owned = async (): Promise<{ run_id: string; owner: number | null }[]> =>
    (await lab.pool.query<{ run_id: string; owner: number | null }>('select run_id, owner from reprise.ready')).rows;
  await until(async () => (await owned()).every(({ owner }) => owner !== null));
  const epoch = (await owned())[0]!.owner;
  await Promise.all([lab.worker({ leaseMs }), lab.worker({ leaseMs })]);
  const held = runs[0]!.runId;
  const user = await openSession(t, lab.url);
  await user.query('begin');
  await send(user, 'reprise', held, { type: 'SignalReceived', name: 'add', payload: new Uint8Array([0x91, 1]) });
  await kill(dead);
  await until(async () => (await owned()).every(({ run_id, owner }) => run_id === held || owner !== epoch));
  const { rows: before } = await lab.pool.query<{ at: string }>('select max(beat_at)::text as at from reprise.leases');
  await until(async () => {
    const { rows } = await lab.pool.query<{ over: boolean }>(
      "select min(beat_at) > $1::timestamptz + $2 * interval '1 millisecond' as over from reprise.leases",
      [before[0]!.at, 3 * leaseMs],
    );
    return rows[0]!.over;
  });
  const { rows: workers } = await lab.pool.query(
    'select count(*)::int as workers, count(dead_at)::int as dead from reprise.workers',
  );
  assert.deepEqual(workers, [{ workers: 3, dead: 1 }]);
  await user.query('commit');
  await until(async () => (await owned()).every(({ owner }) => owner !== epoch));
});
