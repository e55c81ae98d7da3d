// W9: how do the rates of W1 and W2b change with two and four worker processes?
import { withWorkers } from './bench-worker.ts';
import { repeated, sequentialRuns, shortWorkflows } from './load.ts';
import type { Measurement, Question } from './question.ts';

const taskQueue = 'more-workers';

export const question: Question = {
  id: 'W9',
  title: 'W1 and W2b with 1, 2 and 4 worker processes',
  size: { of: 'workflows of W1, of which W2b has a fortieth', usual: 2000 },
  isLong: true,
  async run({ client }, { rounds, size }) {
    const measurements: Measurement[] = [];
    for (const count of [1, 2, 4]) {
      const workers = Array.from({ length: count }, () => ({ taskQueue }));
      const [short, sequential] = await withWorkers(workers, async () => [
        await repeated(rounds, () => shortWorkflows(client, taskQueue, size)),
        await repeated(rounds, () => sequentialRuns(client, taskQueue, Math.ceil(size / 40), 100)),
      ]);
      measurements.push(
        { name: `W1, ${count} workers`, unit: 'workflows/s', values: short, better: 'higher' },
        { name: `W2b, ${count} workers`, unit: 'steps/s', values: sequential, better: 'higher' },
      );
    }
    return measurements;
  },
};
