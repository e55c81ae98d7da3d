// BM-08 (a): the overhead of durability on the source system's demo, five stages of together 32 s.
import { overhead } from './overhead.ts';
import type { Question } from './question.ts';

const seconds = [5, 7, 6, 10, 4];

export const question: Question = {
  id: 'BM-08a',
  title: `overhead: stages of ${seconds.join(', ')} s`,
  size: { of: 'ms that stand for a second', usual: 1000 },
  isLong: true,
  run: (bench, { rounds, size }) => overhead(bench, rounds, { durations: seconds.map((each) => each * size) }),
};
