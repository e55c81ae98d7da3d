// Checks retry policies as users write them and converts them to the form of the log.
// Source: Temporal's compileRetryPolicy (behavior 40 in docs/behaviors.md), error texts included.
import type { RetryMeta } from '../log/activation.ts';
import { type Duration, durationMs, longestMs } from './duration.ts';
import { isStorableText } from '../json/json.ts';
import { ValueError } from '../failure/value-error.ts';
import { checkOption, nested, optionTable, unchecked } from './option-table.ts';

export interface RetryPolicy {
  /** Delay before the second attempt. Default 1 s. */
  readonly initialInterval?: Duration;
  /** Factor from each interval to the next. Default 2, at least 1. */
  readonly backoffCoefficient?: number;
  /** Default: 100 times the initial interval. */
  readonly maximumInterval?: Duration;
  /** Includes the first attempt. Default: no limit. */
  readonly maximumAttempts?: number;
  /** Exact `type` of an ApplicationFailure. */
  readonly nonRetryableErrorTypes?: readonly string[];
}

/** Checks only the names of options. Invalid values throw Temporal's errors, below. */
const policyRule = nested(
  optionTable<RetryPolicy>(
    unchecked('initialInterval', 'backoffCoefficient', 'maximumInterval', 'maximumAttempts', 'nonRetryableErrorTypes'),
  ),
);

/**
 * null counts as unset.
 * @throws ValueError, TypeError for an invalid duration, INVALID_INPUT when `policy` is not a policy
 */
export function compileRetryPolicy(policy: RetryPolicy): RetryMeta {
  checkOption('retry', policy, policyRule);
  const meta: RetryMeta = {};
  const coefficient = policy.backoffCoefficient ?? undefined;
  if (coefficient !== undefined) {
    if (typeof coefficient !== 'number') throw new ValueError('RetryPolicy.backoffCoefficient must be a number');
    if (!(coefficient > 0)) throw new ValueError('RetryPolicy.backoffCoefficient must be greater than 0');
    if (coefficient < 1) throw new ValueError('RetryPolicy.backoffCoefficient must not be less than 1');
    if (coefficient === Number.POSITIVE_INFINITY) throw new ValueError('RetryPolicy.backoffCoefficient must be finite');
    meta.coefficient = coefficient;
  }
  const attempts = policy.maximumAttempts ?? Number.POSITIVE_INFINITY;
  if (attempts !== Number.POSITIVE_INFINITY) {
    if (attempts <= 0) throw new ValueError('RetryPolicy.maximumAttempts must be a positive integer');
    if (!Number.isInteger(attempts)) throw new ValueError('RetryPolicy.maximumAttempts must be an integer');
    meta.attempts = attempts;
  }
  compileIntervals(policy, meta);
  const fatal = policy.nonRetryableErrorTypes ?? [];
  if (!Array.isArray(fatal) || fatal.some((type) => typeof type !== 'string' || !isStorableText(type))) {
    throw new ValueError('RetryPolicy.nonRetryableErrorTypes must be an array of strings without NUL');
  }
  if (fatal.length > 0) meta.fatal = [...(fatal as readonly string[])];
  return meta;
}

/** A compiled policy in the form of the user's options. */
export function retryPolicyOf({ initial, coefficient, max, attempts, fatal }: RetryMeta): RetryPolicy {
  return {
    ...(initial === undefined ? {} : { initialInterval: initial }),
    ...(coefficient === undefined ? {} : { backoffCoefficient: coefficient }),
    ...(max === undefined ? {} : { maximumInterval: max }),
    ...(attempts === undefined ? {} : { maximumAttempts: attempts }),
    ...(fatal === undefined ? {} : { nonRetryableErrorTypes: fatal }),
  };
}

function intervalMs(option: keyof RetryPolicy, duration: Duration): number {
  try {
    return durationMs(duration);
  } catch (cause) {
    throw new TypeError(`retry.${option}: ${(cause as Error).message}`, { cause });
  }
}

function compileIntervals(policy: RetryPolicy, meta: RetryMeta): void {
  const initial = intervalMs('initialInterval', policy.initialInterval ?? 1000);
  const longest = policy.maximumInterval ?? undefined;
  const max = longest === undefined ? undefined : intervalMs('maximumInterval', longest);
  if (max === 0) throw new ValueError('RetryPolicy.maximumInterval cannot be 0');
  if (initial === 0) throw new ValueError('RetryPolicy.initialInterval cannot be 0');
  if (initial < 0) throw new ValueError('RetryPolicy.initialInterval cannot be negative');
  for (const [option, ms] of [
    ['initialInterval', initial],
    ['maximumInterval', max ?? 0],
  ] as const) {
    if (ms > longestMs) throw new ValueError(`RetryPolicy.${option} cannot be longer than 100 years`);
  }
  if (max !== undefined && max < initial) {
    throw new ValueError('RetryPolicy.maximumInterval cannot be less than its initialInterval');
  }
  if ((policy.initialInterval ?? undefined) !== undefined) meta.initial = initial;
  if (max !== undefined) meta.max = max;
}
