// W4: how long does it take until a run with 10,000 completed activities continues after its worker was killed?
import { killAndRecover, type Recovery } from './kill-and-recover.ts';
import type { Measurement, Question } from './question.ts';

export const question: Question = {
  id: 'W4',
  title: 'recovery of a long run after SIGKILL, an idle worker beside',
  size: { of: 'activities before the kill', usual: 10_000 },
  async run(bench, { rounds, size }) {
    const recoveries: Recovery[] = [];
    for (let i = 0; i < rounds; i++) recoveries.push(await killAndRecover(bench, 'recovery', size));
    return recoveryTimes(recoveries);
  },
};

/** The measurements of a recovery, for W4 and W8. */
export function recoveryTimes(recoveries: readonly Recovery[]): Measurement[] {
  const of = (name: string, value: (recovery: Recovery) => number): Measurement => ({
    name,
    unit: 'ms',
    values: recoveries.map(value),
    better: 'lower',
  });
  return [
    of('pickup: kill to WorkerLost', ({ pickupMs }) => pickupMs),
    of('kill to the first new result', ({ resultMs }) => resultMs),
    of('kill to the code at work again', ({ codeMs }) => codeMs),
    of('recovery: WorkerLost to the code at work again', ({ codeMs, pickupMs }) => codeMs - pickupMs),
  ];
}
