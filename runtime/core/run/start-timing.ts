// The part of a start that says when a run begins, how long it may take and what follows it. Starts of clients and of
// children share it.
import type { StartedMeta } from './start-meta.ts';
import { nextCronTime } from '../options/cron-schedule.ts';
import { type Duration, optionMs } from '../options/duration.ts';
import { type OptionRule, unchecked } from '../options/option-table.ts';
import { compileRetryPolicy, type RetryPolicy } from '../options/retry-options.ts';

export interface StartTimingOptions {
  /** Retry policy of the whole workflow: after a run fails or times out, another one starts. Default: none. */
  retry?: RetryPolicy;
  /** `minute hour day month weekday`, in UTC unless prefixed with `CRON_TZ=<zone>`; also `@daily`, `@every 1h`. */
  cronSchedule?: string;
  /** Limit of one run. Default: no limit. */
  workflowRunTimeout?: Duration;
  /** Limit of the whole chain: retries, cron and continue-as-new included. Default: no limit. */
  workflowExecutionTimeout?: Duration;
  /** Recorded without effect. The worker's `deadlockTimeoutMs` limits an activation. */
  workflowTaskTimeout?: Duration;
}

/** For tables of options. `startTiming` checks the values. */
export const startTimingRules: Readonly<Record<keyof StartTimingOptions, OptionRule>> = unchecked(
  'retry',
  'cronSchedule',
  'workflowRunTimeout',
  'workflowExecutionTimeout',
  'workflowTaskTimeout',
);

/** `nowMs`: ms since 1970; a cron schedule starts at its next due time. @throws ValueError, TypeError */
export function startTiming(options: StartTimingOptions, nowMs: number): Partial<StartedMeta> {
  const meta: Partial<StartedMeta> = {};
  const retry = options.retry ?? undefined;
  if (retry !== undefined) meta.retry = compileRetryPolicy(retry);
  if (options.cronSchedule !== undefined && options.cronSchedule !== '') {
    const next = nextCronTime(options.cronSchedule, nowMs);
    if (next === undefined)
      throw new TypeError(`Cron schedule '${options.cronSchedule}' has no due time in the future`);
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

/** 0 means no limit, as in Temporal. */
function timeoutMs(option: string, duration: Duration | undefined): number | undefined {
  if (duration === undefined) return undefined;
  const ms = optionMs(option, duration);
  return ms === 0 ? undefined : Math.ceil(ms);
}
