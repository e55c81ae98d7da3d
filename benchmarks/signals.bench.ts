// W7: how many signals per second does the client send, and how long does it take until the runs have handled all of
// them?
import type { WorkflowHandle } from 'reprise/client';
import { withWorkers } from './bench-worker.ts';
import { inFlight, newId } from './load.ts';
import { headReaches } from './log-reader.ts';
import type { Question } from './question.ts';

const taskQueue = 'signals';
const signalsARun = 50;
const sendersAtOnce = 500;

export const question: Question = {
  id: 'W7',
  title: 'signals to many runs, 50 each',
  size: { of: 'signals', usual: 50_000 },
  isLong: true,
  async run({ client, pool }, { size }) {
    const runs = Math.max(1, Math.round(size / signalsARun));
    const count = runs * signalsARun;
    return withWorkers([{ taskQueue }], async () => {
      const handles: WorkflowHandle[] = [];
      await inFlight(runs, 200, async () => {
        handles.push(
          await client.workflow.start('countSignals', { workflowId: newId(), taskQueue, args: [signalsARun] }),
        );
      });
      await inFlight(runs, 20, async (i) => void (await headReaches(pool, handles[i]!.runId!, 2))); // runs wait for signals
      const begun = performance.now();
      const results = Promise.all(handles.map((handle) => handle.result()));
      await inFlight(count, sendersAtOnce, (i) => handles[i % runs]!.signal('tick', Math.floor(i / runs)));
      const accepted = performance.now() - begun;
      const sums = await results;
      const all = performance.now() - begun;
      const sum = (signalsARun * (signalsARun - 1)) / 2;
      if (sums.some((value) => value !== sum)) throw new Error('A run lost a signal or saw one twice.');
      return [
        { name: 'accepted', unit: 'signals/s', values: [(count / accepted) * 1000], better: 'higher' },
        { name: 'sent until all runs completed', unit: 'signals/s', values: [(count / all) * 1000], better: 'higher' },
      ];
    });
  },
};
