// The part of a start that says when a run begins, how long it may take and what follows it: the same for a client's start
// and for a child's.
import type { StartedMeta } from './start-meta.ts';
import { nextCronTime } from '../options/cron-schedule.ts';
import { type Duration, optionMs } from '../options/duration.ts';
import { type OptionRule, unchecked } from '../options/option-table.ts';
import { compileRetryPolicy, type RetryPolicy } from '../options/retry-options.ts';

export interface StartTimingOptions {
  /** Of the whole workflow: when a run fails or times out, another begins. Default: none. */
  retry?: RetryPolicy;
  /** `minute hour day month weekday`, in UTC unless `CRON_TZ=<zone>` stands in front; also `@daily`, `@every 1h`. */
  cronSchedule?: string;
  /** Of one run. Default: without limit. */
  workflowRunTimeout?: Duration;
  /** Of the whole chain: retries, cron and continue-as-new included. Default: without limit. */
  workflowExecutionTimeout?: Duration;
  /** Kept for the record: what an activation may take is the worker's `deadlockTimeoutMs`. */
  workflowTaskTimeout?: Duration;
}

/** For tables of options; `startTiming` checks the values. */
export const startTimingRules: Readonly<Record<keyof StartTimingOptions, OptionRule>> = unchecked(
  'retry',
  'cronSchedule',
  'workflowRunTimeout',
  'workflowExecutionTimeout',
  'workflowTaskTimeout',
);

/** `nowMs` since 1970: a cron schedule begins with its next time. @throws ValueError, TypeError */
export function startTiming(options: StartTimingOptions, nowMs: number): Partial<StartedMeta> {
  const meta: Partial<StartedMeta> = {};
  const retry = options.retry ?? undefined;
  if (retry !== undefined) meta.retry = compileRetryPolicy(retry);
  if (options.cronSchedule !== undefined && options.cronSchedule !== '') {
    const next = nextCronTime(options.cronSchedule, nowMs);
    if (next === undefined) throw new TypeError(`Cron schedule '${options.cronSchedule}' names no time to come`);
    meta.cron = options.cronSchedule;
    meta.backoffMs = next - nowMs;
  }
  const runTimeoutMs = timeoutMs('workflowRunTimeout', options.workflowRunTimeout);
  if (runTimeoutMs !== undefined) meta.runTimeoutMs = runTimeoutMs;
  const executionTimeoutMs = timeoutMs('workflowExecutionTimeout', options.workflowExecutionTimeout);
  if (executionTimeoutMs !== undefined) meta.executionTimeoutMs = executionTimeoutMs;
  const taskTimeoutMs = timeoutMs('workflowTaskTimeout', options.workflowTaskTimeout);
  if (taskTimeoutMs !== undefined) meta.taskTimeoutMs = taskTimeoutMs;
  return meta;
}

/** 0 is no limit, as in Temporal. */
function timeoutMs(option: string, duration: Duration | undefined): number | undefined {
  if (duration === undefined) return undefined;
  const ms = optionMs(option, duration);
  return ms === 0 ? undefined : Math.ceil(ms);
}
