// The tools of the job. They run outside the workflow, each at least once.
import { setTimeout as sleep } from 'node:timers/promises';
import { logAttempt } from './attempt-log.ts';
import { loadRecords, type WarehouseRecord } from './records.ts';
import { applyRules, type Repair } from './repair.ts';

/** The least time that a real tool, a model or a remote service, would take. */
const toolLatencyMs = 1.8;

let cache: WarehouseRecord[] | undefined;

/** Records from `first` to `end` (exclusive). 1,000 of them take about 200 kB of the payload limit of 2 MiB. */
export async function loadPage(first: number, end: number): Promise<WarehouseRecord[]> {
  cache ??= loadRecords();
  return cache.slice(first, end);
}

export async function repairRecord(record: WarehouseRecord): Promise<Repair[]> {
  logAttempt(record.id);
  const due = performance.now() + toolLatencyMs;
  while (performance.now() < due) await sleep(1);
  return applyRules(record).repairs;
}
