// What follows from an attempt that failed or timed out: another one, or the end of its activity. Pure: the same for
// activities that the owner executes itself and for those of other workers.
import { draft } from '../history/draft.ts';
import type { EventType, Micros } from '../history/event.ts';
import { decodeFailure, encodeFailure, type FailureInfo, failureInfo } from '../history/failure-info.ts';
import { isCancellation, type RetryState, TimeoutFailure, TimeoutType } from '../history/failure.ts';
import { nextRetry, noTimeForRetryMessage } from '../history/retry-policy.ts';
import { thrownMessage } from '../history/thrown-message.ts';
import type { Usage } from './activity-context.ts';
import { attemptMeta, timeoutName } from './attempt-meta.ts';
import type { Input, PendingActivity } from './live-run.ts';

/** Ten years: what a retry may be put off at most. */
const retryMsMax = 315_360_000_000;

export interface FailedAttempt {
  readonly error: unknown;
  /** Its number, as the activity was told. */
  readonly attempt: number;
  /** How many failed before; lost ones do not count. */
  readonly failedAttempts: number;
  readonly now: Micros;
  /** How long it took; undefined when nobody knows. */
  readonly ms: number | undefined;
  /** Of the worker that executed it. */
  readonly identity: string;
  /** It may not be repeated. */
  readonly unsafe: boolean;
  /** What was reported last. */
  readonly heartbeatDetails: unknown;
  readonly usage?: readonly Usage[] | undefined;
}

export interface AttemptOutcome {
  readonly input: Input;
  /** The failure that the input holds, and what to log beside it. */
  readonly error: unknown;
  readonly facts: Record<string, unknown>;
  /** Undefined when the activity is closed. */
  readonly retryInMs: number | undefined;
}

export function afterFailure(activity: PendingActivity, failed: FailedAttempt): AttemptOutcome {
  const { error, attempt, ms, now, identity, usage } = failed;
  const took = ms === undefined ? {} : { ms };
  const close = (type: EventType, closing: unknown, retryState: RetryState): AttemptOutcome =>
    closed(activity, type, closing, { retryState, identity, attempt, took, usage });
  const info: FailureInfo = failureInfo(error);
  const failedType = info.kind === 'timeout' ? 'ActivityTimedOut' : 'ActivityFailed';
  if (activity.cancelRequested) {
    return close(isCancellation(error) ? 'ActivityCancelled' : failedType, error, 'CANCEL_REQUESTED');
  }
  const next = failed.unsafe
    ? ({ retry: false, retryState: 'MAXIMUM_ATTEMPTS_REACHED' } as const)
    : nextRetry({
        retry: activity.options.retry,
        attempt: failed.failedAttempts + 1,
        scheduledAt: activity.scheduledAt,
        now,
        scheduleToCloseMs: activity.options.s2c,
        failure: info,
      });
  if (next.retry) {
    const delayMs = Math.min(next.delayMs, retryMsMax);
    const input = draft(0, 'ActivityAttemptFailed', {
      answers: activity.seq,
      attempt,
      name: activity.type,
      reason: thrownMessage(error),
      payload: encodeFailure(error),
      meta: attemptMeta({ ...took, delayMs }, usage),
    });
    return { input, error, facts: { attempt, retryInMs: delayMs }, retryInMs: delayMs };
  }
  if (next.retryState === 'TIMEOUT' && !isWholeTimeout(info)) {
    const cause = decodeFailure(encodeFailure(error));
    const type = TimeoutType.SCHEDULE_TO_CLOSE;
    const timeout = new TimeoutFailure(noTimeForRetryMessage, failed.heartbeatDetails, type, cause);
    return close('ActivityTimedOut', timeout, 'TIMEOUT');
  }
  return close(failedType, error, next.retryState);
}

function isWholeTimeout(info: FailureInfo): boolean {
  return info.kind === 'timeout' && isWhole(info.timeoutType);
}

/** Of the activity, not of one attempt. */
function isWhole(type: TimeoutType): boolean {
  return type === TimeoutType.SCHEDULE_TO_CLOSE || type === TimeoutType.SCHEDULE_TO_START;
}

/** The end of an activity that did not complete. */
export function closed(
  activity: PendingActivity,
  type: EventType,
  error: unknown,
  facts: {
    readonly retryState: RetryState;
    readonly identity: string;
    readonly attempt?: number | undefined;
    readonly took?: { readonly ms?: number };
    readonly usage?: readonly Usage[] | undefined;
  },
): AttemptOutcome {
  const { retryState, identity, attempt, took, usage } = facts;
  const input = draft(0, type, {
    answers: activity.seq,
    attempt: attempt ?? null,
    name: activity.type,
    reason: thrownMessage(error),
    payload: encodeFailure(error),
    meta: attemptMeta({ retryState, identity, ...took }, usage),
  });
  return { input, error, facts: { attempt, retryState }, retryInMs: undefined };
}

/** The failure of an attempt, or of a whole activity, whose time was over. */
export function timeoutFailure(activity: PendingActivity, type: TimeoutType, details: unknown): TimeoutFailure {
  const { lastFailure } = activity;
  const cause = isWhole(type) && lastFailure !== null ? decodeFailure(lastFailure) : undefined;
  return new TimeoutFailure(`activity ${timeoutName[type]} timeout`, details, type, cause);
}
