// BM-08 (c): the overhead of durability on steps of 1 ms, where it is largest.
import { even } from './failures/staged-run.ts';
import { overhead } from './overhead.ts';
import type { Question } from './question.ts';

export const question: Question = {
  id: 'BM-08c',
  title: 'overhead: steps of 1 ms',
  size: { of: 'steps', usual: 1000 },
  run: (bench, { rounds, size }) => overhead(bench, rounds, even(size, 1)),
};
