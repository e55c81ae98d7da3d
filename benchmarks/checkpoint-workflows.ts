// Workflows of BM-03 (b, c), BM-06, BM-07 and BM-15: contexts with many patches and with checkpoints.
import { defineContext, proxyActivities, setWorkflowOptions, sleep } from 'reprise/workflow';
import type * as activities from './activities.ts';
import { isoDate, makeRecords, patchedRecord, type PersonRecord } from './patch-records.ts';

const { echo } = proxyActivities<typeof activities>({ startToCloseTimeout: '1 minute' });
const provenance = {
  source: 'agent',
  sourceId: 'date-cleaner',
  reason: 'Not an ISO 8601 date',
  confidence: 0.95,
} as const;

const warehouse = defineContext<{ records: PersonRecord[] }>({ records: [] });

/** `batch` operations in each event. With `last`, the state is saved that many patches before the end. */
export async function patchDatesInBatches(
  records: number,
  patches: number,
  batch: number,
  last: number,
): Promise<void> {
  warehouse.patch({ op: 'replace', path: '/records', value: makeRecords(records) });
  for (let i = 0; i < patches; i += batch) {
    if (last > 0 && i === patches - last) {
      warehouse.checkpoint('late');
      await sleep(1);
    } else if (i % 2_500 === 0) await sleep(1);
    const ops = Array.from({ length: Math.min(batch, patches - i) }, (_, k) => {
      const record = patchedRecord(i + k, patches, records);
      return { op: 'replace' as const, path: `/records/${record}/dob` as const, value: isoDate(record) };
    });
    warehouse.patch(ops, provenance);
  }
}
setWorkflowOptions({ checkpoint: 'manual' }, patchDatesInBatches);

const counters = defineContext<Record<string, string>>({});

/** A document of 4 kB, and single patches of 200 bytes, 500 in each turn. */
export async function patchCounters(patches: number): Promise<void> {
  for (let i = 0; i < 50; i++) counters.patch({ op: 'add', path: `/counter-${i}`, value: 'x'.repeat(60) });
  for (let i = 0; i < patches; i++) {
    if (i % 500 === 0) await sleep(1);
    counters.patch({ op: 'replace', path: `/counter-${i % 50}`, value: `${i}`.padStart(60, '-') }, provenance);
  }
}

/** Each patch in a turn of its own, with a checkpoint behind it. */
export async function saveEach(patches: number): Promise<void> {
  for (let i = 0; i < patches; i++) {
    counters.patch({ op: 'add', path: `/counter-${i % 50}`, value: `${i}`.padStart(60, '-') });
    await sleep(1);
  }
}
setWorkflowOptions({ checkpoint: { every: { patches: 1 } } }, saveEach);

/** Four activities, with a checkpoint of 4 kB behind each if `saves`. */
export async function fourNodes(saves: boolean): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await echo(i);
    counters.update((draft) => {
      for (let k = 0; k < 12; k++) draft[`node-${i}-${k}`] = `${i}`.padStart(60, '-');
    });
    if (saves) counters.checkpoint(`node ${i}`);
  }
}
setWorkflowOptions({ checkpoint: 'manual' }, fourNodes);
