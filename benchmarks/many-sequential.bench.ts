// W2b: how many activities per second when each of 50 runs does one activity after the other?
import { withWorkers } from './bench-worker.ts';
import { repeated, sequentialRuns } from './load.ts';
import type { Question } from './question.ts';

const taskQueue = 'many-sequential';

export const question: Question = {
  id: 'W2b',
  title: '50 runs of sequential activities at once',
  size: { of: 'activities a run', usual: 100 },
  async run({ client }, { rounds, size }) {
    const once = (): Promise<number> => sequentialRuns(client, taskQueue, 50, size);
    return withWorkers([{ taskQueue }], async () => [
      { name: 'rate', unit: 'steps/s', values: await repeated(rounds, once), better: 'higher' },
    ]);
  },
};
