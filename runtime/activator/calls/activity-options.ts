// Checks activity options as users write them and converts them to the form of the log.
// Source: Temporal's ActivityOptions and LocalActivityOptions (behaviors 37, 40, 46 in docs/behaviors.md).
import type { ScheduledMeta } from '../../core/log/activation.ts';
import { type Duration, optionMs } from '../../core/options/duration.ts';
import { describeValue, isStorableName } from '../../core/json/json.ts';
import { compileRetryPolicy, type RetryPolicy } from '../../core/options/retry-options.ts';
import {
  checkOptions,
  optionTable,
  storableName,
  storableText,
  trueOrFalse,
  unchecked,
} from '../../core/options/option-table.ts';
import { refuseReservedName } from '../../core/options/reserved-name.ts';

/** When a call in a cancelled scope stops waiting for its running activity. */
export const ActivityCancellationType = {
  /** Request cancellation and reject at once. */
  TRY_CANCEL: 'TRY_CANCEL',
  /** Request cancellation and wait for the activity's outcome: it may still complete. The default. */
  WAIT_CANCELLATION_COMPLETED: 'WAIT_CANCELLATION_COMPLETED',
  /** Reject at once and do not request cancellation. */
  ABANDON: 'ABANDON',
} as const;
export type ActivityCancellationType = (typeof ActivityCancellationType)[keyof typeof ActivityCancellationType];

/** Options of activities of either kind. At least one of startToCloseTimeout and scheduleToCloseTimeout is required. */
interface CommonOptions {
  /** Limit of one attempt, from its start. */
  readonly startToCloseTimeout?: Duration;
  /** Limit of all attempts and the delays between them. */
  readonly scheduleToCloseTimeout?: Duration;
  /** Limit of the wait for a worker. This timeout is not retried. */
  readonly scheduleToStartTimeout?: Duration;
  readonly retry?: RetryPolicy;
  readonly cancellationType?: ActivityCancellationType;
  /** Whether an operator may skip this call and supply its result, whatever the activity declares; default false. */
  readonly skippable?: boolean;
  /** For display. */
  readonly summary?: string;
}

export interface ActivityOptions extends CommonOptions {
  /** Maximum time between two heartbeats. */
  readonly heartbeatTimeout?: Duration;
  /** Unique among the run's open activities. Default: the decimal count of the run's activities. */
  readonly activityId?: string;
  /** Workers of this queue execute the activity. Default: the run's queue. */
  readonly taskQueue?: string;
  /** Accepted for compatibility with Temporal, and ignored. */
  readonly allowEagerDispatch?: boolean;
  /** Accepted for compatibility with Temporal, and ignored. */
  readonly versioningIntent?: unknown;
}

/** Options of a local activity, which only the run's owner executes. */
export interface LocalActivityOptions extends CommonOptions {
  /**
   * Accepted for compatibility with Temporal, and ignored. In Temporal, a longer back-off becomes a timer on the
   * server. Here, every back-off survives the loss of the worker.
   */
  readonly localRetryThreshold?: Duration;
}

/** Options that are unchecked in this table are checked below, where invalid values throw Temporal's errors. */
const commonRules = {
  ...unchecked('startToCloseTimeout', 'scheduleToCloseTimeout', 'scheduleToStartTimeout', 'retry', 'cancellationType'),
  skippable: trueOrFalse,
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
    'is only for activities that are not local': [
      'heartbeatTimeout',
      'activityId',
      'taskQueue',
      'allowEagerDispatch',
      'versioningIntent',
    ],
  },
);

/**
 * Checked options in the form of the log, without the activity id. They are kept as text, which is the same for every
 * call.
 */
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
  const { retry, summary, skippable } = options;
  if (retry !== undefined && retry !== null) meta.retry = compileRetryPolicy(retry);
  if (cancel !== ActivityCancellationType.WAIT_CANCELLATION_COMPLETED) meta.cancel = cancel;
  if (skippable === true) meta.skippable = true;
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

/** `overrides` win, also inside `retry`. An undefined override removes the option. */
export function mergeActivityOptions<O extends CommonOptions>(base: O, overrides: O): O {
  const merged = { ...base, ...overrides };
  return isPolicy(base.retry) && isPolicy(overrides.retry)
    ? { ...merged, retry: { ...base.retry, ...overrides.retry } }
    : merged;
}

function isPolicy(retry: RetryPolicy | undefined): retry is RetryPolicy {
  return typeof retry === 'object' && retry !== null;
}
