// Decides whether another attempt follows a failed one, and when. Pure: the caller passes the time.
// Source: Temporal retry policies and timeouts (behaviors 40, 42, 43 in docs/behaviors.md).
import type { RetryMeta } from '../log/activation.ts';
import type { Micros } from '../log/event.ts';
import { RetryState, TimeoutType } from '../failure/failure.ts';
import type { FailureInfo } from '../failure/failure-info.ts';

const defaultInitialMs = 1000;
const defaultCoefficient = 2;
/** Default of the maximum interval, as a multiple of the initial interval. */
const defaultMaxFactor = 100;
/** The longest delay of a retry: ten years, in ms. */
export const retryMsMax: number = 315_360_000_000;

/**
 * Message of the TimeoutFailure(SCHEDULE_TO_CLOSE) that closes an activity when `nextRetry` returns TIMEOUT because the
 * next attempt would start too late. Its cause is the last attempt's failure.
 */
export const noTimeForRetryMessage =
  'Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying';

export interface FailedAttempt {
  readonly retry?: RetryMeta | undefined;
  /** Number of the failed attempt, from 1. */
  readonly attempt: number;
  /** Time of the activity's ActivityScheduled. */
  readonly scheduledAt: Micros;
  readonly now: Micros;
  readonly scheduleToCloseMs?: number | undefined;
  readonly failure: FailureInfo;
}

export type RetryDecision =
  | { readonly retry: true; readonly delayMs: number }
  | { readonly retry: false; readonly retryState: RetryState };

/** A retry policy with defaults filled in, intervals in ms. */
export interface ResolvedRetryPolicy {
  readonly initialInterval: number;
  readonly backoffCoefficient: number;
  readonly maximumInterval: number;
  /** Absent when there is no limit. */
  readonly maximumAttempts?: number;
  readonly nonRetryableErrorTypes: readonly string[];
}

export function resolvedPolicy(retry: RetryMeta | undefined): ResolvedRetryPolicy {
  const { initial = defaultInitialMs, coefficient = defaultCoefficient, max, attempts, fatal = [] } = retry ?? {};
  return {
    initialInterval: initial,
    backoffCoefficient: coefficient,
    maximumInterval: max ?? initial * defaultMaxFactor,
    ...(attempts === undefined ? {} : { maximumAttempts: attempts }),
    nonRetryableErrorTypes: fatal,
  };
}

/** Delay between the end of attempt number `attempt` (from 1) and the next attempt, ms. */
export function retryDelayMs(retry: RetryMeta | undefined, attempt: number): number {
  const { initialInterval, backoffCoefficient, maximumInterval } = resolvedPolicy(retry);
  return Math.min(initialInterval * backoffCoefficient ** (attempt - 1), maximumInterval);
}

/** True for timeouts of the whole activity, false for those of one attempt. */
export function isWholeTimeout(type: TimeoutType): boolean {
  return type === TimeoutType.SCHEDULE_TO_CLOSE || type === TimeoutType.SCHEDULE_TO_START;
}

/** The name under which `fatal` (nonRetryableErrorTypes) can list a failure. */
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
  if (failure.kind === 'timeout' && isWholeTimeout(failure.timeoutType)) {
    return { retry: false, retryState: RetryState.TIMEOUT };
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
