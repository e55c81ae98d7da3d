// BM-12 (a): how long does it take until an idle worker continues the run of a worker that was killed?
import type { Question } from './question.ts';
import { takeover } from './takeover.ts';

export const question: Question = {
  id: 'BM-12a',
  title: 'takeover after SIGKILL',
  size: { of: 'events before the kill', usual: 200 },
  async run(bench, { rounds, size }) {
    const values: number[] = [];
    for (let i = 0; i < rounds * 2; i++) values.push(await takeover(bench, 'SIGKILL', { settleMs: 500, size }));
    return [{ name: 'signal to first new event', unit: 'ms', values, better: 'lower' }];
  },
};
