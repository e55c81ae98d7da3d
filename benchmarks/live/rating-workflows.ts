// Workflow code of the benchmark of replays with live activities.
import { defineContext, forEach, proxyActivities } from 'reprise/workflow';
import type * as activities from './rating-activities.ts';

const { rate } = proxyActivities<typeof activities>({ startToCloseTimeout: '1 minute' });
const ratings = defineContext<{ records: Record<string, string> }>({ records: {} });

/** Rates each record and notes the answer in the context. */
export async function rateRecords(count: number): Promise<void> {
  await forEach(
    Array.from({ length: count }, (_, i) => i),
    async (record) => {
      ratings.patch({ op: 'add', path: `/records/${record}`, value: await rate(record) });
    },
    { concurrency: 200 },
  );
}
