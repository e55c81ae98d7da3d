// BM-05, LIVE_TOOLS: a finished run is replayed with another model. How many answers are the same, what does it cost, and
// how long does it take? Checks the counts, the paths and the cost, and that the origin stays as it was.
import { BenchWorker } from '../bench-worker.ts';
import { newId } from '../load.ts';
import type { Question } from '../question.ts';
import { differs, usdPerCall } from './rating-activities.ts';

const common = {
  taskQueue: 'rating',
  workflows: new URL('./rating-workflows.ts', import.meta.url).href,
  activities: new URL('./rating-activities.ts', import.meta.url).href,
};

export const question: Question = {
  id: 'BM-05',
  title: 'a run of rated records, replayed with another model (LIVE_TOOLS)',
  size: { of: 'records', usual: 30_000 },
  isLong: true,
  async run({ client }, { size }) {
    const workflowId = newId();
    const recorded = await seconds(() =>
      withModel('old', async () => {
        await client.workflow.execute('rateRecords', { workflowId, taskQueue: common.taskQueue, args: [size] });
      }),
    );
    const handle = client.workflow.getHandle(workflowId);
    const before = await handle.verify();
    const { estimate, whole, sampled } = await withModel('new', async () => ({
      estimate: await handle.estimateReplay({ mode: 'LIVE_TOOLS' }),
      whole: await handle.replay({ mode: 'LIVE_TOOLS' }),
      sampled: await handle.replay({ mode: 'LIVE_TOOLS', sample: 0.01 }),
    }));
    const different = Array.from({ length: size }, (_, i) => i).filter(differs);
    const [match] = whole.matches;
    expect('calls with the same answer', match?.same, size - different.length);
    expect('calls with another answer', match?.differs, different.length);
    const paths = whole.paths.map(({ path }) => path).sort();
    expect(
      'paths',
      paths.join(),
      different
        .map((record) => `/records/${record}`)
        .sort()
        .join(),
    );
    expect('the estimate', estimate.usd.toFixed(4), (size * usdPerCall).toFixed(4));
    expect('the cost', whole.usd.toFixed(4), (size * usdPerCall).toFixed(4));
    expect("the origin's head", (await handle.verify()).headHash, before.headHash);
    const value = (name: string, unit: string, given: number, better: 'higher' | 'lower' = 'lower') =>
      ({ name, unit, values: [given], better }) as const;
    return [
      value('the run itself', 's', recorded),
      value('the replay, every call entered', 's', whole.ms / 1000),
      value('match rate', '%', 100 * (whole.matchRate ?? 0), 'higher'),
      value('cost', '$', whole.usd),
      value('a sample of 1 %', 's', sampled.ms / 1000),
      value('match rate of the sample', '%', 100 * (sampled.matchRate ?? 0), 'higher'),
      value('cost of the sample', '$', sampled.usd),
    ];
  },
};

async function withModel<T>(model: string, work: () => Promise<T>): Promise<T> {
  const worker = await BenchWorker.start({ ...common, env: { REPRISE_BENCH_MODEL: model } });
  try {
    return await work();
  } finally {
    await worker.stop();
  }
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
}

function expect(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${what}: found ${String(found)}, expected ${String(expected)}.`);
}
