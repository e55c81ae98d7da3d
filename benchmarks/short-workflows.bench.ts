// W1: how many runs of one activity per second, and what does one run cost the database?
import { withWorkers } from './bench-worker.ts';
import { footprint } from './footprint.ts';
import { repeated, shortWorkflows } from './load.ts';
import type { Question } from './question.ts';

const taskQueue = 'short';

export const question: Question = {
  id: 'W1',
  title: 'short workflows, 200 in flight',
  size: { of: 'workflows', usual: 2000 },
  async run({ client, pool }, { rounds, size }) {
    const once = (): Promise<number> => shortWorkflows(client, taskQueue, size);
    return withWorkers([{ taskQueue }], async () => [
      { name: 'rate', unit: 'workflows/s', values: await repeated(rounds, once), better: 'higher' },
      ...(await footprint(pool, 'workflow', size, once)),
    ]);
  },
};
