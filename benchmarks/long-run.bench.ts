// W8: in a run of 200,000 events, does an activity cost the same at the end as at the start? How long does it take to
// recover such a run?
import type { Bench } from './bench.ts';
import { killAndRecover } from './kill-and-recover.ts';
import { events } from './log-reader.ts';
import type { Measurement, Question } from './question.ts';
import { recoveryTimes } from './recovery.bench.ts';

const mebibyte = 1024 * 1024;

export const question: Question = {
  id: 'W8',
  title: 'one long run: cost at its end, recovery, memory',
  size: { of: 'events before the kill', usual: 200_000 },
  isLong: true,
  async run(bench, { size }) {
    const steps = Math.ceil(size / 2);
    await killAndRecover(bench, 'long-warm-up', Math.min(steps, 2000)); // warms pages and plans; no worker is reused
    const recovery = await killAndRecover(bench, 'long', steps);
    const { runId, killedAt, victim, heir } = recovery;
    const window = Math.min(1000, Math.floor(steps / 2));
    // The measurement skips the worker's first activities, because they run code that is not compiled yet.
    const skipped = Math.min(500, Math.floor(window / 2));
    const first = await msAStep(bench, runId, 2 * skipped + 1, window);
    const last = await msAStep(bench, runId, killedAt - 2 * window, window);
    const bytes = (name: string, value: number): Measurement => ({
      name,
      unit: 'MiB',
      values: [value / mebibyte],
      better: 'lower',
    });
    return [
      { name: `first ${window} steps after ${skipped}`, unit: 'ms a step', values: [first], better: 'lower' },
      { name: `last ${window} steps`, unit: 'ms a step', values: [last], better: 'lower' },
      { name: 'last / first', unit: '', values: [last / first], better: 'lower' },
      ...recoveryTimes([recovery]),
      bytes('RSS of the killed worker, peak', victim.peak),
      bytes('RSS of the heir, peak until its code is at work', heir.peak),
    ];
  },
};

/** Ms per step, by the times in the log. */
async function msAStep({ pool }: Bench, runId: string, from: number, steps: number): Promise<number> {
  const found = await events(pool, runId, from, from + 2 * steps);
  return (found.at(-1)!.at - found[0]!.at) / ((found.length - 1) / 2);
}
