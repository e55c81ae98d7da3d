// W1z: what do a context, and a zod schema that checks it, take from the rate of W1?
import { withWorkers } from './bench-worker.ts';
import { shortWorkflows } from './load.ts';
import type { Measurement, Question } from './question.ts';

const plain = { taskQueue: 'plain' };
const context = { taskQueue: 'context', workflows: new URL('./context-workflows.ts', import.meta.url).href };

export const question: Question = {
  id: 'W1z',
  title: 'short workflows whose context has a zod schema',
  size: { of: 'workflows', usual: 2000 },
  async run({ client }, { rounds, size }) {
    const rates: Record<'plain' | 'context' | 'schema', number[]> = { plain: [], context: [], schema: [] };
    await withWorkers([plain, context], async () => {
      // One after the other within each round, so that the ratios are of the same minute. The first round warms up.
      for (let round = 0; round <= rounds; round++) {
        rates.plain.push(await shortWorkflows(client, plain.taskQueue, size));
        rates.context.push(await shortWorkflows(client, context.taskQueue, size, 'withContext'));
        rates.schema.push(await shortWorkflows(client, context.taskQueue, size, 'withSchema'));
      }
    });
    for (const values of Object.values(rates)) values.shift();
    const ratios = (values: readonly number[]): number[] => values.map((value, i) => value / rates.plain[i]!);
    const of = (name: string, unit: string, values: readonly number[]): Measurement => ({
      name,
      unit,
      values,
      better: 'higher',
    });
    return [
      of('rate, W1', 'workflows/s', rates.plain),
      of('rate, W1 with a context and one patch', 'workflows/s', rates.context),
      of('rate, the same checked by zod', 'workflows/s', rates.schema),
      of('context / W1', '', ratios(rates.context)),
      of('zod / W1', '', ratios(rates.schema)),
    ];
  },
};
