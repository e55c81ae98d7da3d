// BM-03 (a), PATCH_ONLY: how fast does a new process rebuild a document of 6 MB from 28,453 recorded patches?
import { createHash } from 'node:crypto';
import type { Bench } from './bench.ts';
import { withWorkers } from './bench-worker.ts';
import { newId } from './load.ts';
import { measureInProcess } from './measuring-process.ts';
import { isoDate, makeRecords, patchedRecord } from './patch-records.ts';
import type { Rebuilt } from './patch-replay-process.ts';
import type { Measurement, Question } from './question.ts';

const script = new URL('./patch-replay-process.ts', import.meta.url);
const worker = {
  taskQueue: 'patches',
  workflows: new URL('./patch-workflows.ts', import.meta.url).href,
  maxPayloadBytes: 64 * 1024 * 1024, // the initial document is one patch
};
const recordsAPatch = 50_000 / 28_453;

export const question: Question = {
  id: 'BM-03',
  title: 'a document (6 MB at the usual size) rebuilt from its patches, in a new process (PATCH_ONLY)',
  size: { of: 'patches', usual: 28_453 },
  async run(bench, { rounds, size }) {
    const records = Math.round(size * recordsAPatch);
    const workflowId = await write(bench, records, size);
    const expected = expectedHash(records, size);
    const all: Rebuilt[] = [];
    for (let i = 0; i < rounds; i++) {
      const rebuilt = await measureInProcess<Rebuilt>(script, [workflowId]);
      if (rebuilt.hash !== expected) throw new Error('The rebuilt document is not the one that was written.');
      // The initial document and the first use of the context are patches too.
      if (rebuilt.patches !== size + 2) throw new Error(`${rebuilt.patches} patches were folded, not ${size + 2}.`);
      all.push(rebuilt);
    }
    const of = (name: string, value: (rebuilt: Rebuilt) => number): Measurement => ({
      name,
      unit: 'ms',
      values: all.map(value),
      better: 'lower',
    });
    return [
      of("the process's first line to the hash", ({ totalMs }) => totalMs),
      of('stateAt, first call', ({ coldMs }) => coldMs),
      of('stateAt, later calls', ({ warmMs }) => warmMs),
      of('JSON and SHA-256', ({ hashMs }) => hashMs),
    ];
  },
};

async function write({ client }: Bench, records: number, patches: number): Promise<string> {
  const workflowId = newId();
  await withWorkers([worker], () =>
    client.workflow.execute('patchDates', { workflowId, taskQueue: worker.taskQueue, args: [records, patches] }),
  );
  return workflowId;
}

/** Computes the same document in a plain loop. */
function expectedHash(records: number, patches: number): string {
  const document = { records: makeRecords(records) };
  for (let i = 0; i < patches; i++) {
    const record = patchedRecord(i, patches, records);
    document.records[record]!.dob = isoDate(record);
  }
  return createHash('sha256').update(JSON.stringify(document)).digest('hex');
}
