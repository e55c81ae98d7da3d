// BM-07: how much longer does a run of four activities take if a checkpoint follows each of them?
import { withWorkers } from './bench-worker.ts';
import { newId } from './load.ts';
import type { Question } from './question.ts';
import { median } from './statistics.ts';

const worker = { taskQueue: 'nodes', workflows: new URL('./checkpoint-workflows.ts', import.meta.url).href };

export const question: Question = {
  id: 'BM-07',
  title: 'four activities, with and without a checkpoint behind each',
  size: { of: 'runs a round', usual: 100 },
  async run({ client, pool }, { rounds, size }) {
    const timed = async (saves: boolean): Promise<number> => {
      const begun = performance.now();
      await client.workflow.execute('fourNodes', { workflowId: newId(), taskQueue: worker.taskQueue, args: [saves] });
      return performance.now() - begun;
    };
    const without: number[] = [];
    const extra: number[] = [];
    await withWorkers([worker], async () => {
      for (let i = 0; i < 20; i++) await timed(i % 2 === 0);
      for (let round = 0; round < rounds; round++) {
        const plain: number[] = [];
        const saving: number[] = [];
        for (let i = 0; i < size; i++) {
          plain.push(await timed(false));
          saving.push(await timed(true));
        }
        without.push(median(plain));
        extra.push((median(saving) - median(plain)) / 4);
      }
    });
    const { rows } = await pool.query<{ count: number }>('select count(*)::int as count from reprise.checkpoints');
    if (rows[0]!.count < 4 * size * rounds) throw new Error(`Only ${rows[0]!.count} checkpoints were written.`);
    return [
      { name: 'a run without checkpoints', unit: 'ms', values: without, better: 'lower' },
      { name: 'more for each checkpoint', unit: 'ms', values: extra, better: 'lower' },
    ];
  },
};
