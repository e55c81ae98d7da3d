// W1z: how much does a context slow W1 down, and how much a context that a zod schema checks?
import { withWorkers } from './bench-worker.ts';
import { shortWorkflows } from './load.ts';
import type { Measurement, Question } from './question.ts';

const plain = { taskQueue: 'plain' };
const workflows = new URL('./context-workflows.ts', import.meta.url).href;
const preloaded = { taskQueue: 'preloaded', workflows, bundlerOptions: { preloadModules: ['./context-schemas.ts'] } };
const bundled = { taskQueue: 'bundled', workflows };

export const question: Question = {
  id: 'W1z',
  title: 'short workflows whose context has a zod schema',
  size: { of: 'workflows', usual: 2000 },
  async run({ client }, { rounds, size }) {
    const rates: Record<'plain' | 'context' | 'schema' | 'bundled', number[]> = {
      plain: [],
      context: [],
      schema: [],
      bundled: [],
    };
    await withWorkers([plain, preloaded, bundled], async () => {
      // The variants alternate within each round, so that a ratio compares values of the same minute. The first round
      // warms up.
      for (let round = 0; round <= rounds; round++) {
        rates.plain.push(await shortWorkflows(client, plain.taskQueue, size));
        rates.context.push(await shortWorkflows(client, preloaded.taskQueue, size, 'withContext'));
        rates.schema.push(await shortWorkflows(client, preloaded.taskQueue, size, 'withSchema'));
        rates.bundled.push(await shortWorkflows(client, bundled.taskQueue, size, 'withSchema'));
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
      of('rate, the same checked by zod, schema preloaded', 'workflows/s', rates.schema),
      of('rate, the same, schema in the bundle', 'workflows/s', rates.bundled),
      of('context / W1', '', ratios(rates.context)),
      of('zod / W1', '', ratios(rates.schema)),
      of('zod in the bundle / W1', '', ratios(rates.bundled)),
    ];
  },
};
