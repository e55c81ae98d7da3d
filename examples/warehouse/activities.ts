// The tools of the job: they run outside the workflow, at least once each.
import { setTimeout as sleep } from 'node:timers/promises';
import { logAttempt } from './attempt-log.ts';
import { loadRecords, type WarehouseRecord } from './records.ts';
import { applyRules, type Repair } from './repair.ts';

/** What a real tool, a model or a remote service, would take at the least. */
const toolLatencyMs = 1.8;

let cache: WarehouseRecord[] | undefined;

/** Records from `first` up to `end`, exclusive; 1,000 of them take some 200 kB of the payload limit of 2 MiB. */
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
