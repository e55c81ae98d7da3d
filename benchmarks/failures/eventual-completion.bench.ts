// BM-20: does a run complete whose worker is killed every 700 ms, or at random intervals? And one whose only activity
// takes longer than any of its workers lives?
import type { Bench } from '../bench.ts';
import { newId } from '../load.ts';
import type { Measurement, Question } from '../question.ts';
import { figure } from '../statistics.ts';
import { FailureLab } from './failure-lab.ts';
import { checkEffects, checkLog, demandEqual } from './run-checks.ts';
import { seeded } from './seeded.ts';
import { even, killByClock, stagedRun } from './staged-run.ts';
import { WorkerPool } from './worker-pool.ts';

const stepMs = 100;
const beatMs = 700;
/** A new worker needs longer than from one kill to the next until it is ready. */
const workerCount = 5;
/** How often a worker stores the progress of an activity at most. */
const heartbeat = { maxHeartbeatThrottleInterval: 100 };

export const question: Question = {
  id: 'BM-20',
  title: `${stepMs} ms a step, the worker killed every ${beatMs} ms and at random 50 to 1,500 ms`,
  size: { of: 'steps', usual: 100 },
  isLong: true,
  async run(bench, { rounds, size }) {
    return FailureLab.open(bench, 'eventual-completion', (lab) =>
      WorkerPool.open(
        lab,
        workerCount,
        async (workers) => [
          ...(await steps(lab, workers, rounds, size)),
          await longActivity(bench, lab, workers, rounds, Math.ceil(size / 2)),
        ],
        heartbeat,
      ),
    );
  },
};

function* regular(): Generator<number> {
  for (;;) yield beatMs;
}

function* random(seed: number): Generator<number> {
  const next = seeded(seed);
  for (;;) yield 50 + 1_450 * next();
}

async function steps(lab: FailureLab, workers: WorkerPool, rounds: number, size: number): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  const { totalMs: undisturbedMs } = await stagedRun(lab, even(size, stepMs));
  for (const [name, pausesOf] of [
    [`every ${beatMs} ms`, regular],
    ['at random', random],
  ] as const) {
    const totals: number[] = [];
    const losses: number[] = [];
    const kills: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await workers.isComplete();
      let count = 0;
      const { totalMs } = await stagedRun(lab, even(size, stepMs), async (runId) => {
        count = await killByClock(lab.bench, workers, runId, pausesOf(round));
        return count;
      });
      kills.push(count);
      totals.push(totalMs / 1000);
      if (count > 0) losses.push((totalMs - undisturbedMs) / count);
    }
    const note = `${kills.join(', ')} kills; undisturbed ${figure(undisturbedMs / 1000)} s`;
    measurements.push(
      { name: `killed ${name}, whole run`, unit: 's', values: totals, better: 'lower', note },
      { name: `killed ${name}, time lost`, unit: 'ms a kill', values: losses, better: 'lower' },
    );
  }
  return measurements;
}

/** One activity of `slices` times 100 ms that reports its progress. No worker lives long enough to do it alone. */
async function longActivity(
  { client, pool }: Bench,
  lab: FailureLab,
  workers: WorkerPool,
  rounds: number,
  slices: number,
): Promise<Measurement> {
  const values: number[] = [];
  const notes: string[] = [];
  for (let round = 0; round < rounds; round++) {
    await workers.isComplete();
    const begun = performance.now();
    const handle = await client.workflow.start('longStage', {
      workflowId: newId(),
      taskQueue: lab.taskQueue,
      args: [slices, stepMs],
    });
    const [result, kills] = await Promise.all([
      handle.result(),
      killByClock(lab.bench, workers, handle.runId, regular()),
    ]);
    values.push((performance.now() - begun) / 1000);
    demandEqual('result', result, slices);
    await checkLog(pool, handle.runId);
    const repeated = checkEffects(
      lab.effects().filter(({ runId }) => runId === handle.runId),
      Array.from({ length: slices }, (_, slice) => `slice ${slice}`),
      kills * slices, // what was not reported is done again
    );
    notes.push(`${kills} kills, ${repeated.length} of ${slices} slices repeated`);
  }
  return {
    name: `one activity of ${figure((slices * stepMs) / 1000)} s, killed every ${beatMs} ms`,
    unit: 's',
    values,
    better: 'lower',
    note: notes.join('; '),
  };
}
