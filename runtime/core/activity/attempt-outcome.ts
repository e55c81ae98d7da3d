// What follows from an attempt that failed or timed out: another one, or the end of its activity. Pure: the same for
// activities that the owner executes itself and for those of other workers.
import { newEvent } from '../log/new-event.ts';
import type { EventType, Micros } from '../log/event.ts';
import { decodeFailure, encodeFailure, type FailureInfo, failureInfo } from '../failure/failure-info.ts';
import { isCancellation, type RetryState, TimeoutFailure, TimeoutType } from '../failure/failure.ts';
import { nextRetry, noTimeForRetryMessage, type RetryDecision } from './retry-policy.ts';
import { thrownMessage } from '../failure/thrown-message.ts';
import type { Input } from '../run/input.ts';
import { attemptMeta, timeoutName, type Usage } from './attempt-meta.ts';
import type { PendingActivity } from './pending-activity.ts';

/** Ten years: what a retry may be put off at most. */
export const retryMsMax: number = 315_360_000_000;

/** `type` of the ApplicationFailure of an attempt that stopped because its activity was paused. */
export const pausedType = 'ActivityPause';

export interface EndedAttempt {
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
  /** Its activity was paused at some time. */
  readonly wasPaused?: boolean | undefined;
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

export function afterFailure(activity: PendingActivity, failed: EndedAttempt): AttemptOutcome {
  const { error, attempt, ms, identity, usage } = failed;
  const took = ms === undefined ? {} : { ms };
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
  if (next.retryState === 'TIMEOUT' && !isWholeTimeout(info)) {
    const cause = decodeFailure(encodeFailure(error));
    const type = TimeoutType.SCHEDULE_TO_CLOSE;
    const timeout = new TimeoutFailure(noTimeForRetryMessage, failed.heartbeatDetails, type, cause);
    return close('ActivityTimedOut', timeout, 'TIMEOUT');
  }
  return close(failedType, error, next.retryState);
}

/** `stopped`: by a pause, which uses up no attempt. */
function decision(
  { options, scheduledAt }: PendingActivity,
  { unsafe, failedAttempts, now }: EndedAttempt,
  failure: FailureInfo,
  stopped: boolean,
): RetryDecision {
  if (unsafe) return { retry: false, retryState: 'MAXIMUM_ATTEMPTS_REACHED' };
  if (stopped) return { retry: true, delayMs: 0 };
  const { retry, s2c: scheduleToCloseMs } = options;
  return nextRetry({ retry, attempt: failedAttempts + 1, scheduledAt, now, scheduleToCloseMs, failure });
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

/** The failure of an attempt, or of a whole activity, whose time was over. */
export function timeoutFailure(
  { lastFailure }: Pick<PendingActivity, 'lastFailure'>,
  type: TimeoutType,
  details: unknown,
): TimeoutFailure {
  const cause = isWhole(type) && lastFailure !== null ? decodeFailure(lastFailure) : undefined;
  return new TimeoutFailure(`activity ${timeoutName[type]} timeout`, details, type, cause);
}
