// Options of activities as users write them, checked and brought into the form of the log.
// Source: Temporal's ActivityOptions (spec/sdk.md 1.1 and behaviors 37, 40).
import type { ScheduledMeta } from '../history/activation.ts';
import { type Duration, durationMs } from '../history/duration.ts';
import { describeValue, isStorableName } from '../history/json.ts';
import { RuntimeError } from '../history/runtime-error.ts';
import { compileRetryPolicy, type RetryPolicy } from '../history/retry-options.ts';
import { checkSummary } from '../history/summary.ts';

/** When a cancelled scope lets go of a running activity. */
export const ActivityCancellationType = {
  /** Asks the activity to stop and rejects at once. */
  TRY_CANCEL: 'TRY_CANCEL',
  /** Asks, and waits for what the activity answers: it may still complete. The default. */
  WAIT_CANCELLATION_COMPLETED: 'WAIT_CANCELLATION_COMPLETED',
  /** Rejects at once and asks nothing. */
  ABANDON: 'ABANDON',
} as const;
export type ActivityCancellationType = (typeof ActivityCancellationType)[keyof typeof ActivityCancellationType];

/** One of startToCloseTimeout and scheduleToCloseTimeout is required. */
export interface ActivityOptions {
  /** One attempt, from its start. */
  readonly startToCloseTimeout?: Duration;
  /** All attempts and the waits between them. */
  readonly scheduleToCloseTimeout?: Duration;
  /** Waiting for a worker. Not retried. */
  readonly scheduleToStartTimeout?: Duration;
  /** Between two heartbeats. */
  readonly heartbeatTimeout?: Duration;
  readonly retry?: RetryPolicy;
  readonly cancellationType?: ActivityCancellationType;
  /** Unique among the run's open activities. Default: the decimal count of its activities. */
  readonly activityId?: string;
  /** Workers of this queue execute it; default the run's own. */
  readonly taskQueue?: string;
  /** Shown to people. */
  readonly summary?: string;
  /** Accepted for Temporal's sake, without meaning here. */
  readonly allowEagerDispatch?: boolean;
  /** Accepted for Temporal's sake, without meaning here. */
  readonly versioningIntent?: unknown;
}

/** Checked options: what stands in the log but for the id, already as text since it is the same for every call. */
export interface CompiledActivityOptions {
  readonly activityId: string | undefined;
  readonly cancellationType: ActivityCancellationType;
  /** JSON of a ScheduledMeta without its `{"id":…`: `}` or `,"stc":1000}`. */
  readonly metaTail: string;
}

/** @throws TypeError, ValueError */
export function compileActivityOptions(options: ActivityOptions): CompiledActivityOptions {
  if (options === undefined || options === null) throw new TypeError('options must be defined');
  refuseUnknown(options);
  const timeouts = compileTimeouts(options);
  if (timeouts.stc === undefined && timeouts.s2c === undefined) {
    throw new TypeError('Required either scheduleToCloseTimeout or startToCloseTimeout');
  }
  const cancel = options.cancellationType ?? ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;
  if (!Object.hasOwn(ActivityCancellationType, cancel)) {
    const expected = Object.keys(ActivityCancellationType).join(', ');
    throw new TypeError(`Invalid cancellationType: '${String(cancel)}'. Expected one of ${expected}`);
  }
  const meta: Omit<ScheduledMeta, 'id'> = timeouts;
  if (options.retry !== undefined) meta.retry = compileRetryPolicy(options.retry);
  if (cancel !== ActivityCancellationType.WAIT_CANCELLATION_COMPLETED) meta.cancel = cancel;
  if (options.taskQueue !== undefined) meta.queue = checkTaskQueue(options.taskQueue);
  if (options.summary !== undefined) meta.summary = checkSummary(options.summary);
  const json = JSON.stringify(meta);
  return {
    activityId: options.activityId,
    cancellationType: cancel,
    metaTail: json === '{}' ? '}' : `,${json.slice(1)}`,
  };
}

function checkTaskQueue(name: unknown): string {
  if (typeof name === 'string' && isStorableName(name)) return name;
  throw new TypeError(
    `Invalid taskQueue: ${describeValue(name)}. Expected 1 to 1000 characters without NUL and lone surrogates`,
  );
}

/** Zero means unset, as on Temporal's server. */
function compileTimeouts(options: ActivityOptions): Pick<ScheduledMeta, 'stc' | 's2c' | 's2s' | 'hb'> {
  const meta: Pick<ScheduledMeta, 'stc' | 's2c' | 's2s' | 'hb'> = {};
  const fields = [
    ['stc', 'startToCloseTimeout'],
    ['s2c', 'scheduleToCloseTimeout'],
    ['s2s', 'scheduleToStartTimeout'],
    ['hb', 'heartbeatTimeout'],
  ] as const;
  for (const [key, name] of fields) {
    const value = options[name];
    if (value === undefined || value === null) continue;
    const ms = durationMs(value);
    if (ms < 0) throw new TypeError(`Invalid ${name}: ${ms} ms. Expected a positive duration`);
    if (ms > 0) meta[key] = ms;
  }
  return meta;
}

/** `overrides` win, also inside `retry`. */
export function mergeActivityOptions(base: ActivityOptions, overrides: ActivityOptions): ActivityOptions {
  const retry = { ...base.retry, ...overrides.retry };
  return { ...base, ...overrides, ...(Object.keys(retry).length === 0 ? {} : { retry }) };
}

const known: ReadonlySet<string> = new Set<keyof ActivityOptions>([
  'startToCloseTimeout',
  'scheduleToCloseTimeout',
  'scheduleToStartTimeout',
  'heartbeatTimeout',
  'retry',
  'cancellationType',
  'activityId',
  'taskQueue',
  'summary',
  'allowEagerDispatch',
  'versioningIntent',
]);

/** An option that does nothing would be found out too late. */
function refuseUnknown(options: ActivityOptions): void {
  for (const key of Object.keys(options)) {
    if (known.has(key)) continue;
    const expected = [...known].join(', ');
    throw new RuntimeError('INVALID_INPUT', `Activity option '${key}' is unknown. Expected ${expected}.`);
  }
}
