// W2: what does each activity cost when a single run does one activity after the other?
import { withWorkers } from './bench-worker.ts';
import { footprint } from './footprint.ts';
import { repeated, sequentialRuns } from './load.ts';
import type { Question } from './question.ts';

const taskQueue = 'sequential';

export const question: Question = {
  id: 'W2',
  title: 'one run, sequential activities',
  size: { of: 'activities', usual: 1000 },
  async run({ client, pool }, { rounds, size }) {
    const once = async (): Promise<number> => 1000 / (await sequentialRuns(client, taskQueue, 1, size));
    return withWorkers([{ taskQueue }], async () => [
      { name: 'time', unit: 'ms a step', values: await repeated(rounds, once), better: 'lower' },
      ...(await footprint(pool, 'step', size, once)),
    ]);
  },
};
