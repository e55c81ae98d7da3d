// BM-08: how much longer do stages take as a durable run than in a plain loop? After each stage its result and a patch of
// the context are durable.
import { setTimeout as wait } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { FailureLab } from './failures/failure-lab.ts';
import { even, type Stages, stagedRun } from './failures/staged-run.ts';
import { progressAfter, stageValue } from './failures/stage-value.ts';
import { demandEqual } from './failures/run-checks.ts';
import type { Measurement } from './question.ts';
import { figure, median } from './statistics.ts';

const strategies = [
  ['none', 'no checkpoints'],
  ['automatic', 'automatic checkpoints'],
  ['each', 'a checkpoint after each'],
] as const;

export async function overhead(bench: Bench, rounds: number, stages: Stages): Promise<Measurement[]> {
  const count = stages.durations.length;
  return FailureLab.open(bench, 'overhead', async (lab) => {
    await lab.worker();
    await stagedRun(lab, even(200, 1)); // warms up
    await plainLoop(even(200, 1));
    const measurements: Measurement[] = [];
    for (const [checkpoints, name] of strategies) {
      const plain: number[] = [];
      const extra: number[] = [];
      for (let round = 0; round < rounds; round++) {
        plain.push(await plainLoop(stages));
        extra.push((await stagedRun(lab, { ...stages, checkpoints })).clientMs - plain[round]!);
      }
      measurements.push(
        {
          name: `${name}, longer than the plain loop`,
          unit: '%',
          values: extra.map((ms, round) => (ms / plain[round]!) * 100),
          better: 'lower',
          note: `plain loop ${figure(median(plain) / 1000)} s`,
        },
        {
          name: `${name}, start to result`,
          unit: 'ms a stage',
          values: extra.map((ms) => ms / count),
          better: 'lower',
        },
      );
    }
    return measurements;
  });
}

async function plainLoop({ durations }: Stages): Promise<number> {
  const begun = performance.now();
  const progress = { done: 0, sum: 0 };
  for (const [stage, ms] of durations.entries()) {
    await wait(ms);
    progress.done += 1;
    progress.sum += stageValue(stage);
  }
  const took = performance.now() - begun;
  demandEqual('state of the plain loop', progress, progressAfter(durations.length));
  return took;
}
