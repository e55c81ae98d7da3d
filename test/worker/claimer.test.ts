// In which order a worker claims due runs, and that it leaves no due run behind.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ClaimedRun } from '../../runtime/store/ownership/claim.ts';
import { Claimer } from '../../runtime/worker/claim/claimer.ts';
import { until } from '../support/engine.ts';
import { sweepPause } from '../../runtime/worker/claim/claimer.ts';

const second = 1_000_000;

it('one sweep claims all runs that became due long ago, however few it can claim at a time', async () => {
  const now = 2_000_000_000 * second;
  const due: number[] = [now];
  const taken: number[] = [];
  const failures: unknown[] = [];
  const claimer = new Claimer({
    room: () => 1,
    now: () => now,
    claim: async ({ from, limit }): Promise<ClaimedRun[]> => {
      const found = due.filter((wakeAt) => wakeAt >= from).sort((a, b) => a - b);
      return found.slice(0, limit).map((wakeAt) => {
        due.splice(due.indexOf(wakeAt), 1);
        return { runId: String(wakeAt), mail: 0, lost: null, wakeAt, start: undefined };
      });
    },
    adopt: async (claimed) => void taken.push(...claimed.map(({ wakeAt }) => wakeAt)),
    failed: (error) => failures.push(error),
  });
  claimer.poke();
  await until(async () => taken.length > 0);
  assert.deepEqual(taken, [now]);
  const late = Array.from({ length: 20 }, (_, i) => now - (40 - i) * second);
  due.push(...late);
  claimer.poke(true);
  await until(async () => due.length === 0);
  await claimer.stop();
  assert.deepEqual(taken, [now, ...late]);
  assert.deepEqual(failures, []);
});

it('the pause after a sweep is fifty times its duration, and at most five seconds', () => {
  assert.deepEqual([sweepPause(0), sweepPause(30), sweepPause(60_000)], [0, 1_500, 5_000]);
});
