// The part of workflowInfo() that says how the run stands in its chain: attempts, schedule, time that is left.
import type { StartedMeta } from '../../core/run/start-meta.ts';
import { nextCronTime } from '../../core/options/cron-schedule.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import { decodeFailure } from '../../core/failure/failure-info.ts';
import { decodePayload } from '../../core/payload/payload.ts';
import { retryPolicyOf } from '../../core/options/retry-options.ts';
import type { WorkflowInfo } from './workflow-info.ts';

export type ChainInfo = Pick<
  WorkflowInfo,
  | 'executionExpirationTime'
  | 'retryPolicy'
  | 'cronSchedule'
  | 'cronScheduleToScheduleInterval'
  | 'lastResult'
  | 'lastFailure'
>;

export function chainInfo({ at }: HistoryEvent, meta: StartedMeta): ChainInfo {
  const { retry, cron, lastResult, lastFailure, executionTimeoutMs } = meta;
  const expires =
    meta.executionDeadline ?? (executionTimeoutMs === undefined ? undefined : at + executionTimeoutMs * 1000);
  return {
    executionExpirationTime: expires === undefined ? undefined : new Date(Math.floor(expires / 1000)),
    retryPolicy: retry === undefined ? undefined : retryPolicyOf(retry),
    cronSchedule: cron,
    cronScheduleToScheduleInterval:
      cron === undefined ? undefined : intervalAt(cron, at / 1000 + (meta.backoffMs ?? 0)),
    lastResult: lastResult === undefined ? undefined : decodePayload(bytesOf(lastResult)),
    lastFailure: lastFailure === undefined ? undefined : decodeFailure(bytesOf(lastFailure)),
  };
}

function intervalAt(cron: string, dueMs: number): number | undefined {
  const next = nextCronTime(cron, dueMs);
  const afterNext = next === undefined ? undefined : nextCronTime(cron, next);
  return next === undefined || afterNext === undefined ? undefined : afterNext - next;
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}
