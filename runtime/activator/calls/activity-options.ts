// Options of activities as users write them, checked and brought into the form of the log.
// Source: Temporal's ActivityOptions and LocalActivityOptions (spec/sdk.md 1.1 and behaviors 37, 40, 46).
import type { ScheduledMeta } from '../../core/log/activation.ts';
import { type Duration, optionMs } from '../../core/options/duration.ts';
import { describeValue, isStorableName } from '../../core/json/json.ts';
import { compileRetryPolicy, type RetryPolicy } from '../../core/options/retry-options.ts';
import { checkOptions, optionTable, storableName, storableText, unchecked } from '../../core/options/option-table.ts';
import { refuseReservedName } from '../../core/options/reserved-name.ts';

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

/** What holds for activities of either kind. One of startToCloseTimeout and scheduleToCloseTimeout is required. */
interface CommonOptions {
  /** One attempt, from its start. */
  readonly startToCloseTimeout?: Duration;
  /** All attempts and the waits between them. */
  readonly scheduleToCloseTimeout?: Duration;
  /** Waiting for a worker. Not retried. */
  readonly scheduleToStartTimeout?: Duration;
  readonly retry?: RetryPolicy;
  readonly cancellationType?: ActivityCancellationType;
  /** Shown to people. */
  readonly summary?: string;
}

export interface ActivityOptions extends CommonOptions {
  /** Between two heartbeats. */
  readonly heartbeatTimeout?: Duration;
  /** Unique among the run's open activities. Default: the decimal count of its activities. */
  readonly activityId?: string;
  /** Workers of this queue execute it; default the run's own. */
  readonly taskQueue?: string;
  /** Accepted for Temporal's sake, without meaning here. */
  readonly allowEagerDispatch?: boolean;
  /** Accepted for Temporal's sake, without meaning here. */
  readonly versioningIntent?: unknown;
}

/** Of an activity that the worker which owns the run executes itself, always. */
export interface LocalActivityOptions extends CommonOptions {
  /**
   * Accepted for Temporal's sake, where a longer back-off becomes a timer of the server. Here every back-off outlives its
   * worker, so there is nothing to choose.
   */
  readonly localRetryThreshold?: Duration;
}

/** Values that are unchecked here have errors of Temporal's, below. */
const commonRules = {
  ...unchecked('startToCloseTimeout', 'scheduleToCloseTimeout', 'scheduleToStartTimeout', 'retry', 'cancellationType'),
  summary: storableText,
};
const table = optionTable<ActivityOptions>({
  ...commonRules,
  ...unchecked('heartbeatTimeout', 'taskQueue', 'allowEagerDispatch', 'versioningIntent'),
  activityId: storableName,
});
const localTable = optionTable<LocalActivityOptions>(
  { ...commonRules, ...unchecked('localRetryThreshold') },
  {
    'is for activities that are not local': [
      'heartbeatTimeout',
      'activityId',
      'taskQueue',
      'allowEagerDispatch',
      'versioningIntent',
    ],
  },
);

/** Checked options: what stands in the log but for the id, already as text since it is the same for every call. */
export interface CompiledActivityOptions {
  readonly activityId: string | undefined;
  readonly cancellationType: ActivityCancellationType;
  readonly isLocal: boolean;
  /** JSON of a ScheduledMeta without its `{"id":…`: `}` or `,"stc":1000}`. */
  readonly metaTail: string;
}

/** @throws TypeError, ValueError, RuntimeError INVALID_INPUT */
export function compileActivityOptions(options: ActivityOptions): CompiledActivityOptions {
  requireOptions(options);
  checkOptions('An activity', options, table);
  const { activityId, taskQueue } = options;
  const queue = taskQueue === undefined ? {} : { queue: checkTaskQueue(taskQueue) };
  return compile(options, { ...compileTimeouts(options, timeouts), ...queue }, activityId);
}

/** @throws TypeError, ValueError, RuntimeError INVALID_INPUT */
export function compileLocalActivityOptions(options: LocalActivityOptions): CompiledActivityOptions {
  requireOptions(options);
  checkOptions('A local activity', options, localTable);
  const { localRetryThreshold: threshold } = options;
  if (threshold !== undefined && threshold !== null) optionMs('localRetryThreshold', threshold);
  return compile(options, { ...compileTimeouts(options, localTimeouts), local: true }, undefined);
}

function requireOptions(options: unknown): void {
  if (options === undefined || options === null) throw new TypeError('options must be defined');
}

function compile(
  options: CommonOptions,
  meta: Omit<ScheduledMeta, 'id'>,
  activityId: string | undefined,
): CompiledActivityOptions {
  if (meta.stc === undefined && meta.s2c === undefined) {
    throw new TypeError('Required either scheduleToCloseTimeout or startToCloseTimeout');
  }
  const cancel = options.cancellationType ?? ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;
  if (!Object.hasOwn(ActivityCancellationType, cancel)) {
    const expected = Object.keys(ActivityCancellationType).join(', ');
    throw new TypeError(`Invalid cancellationType: '${String(cancel)}'. Expected one of ${expected}`);
  }
  const { retry, summary } = options;
  if (retry !== undefined && retry !== null) meta.retry = compileRetryPolicy(retry);
  if (cancel !== ActivityCancellationType.WAIT_CANCELLATION_COMPLETED) meta.cancel = cancel;
  if (summary !== undefined) meta.summary = summary;
  const json = JSON.stringify(meta);
  return {
    activityId,
    cancellationType: cancel,
    isLocal: meta.local === true,
    metaTail: json === '{}' ? '}' : `,${json.slice(1)}`,
  };
}

function checkTaskQueue(name: unknown): string {
  if (typeof name === 'string' && isStorableName(name)) {
    refuseReservedName('task queue', name);
    return name;
  }
  throw new TypeError(
    `Invalid taskQueue: ${describeValue(name)}. Expected 1 to 1000 characters without NUL and lone surrogates`,
  );
}

type Timeouts = Pick<ScheduledMeta, 'stc' | 's2c' | 's2s' | 'hb'>;

const localTimeouts = [
  ['stc', 'startToCloseTimeout'],
  ['s2c', 'scheduleToCloseTimeout'],
  ['s2s', 'scheduleToStartTimeout'],
] as const;
const timeouts = [...localTimeouts, ['hb', 'heartbeatTimeout']] as const;

/** Zero means unset, as on Temporal's server. */
function compileTimeouts<Name extends string>(
  options: Readonly<Partial<Record<Name, Duration>>>,
  fields: readonly (readonly [keyof Timeouts, Name])[],
): Timeouts {
  const meta: Timeouts = {};
  for (const [key, name] of fields) {
    const value = options[name];
    if (value === undefined || value === null) continue;
    const ms = optionMs(name, value);
    if (ms > 0) meta[key] = ms;
  }
  return meta;
}

/** `overrides` win, also inside `retry`; one that is undefined takes the option away. */
export function mergeActivityOptions<O extends CommonOptions>(base: O, overrides: O): O {
  const merged = { ...base, ...overrides };
  return isPolicy(base.retry) && isPolicy(overrides.retry)
    ? { ...merged, retry: { ...base.retry, ...overrides.retry } }
    : merged;
}

function isPolicy(retry: RetryPolicy | undefined): retry is RetryPolicy {
  return typeof retry === 'object' && retry !== null;
}
