// W5: how many activities per second when one run starts them all at once?
import { withWorkers } from './bench-worker.ts';
import { newId, payload, rate, repeated } from './load.ts';
import type { Question } from './question.ts';

const taskQueue = 'fan-out';

export const question: Question = {
  id: 'W5',
  title: 'parallel activities in one run',
  size: { of: 'activities', usual: 1000 },
  async run({ client }, { rounds, size }) {
    const once = (): Promise<number> =>
      rate(size, () => client.workflow.execute('fanOut', { workflowId: newId(), taskQueue, args: [payload, size] }));
    return withWorkers([{ taskQueue }], async () => [
      { name: 'rate', unit: 'steps/s', values: await repeated(rounds, once), better: 'higher' },
    ]);
  },
};
