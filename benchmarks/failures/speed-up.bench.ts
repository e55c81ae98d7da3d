// BM-09: how much faster does a run end that continues after a kill than one that starts again at the first step?
import type { Measurement, Question } from '../question.ts';
import { figure } from '../statistics.ts';
import { FailureLab } from './failure-lab.ts';
import { even, stagedRun } from './staged-run.ts';
import { WorkerPool } from './worker-pool.ts';

const steps = 100;
/** Percent of the steps that are done at the kill. */
const shares = [24, 25, 49, 50, 74, 75, 90, 92];

export const question: Question = {
  id: 'BM-09',
  title: `speed-up of recovery: ${steps} steps, killed at ${shares.join(', ')} %`,
  size: { of: 'ms a step', usual: 200 },
  isLong: true,
  async run(bench, { rounds, size }) {
    return FailureLab.open(bench, 'speed-up', (lab) =>
      WorkerPool.open(lab, 2, async (workers) => {
        const stages = even(steps, size);
        await stagedRun(lab, even(steps, 1)); // warms up
        const speedUps = new Map<number, number[]>(shares.map((share) => [share, []]));
        for (let round = 0; round < rounds; round++) {
          const { totalMs: againMs } = await stagedRun(lab, stages);
          for (const share of shares) {
            await workers.isComplete();
            const { closedAt, takeovers } = await stagedRun(lab, { ...stages, failures: { [share]: 'kill' } });
            speedUps.get(share)!.push(againMs / (closedAt - takeovers[0]!.at));
          }
        }
        return [...speedUps].map(
          ([share, values]): Measurement => ({
            name: `killed at ${share} %`,
            unit: 'times as fast',
            values,
            better: 'higher',
            note: `ideal ${figure(1 / (1 - share / 100))}`,
          }),
        );
      }),
    );
  },
};
