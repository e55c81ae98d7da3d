// BM-08 (b): the overhead of durability on steps of 100 ms.
import { even } from './failures/staged-run.ts';
import { overhead } from './overhead.ts';
import type { Question } from './question.ts';

export const question: Question = {
  id: 'BM-08b',
  title: 'overhead: steps of 100 ms',
  size: { of: 'steps', usual: 320 },
  isLong: true,
  run: (bench, { rounds, size }) => overhead(bench, rounds, even(size, 100)),
};
