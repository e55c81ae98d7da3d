// BM-06: how long does the state at any point of a run with a million patches take, and how many bytes do automatic
// checkpoints write?
import { withWorkers } from './bench-worker.ts';
import { newId } from './load.ts';
import type { Question } from './question.ts';

const worker = { taskQueue: 'counters', workflows: new URL('./checkpoint-workflows.ts', import.meta.url).href };

export const question: Question = {
  id: 'BM-06',
  title: 'states of a run with many patches and automatic checkpoints, and their bytes',
  size: { of: 'patches', usual: 1_000_000 },
  isLong: true,
  async run({ client, pool }, { rounds, size }) {
    const workflowId = newId();
    await withWorkers([worker], () =>
      client.workflow.execute('patchCounters', { workflowId, taskQueue: worker.taskQueue, args: [size] }),
    );
    const handle = client.workflow.getHandle(workflowId);
    const { historyLength } = await handle.describe();
    await handle.stateAt({ seq: 1 });
    const points: number[] = [];
    for (let i = 0; i < Math.max(20, rounds); i++) {
      const begun = performance.now();
      const { state } = await handle.stateAt({ seq: Math.ceil(((i + 0.37) * historyLength) / Math.max(20, rounds)) });
      points.push(performance.now() - begun);
      if (state === undefined) throw new Error('A state was not found.');
    }
    const { rows } = await pool.query<{ checkpoints: number; stored: string; log: string; patches: string }>(
      `select (select count(*)::int from reprise.checkpoints) as checkpoints,
         (select sum(octet_length(state)) from reprise.checkpoints) as stored, pg_total_relation_size('reprise.events') as log,
         (select sum(120 + octet_length(ops::text)) from reprise.events where type = 50) as patches`,
    );
    const { checkpoints, stored, log, patches } = rows[0]!;
    return [
      { name: `stateAt, at ${points.length} points`, unit: 'ms', values: points, better: 'lower' },
      {
        name: 'stored states, of the bytes of patches',
        unit: '%',
        values: [(100 * Number(stored)) / Number(patches)],
        better: 'lower',
        note: `${checkpoints} checkpoints of ${Math.round(Number(stored) / checkpoints)} bytes`,
      },
      {
        name: 'stored states, of the log with its index',
        unit: '%',
        values: [(100 * Number(stored)) / Number(log)],
        better: 'lower',
      },
      { name: 'the log with its index, for each patch', unit: 'bytes', values: [Number(log) / size], better: 'lower' },
    ];
  },
};
