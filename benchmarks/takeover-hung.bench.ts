// BM-12 (b): how long does it take until an idle worker continues the run of a worker that hangs? At least the lease of
// 5 s.
import type { Question } from './question.ts';
import { takeover } from './takeover.ts';

/** An idle worker acts on an expired lease only after it has sent its own heartbeats for a whole lease. */
const settleMs = 5_500;

export const question: Question = {
  id: 'BM-12b',
  title: 'takeover after SIGSTOP, lease 5 s',
  size: { of: 'events before the stop', usual: 200 },
  isLong: true,
  async run(bench, { rounds, size }) {
    const values: number[] = [];
    for (let i = 0; i < rounds; i++) values.push(await takeover(bench, 'SIGSTOP', { settleMs, size }));
    return [{ name: 'signal to first new event', unit: 'ms', values, better: 'lower' }];
  },
};
