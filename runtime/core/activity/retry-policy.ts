// Whether a failed attempt of an activity is followed by another, and when. Pure: the caller brings the clock.
// Source: Temporal retry policies and timeouts (spec/sdk.md behaviors 40, 42, 43).
import type { RetryMeta } from '../log/activation.ts';
import type { Micros } from '../log/event.ts';
import { RetryState, TimeoutType } from '../failure/failure.ts';
import type { FailureInfo } from '../failure/failure-info.ts';

const defaultInitialMs = 1000;
const defaultCoefficient = 2;
/** Default of the longest interval, as a multiple of the initial one. */
const defaultMaxFactor = 100;

/**
 * Message of the TimeoutFailure(SCHEDULE_TO_CLOSE) that closes an activity when `nextRetry` says TIMEOUT because
 * there is no time left; its cause is the last attempt's failure.
 */
export const noTimeForRetryMessage =
  'Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying';

export interface FailedAttempt {
  readonly retry?: RetryMeta | undefined;
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  /** When the activity was scheduled. */
  readonly scheduledAt: Micros;
  readonly now: Micros;
  readonly scheduleToCloseMs?: number | undefined;
  readonly failure: FailureInfo;
}

export type RetryDecision =
  | { readonly retry: true; readonly delayMs: number }
  | { readonly retry: false; readonly retryState: RetryState };

/** With the defaults in place; `attempts` is absent when there is no limit. */
function retryWithDefaults(retry: RetryMeta | undefined): {
  readonly initial: number;
  readonly coefficient: number;
  readonly max: number;
  readonly attempts?: number | undefined;
} {
  const initial = retry?.initial ?? defaultInitialMs;
  const coefficient = retry?.coefficient ?? defaultCoefficient;
  return { initial, coefficient, max: retry?.max ?? initial * defaultMaxFactor, attempts: retry?.attempts };
}

/** A policy as people are shown it: in numbers, defaults included; intervals in ms. */
export interface ResolvedRetryPolicy {
  readonly initialInterval: number;
  readonly backoffCoefficient: number;
  readonly maximumInterval: number;
  /** Absent when there is no limit. */
  readonly maximumAttempts?: number;
  readonly nonRetryableErrorTypes: readonly string[];
}

export function resolvedPolicy(retry: RetryMeta | undefined): ResolvedRetryPolicy {
  const { initial, coefficient, max, attempts } = retryWithDefaults(retry);
  return {
    initialInterval: initial,
    backoffCoefficient: coefficient,
    maximumInterval: max,
    ...(attempts === undefined ? {} : { maximumAttempts: attempts }),
    nonRetryableErrorTypes: retry?.fatal ?? [],
  };
}

/** Milliseconds between the end of attempt number `attempt` (from 1) and the next one. */
export function retryDelayMs(retry: RetryMeta | undefined, attempt: number): number {
  const { initial, coefficient, max } = retryWithDefaults(retry);
  return Math.min(initial * coefficient ** (attempt - 1), max);
}

/** The name under which a failure is listed in `fatal` (nonRetryableErrorTypes). */
function typeOf(failure: FailureInfo): string | undefined {
  if (failure.kind === 'application') return failure.type;
  if (failure.kind !== 'timeout') return undefined;
  if (failure.timeoutType === TimeoutType.START_TO_CLOSE) return 'TemporalTimeout:StartToClose';
  return failure.timeoutType === TimeoutType.HEARTBEAT ? 'TemporalTimeout:Heartbeat' : undefined;
}

function isFatal(failure: FailureInfo, fatal: readonly string[]): boolean {
  if ((failure.kind === 'application' || failure.kind === 'server') && failure.nonRetryable === true) return true;
  if (failure.kind === 'terminated') return true;
  const type = typeOf(failure);
  return type !== undefined && fatal.includes(type);
}

export function nextRetry(failed: FailedAttempt): RetryDecision {
  const { retry, attempt, scheduledAt, now, scheduleToCloseMs, failure } = failed;
  if (failure.kind === 'cancelled') return { retry: false, retryState: RetryState.CANCEL_REQUESTED };
  if (failure.kind === 'timeout') {
    const { timeoutType } = failure;
    if (timeoutType === TimeoutType.SCHEDULE_TO_START || timeoutType === TimeoutType.SCHEDULE_TO_CLOSE) {
      return { retry: false, retryState: RetryState.TIMEOUT };
    }
  }
  if (isFatal(failure, retry?.fatal ?? [])) return { retry: false, retryState: RetryState.NON_RETRYABLE_FAILURE };
  if (retry?.attempts !== undefined && attempt >= retry.attempts) {
    return { retry: false, retryState: RetryState.MAXIMUM_ATTEMPTS_REACHED };
  }
  const asked = failure.kind === 'application' ? failure.nextRetryDelayMs : undefined;
  const delayMs = asked ?? retryDelayMs(retry, attempt);
  if (scheduleToCloseMs !== undefined && now + delayMs * 1000 > scheduledAt + scheduleToCloseMs * 1000) {
    return { retry: false, retryState: RetryState.TIMEOUT };
  }
  return { retry: true, delayMs };
}
