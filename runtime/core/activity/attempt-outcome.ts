// Decides what follows a failed or timed-out attempt: another attempt, or the end of the activity. Pure: the same rules
// apply to activities that the owner executes and to those that other workers execute.
import { newEvent } from '../log/new-event.ts';
import type { EventType, Micros } from '../log/event.ts';
import { decodeFailure, encodeFailure, type FailureInfo, failureInfo } from '../failure/failure-info.ts';
import { isCancellation, type RetryState, TimeoutFailure, TimeoutType } from '../failure/failure.ts';
import { isWholeTimeout, nextRetry, noTimeForRetryMessage, type RetryDecision, retryMsMax } from './retry-policy.ts';
import { thrownMessage } from '../failure/thrown-message.ts';
import type { Input } from '../run/input.ts';
import { attemptMeta, timeoutName, type Usage } from './attempt-meta.ts';
import type { DeclaredMeta, PendingActivity } from './pending-activity.ts';

/** `type` of the ApplicationFailure of an attempt that stopped because its activity was paused. */
export const pausedType = 'ActivityPause';

export interface EndedAttempt {
  readonly error: unknown;
  /** Attempt number, as the activity saw it. */
  readonly attempt: number;
  /** Number of earlier attempts that failed. Lost attempts do not count. */
  readonly failedAttempts: number;
  readonly now: Micros;
  /** Duration in ms; undefined when unknown. */
  readonly ms: number | undefined;
  /** Identity of the worker that executed the attempt. */
  readonly identity: string;
  /** The activity is `unsafe`: no attempt may be repeated. */
  readonly unsafe: boolean;
  readonly heartbeatDetails: unknown;
  readonly wasPaused?: boolean | undefined;
  readonly usage?: readonly Usage[] | undefined;
  /** What the activity's code declares, when that differs from the defaults. */
  readonly declared?: DeclaredMeta | undefined;
}

export interface AttemptOutcome {
  readonly input: Input;
  /** The failure that `input` holds. `facts` holds what is logged beside the failure. */
  readonly error: unknown;
  readonly facts: Record<string, unknown>;
  /** Delay before the next attempt, ms; undefined when the activity is closed. */
  readonly retryInMs: number | undefined;
}

export function afterFailure(activity: PendingActivity, failed: EndedAttempt): AttemptOutcome {
  const { error, attempt, ms, identity, usage } = failed;
  const took = { ...(ms === undefined ? {} : { ms }), ...failed.declared };
  const close = (type: EventType, closing: unknown, retryState: RetryState): AttemptOutcome =>
    closed(activity, type, closing, { retryState, identity, attempt, took, usage });
  const info: FailureInfo = failureInfo(error);
  const failedType = info.kind === 'timeout' ? 'ActivityTimedOut' : 'ActivityFailed';
  if (activity.cancelRequested) {
    return close(isCancellation(error) ? 'ActivityCancelled' : failedType, error, 'CANCEL_REQUESTED');
  }
  const stopped = failed.wasPaused === true && info.kind === 'application' && info.type === pausedType;
  const next = decision(activity, failed, info, stopped);
  if (next.retry) {
    const delayMs = Math.min(next.delayMs, retryMsMax);
    const input = newEvent(0, 'ActivityAttemptFailed', {
      answers: activity.seq,
      attempt,
      name: activity.type,
      reason: thrownMessage(error),
      payload: encodeFailure(error),
      meta: attemptMeta({ ...took, delayMs, ...(stopped ? { paused: true } : {}) }, usage),
    });
    return { input, error, facts: { attempt, retryInMs: delayMs }, retryInMs: delayMs };
  }
  if (next.retryState === 'TIMEOUT' && !(info.kind === 'timeout' && isWholeTimeout(info.timeoutType))) {
    const cause = decodeFailure(encodeFailure(error));
    const type = TimeoutType.SCHEDULE_TO_CLOSE;
    const timeout = new TimeoutFailure(noTimeForRetryMessage, failed.heartbeatDetails, type, cause);
    return close('ActivityTimedOut', timeout, 'TIMEOUT');
  }
  return close(failedType, error, next.retryState);
}

/** `stopped`: a pause stopped the attempt, so it does not count against the retry policy. */
function decision(
  { options, limitsFrom: scheduledAt }: PendingActivity,
  { unsafe, failedAttempts, now }: EndedAttempt,
  failure: FailureInfo,
  stopped: boolean,
): RetryDecision {
  if (unsafe) return { retry: false, retryState: 'MAXIMUM_ATTEMPTS_REACHED' };
  if (stopped) return { retry: true, delayMs: 0 };
  const { retry, s2c: scheduleToCloseMs } = options;
  return nextRetry({ retry, attempt: failedAttempts + 1, scheduledAt, now, scheduleToCloseMs, failure });
}

/** The event that closes an activity that did not complete. */
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
  const input = newEvent(0, type, {
    answers: activity.seq,
    attempt: attempt ?? null,
    name: activity.type,
    reason: thrownMessage(error),
    payload: encodeFailure(error),
    meta: attemptMeta({ retryState, identity, ...took }, usage),
  });
  return { input, error, facts: { attempt, retryState }, retryInMs: undefined };
}

/** The failure of an attempt or of a whole activity that timed out. */
export function timeoutFailure(
  { lastFailure }: Pick<PendingActivity, 'lastFailure'>,
  type: TimeoutType,
  details: unknown,
): TimeoutFailure {
  const cause = isWholeTimeout(type) && lastFailure !== null ? decodeFailure(lastFailure) : undefined;
  return new TimeoutFailure(`activity ${timeoutName[type]} timeout`, details, type, cause);
}
