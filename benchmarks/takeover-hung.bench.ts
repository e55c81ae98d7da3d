// BM-12 (b): how long until an idle worker goes on with the run of one that hangs? Bound by the lease of 5 s.
import type { Question } from './question.ts';
import { takeover } from './takeover.ts';

/** The idle worker believes that a lease is over only after a whole lease of its own heartbeats. */
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
