// BM-13: a pipeline of 4, 10 or 100 stages fails in a stage, by an error or by the death of its worker. Are the done
// stages skipped, and what does the rest cost beyond its stages?
import type { Measurement, Question } from '../question.ts';
import { figure, median } from '../statistics.ts';
import { FailureLab } from './failure-lab.ts';
import { demandEqual } from './run-checks.ts';
import { even, stagedRun, type StagedRun } from './staged-run.ts';
import { WorkerPool } from './worker-pool.ts';

/** Number of stages, and the stage that fails, from 1. */
const pipelines = [
  [4, 3],
  [10, 6],
  [100, 60],
] as const;

export const question: Question = {
  id: 'BM-13',
  title: 'a staged pipeline fails at stage 3 of 4, 6 of 10, 60 of 100',
  size: { of: 'ms a stage', usual: 100 },
  isLong: true,
  async run(bench, { rounds, size }) {
    return FailureLab.open(bench, 'staged-pipeline', (lab) =>
      WorkerPool.open(lab, 2, async (workers) => {
        await stagedRun(lab, even(100, 1)); // warms up
        const measurements: Measurement[] = [];
        for (const [count, failing] of pipelines) {
          const kinds = { error: [] as number[], kill: [] as number[] };
          const saved: number[] = [];
          for (let round = 0; round < rounds; round++) {
            const undisturbed = await stagedRun(lab, even(count, size));
            const restMs = undisturbed.closedAt - undisturbed.scheduled[failing - 1]!;
            for (const kind of ['error', 'kill'] as const) {
              await workers.isComplete();
              const failed = await stagedRun(lab, { ...even(count, size), failures: { [failing - 1]: kind } });
              demandEqual('stages that ran again', failed.repeated, [failing - 1]);
              const resumedAt = kind === 'kill' ? failed.takeovers[0]!.at : failed.scheduled[failing - 1]!;
              kinds[kind].push(failed.closedAt - resumedAt - restMs);
            }
            saved.push(savedMs(undisturbed, failing));
          }
          const note = `${failing - 1} stages of ${figure(median(saved))} ms were done, and none of them ran again`;
          for (const [kind, values] of Object.entries(kinds)) {
            const name = `${failing} of ${count}, ${kind}: overhead of the resumption`;
            measurements.push({ name, unit: 'ms', values, better: 'lower', note });
          }
        }
        return measurements;
      }),
    );
  },
};

/** How long the stages before the failing one take. */
function savedMs({ scheduled }: StagedRun, failing: number): number {
  return scheduled[failing - 1]! - scheduled[0]!;
}
