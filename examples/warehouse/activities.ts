// The job's tools. They run outside the workflow. Every call is executed at least once.
import { setTimeout as sleep } from 'node:timers/promises';
import { logAttempt } from './attempt-log.ts';
import { loadRecords, type WarehouseRecord } from './records.ts';
import { applyRules, type Repair } from './repair.ts';

/** A lower bound of the time that a real tool (a model, a remote service) takes. */
const toolLatencyMs = 1.8;

let cache: WarehouseRecord[] | undefined;

/** Records from `first` to `end` (exclusive). 1,000 records are about 200 kB; the payload limit is 2 MiB. */
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
