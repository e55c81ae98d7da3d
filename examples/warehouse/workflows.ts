// The workflow repairs records page by page. Each record is one activity. Each repair is one context patch, which says
// who repaired the record and why.
import { defineContext, forEach, proxyActivities } from 'reprise/workflow';
import type * as activities from './activities.ts';
import type { WarehouseState } from './plain-loop.ts';
import type { WarehouseRecord } from './records.ts';

export interface WarehouseInput {
  records: number;
  pageSize: number;
  /** How many records are repaired at the same time. */
  concurrency: number;
}

const { loadPage, repairRecord } = proxyActivities<typeof activities>({ startToCloseTimeout: '10 seconds' });
const warehouse = defineContext<WarehouseState>({ done: 0, fixes: {} });

export async function repairWarehouse({ records, pageSize, concurrency }: WarehouseInput): Promise<number> {
  const pageAt = (first: number) => loadPage(first, Math.min(first + pageSize, records));
  let page = await pageAt(0);
  while (page.length > 0) {
    const done = warehouse.state.done + page.length;
    // The next page is read while this page is repaired.
    const repaired = forEach(page, repairOne, { key: (record) => record.id, concurrency });
    [page] = await Promise.all([pageAt(done), repaired]);
    warehouse.patch({ op: 'replace', path: '/done', value: done });
  }
  return warehouse.state.done;
}

async function repairOne(record: WarehouseRecord): Promise<void> {
  const path = `/fixes/${record.id}`;
  for (const { rule, reason, confidence, changes } of await repairRecord(record)) {
    const why = { source: 'agent', sourceId: rule, reason, confidence } as const;
    if (record.id in warehouse.state.fixes) {
      const fields = Object.entries(changes);
      warehouse.patch(
        fields.map(([field, value]) => ({ op: 'add', path: `${path}/${field}`, value })),
        why,
      );
    } else warehouse.patch({ op: 'add', path, value: changes }, why);
  }
}
