// BM-03 (b) and (c), PATCH_ONLY: how fast does a new process rebuild a document of 6 MB from 28,453 patches, if each event
// holds 100 of them, and if a checkpoint holds all but the last 1,000?
import type { Bench } from './bench.ts';
import { withWorkers } from './bench-worker.ts';
import { newId } from './load.ts';
import { measureInProcess } from './measuring-process.ts';
import type { Rebuilt } from './patch-replay-process.ts';
import type { Measurement, Question } from './question.ts';

const script = new URL('./patch-replay-process.ts', import.meta.url);
const worker = {
  taskQueue: 'cached-patches',
  workflows: new URL('./checkpoint-workflows.ts', import.meta.url).href,
  maxPayloadBytes: 64 * 1024 * 1024, // the initial document is one patch
};
const recordsAPatch = 50_000 / 28_453;

export const question: Question = {
  id: 'BM-03bc',
  title: 'a document (6 MB at the usual size) rebuilt from batched patches, and from a checkpoint (PATCH_ONLY)',
  size: { of: 'patches', usual: 28_453 },
  async run(bench, { rounds, size }) {
    const records = Math.round(size * recordsAPatch);
    const batched = await write(bench, [records, size, 100, 0]);
    const cached = await write(bench, [records, size, 1, 1_000]);
    const { rowCount } = await bench.pool.query('select from reprise.checkpoints');
    if (rowCount !== 1) throw new Error(`${String(rowCount)} checkpoints were written, not 1.`);
    const found = { batched: [] as Rebuilt[], cached: [] as Rebuilt[] };
    for (let i = 0; i < rounds; i++) {
      found.batched.push(await measureInProcess<Rebuilt>(script, [batched]));
      found.cached.push(await measureInProcess<Rebuilt>(script, [cached]));
    }
    const hashes = new Set([...found.batched, ...found.cached].map(({ hash }) => hash));
    if (hashes.size !== 1) throw new Error('The rebuilt documents differ.');
    return [
      ...figures('100 patches in an event', found.batched),
      ...figures('checkpoint + 1,000 patches', found.cached),
    ];
  },
};

function figures(name: string, all: readonly Rebuilt[]): Measurement[] {
  const of = (what: string, value: (rebuilt: Rebuilt) => number): Measurement => ({
    name: `${name}: ${what}`,
    unit: 'ms',
    values: all.map(value),
    better: 'lower',
  });
  return [of('stateAt, first call', ({ coldMs }) => coldMs), of('stateAt, later calls', ({ warmMs }) => warmMs)];
}

async function write({ client }: Bench, args: [number, number, number, number]): Promise<string> {
  const workflowId = newId();
  await withWorkers([worker], () =>
    client.workflow.execute('patchDatesInBatches', { workflowId, taskQueue: worker.taskQueue, args }),
  );
  return workflowId;
}
