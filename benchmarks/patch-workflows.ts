// The workflow of BM-03: a large document and thousands of small patches. Each patch is one event with full provenance.
import { defineContext, sleep } from 'reprise/workflow';
import { isoDate, makeRecords, patchedRecord, type PersonRecord } from './patch-records.ts';

const warehouse = defineContext<{ records: PersonRecord[] }>({ records: [] });
const patchesATurn = 250;

export async function patchDates(records: number, patches: number): Promise<void> {
  warehouse.patch({ op: 'replace', path: '/records', value: makeRecords(records) });
  for (let i = 0; i < patches; i++) {
    if (i % patchesATurn === 0) await sleep(1);
    const record = patchedRecord(i, patches, records);
    warehouse.patch(
      { op: 'replace', path: `/records/${record}/dob`, value: isoDate(record) },
      { source: 'agent', sourceId: 'date-cleaner', reason: 'Not an ISO 8601 date', confidence: 0.95 },
    );
  }
}
