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

export async function overhead(bench: Bench, rounds: number, stages: Stages): Promise<Measurement[]> {
  const count = stages.durations.length;
  return FailureLab.open(bench, 'overhead', async (lab) => {
    await lab.worker();
    await stagedRun(lab, even(200, 1)); // warms up
    await plainLoop(even(200, 1));
    const plain: number[] = [];
    const durable: number[] = [];
    for (let round = 0; round < rounds; round++) {
      plain.push(await plainLoop(stages));
      durable.push((await stagedRun(lab, stages)).clientMs);
    }
    const extra = durable.map((ms, round) => ms - plain[round]!);
    const note = `plain loop ${figure(median(plain) / 1000)} s`;
    return [
      {
        name: 'longer than the plain loop',
        unit: '%',
        values: extra.map((ms, round) => (ms / plain[round]!) * 100),
        better: 'lower',
        note,
      },
      { name: 'start, stages, result', unit: 'ms a stage', values: extra.map((ms) => ms / count), better: 'lower' },
    ];
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
