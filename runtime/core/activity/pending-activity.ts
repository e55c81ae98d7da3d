// An activity that is scheduled and has no outcome yet, folded from its events. Its run's fold holds it.
import type { ScheduledMeta } from '../log/activation.ts';
import type { HistoryEvent, Micros } from '../log/event.ts';

/** `meta` of ActivityAttemptFailed. */
export interface AttemptFailedMeta {
  /** How long the next attempt waits, ms. */
  delayMs?: number;
  /** The attempt stopped because the activity was paused, which counts as no failed attempt. */
  paused?: true;
}

/** As readers see it: only the fold changes it. */
export interface PendingActivity {
  /** Of its ActivityScheduled. */
  readonly seq: number;
  readonly type: string;
  readonly options: ScheduledMeta;
  readonly scheduledAt: Micros;
  /** Arguments, encoded; null when it has none, or when the log was read without them. */
  readonly args: Uint8Array | null;
  readonly failedAttempts: number;
  /** Attempts that ended without an event of their own, because their worker was lost. */
  readonly lostAttempts: number;
  /** The attempt of an `unsafe` activity that began last; 0 when none did. */
  readonly startedAttempt: number;
  /** Of that ActivityAttemptStarted; 0 without. */
  readonly startedSeq: number;
  /** The next attempt is not due before; 0 before the first failure. */
  readonly nextAttemptAt: Micros;
  /** Of the last failed attempt: its failure, encoded, and its message. */
  readonly lastFailure: Uint8Array | null;
  readonly lastFailureMessage: string | null;
  readonly cancelRequested: boolean;
}

/** For the fold alone. */
export type FoldedActivity = { -readonly [K in keyof PendingActivity]: PendingActivity[K] };

/** `event`: an ActivityScheduled. */
export function scheduledActivity(event: HistoryEvent): FoldedActivity {
  return {
    seq: event.seq,
    type: event.name ?? '',
    options: JSON.parse(event.meta ?? '{}') as ScheduledMeta,
    scheduledAt: event.at,
    args: event.payload,
    failedAttempts: 0,
    lostAttempts: 0,
    startedAttempt: 0,
    startedSeq: 0,
    nextAttemptAt: 0,
    lastFailure: null,
    lastFailureMessage: null,
    cancelRequested: false,
  };
}

/** `event`: an ActivityAttemptFailed of this activity. */
export function foldFailedAttempt(activity: FoldedActivity, event: HistoryEvent): void {
  activity.failedAttempts++;
  // An attempt's number also counts those that other workers lost.
  activity.lostAttempts = Math.max(activity.lostAttempts, (event.attempt ?? 0) - activity.failedAttempts);
  activity.lastFailure = event.payload;
  activity.lastFailureMessage = event.reason;
  const { delayMs = 0 } = JSON.parse(event.meta ?? '{}') as AttemptFailedMeta;
  activity.nextAttemptAt = event.at + delayMs * 1000;
}

/** The number of the attempt that comes next, or runs. */
export function nextAttempt({ failedAttempts, lostAttempts }: PendingActivity): number {
  return failedAttempts + lostAttempts + 1;
}

/** Whether an `unsafe` attempt began whose outcome the log does not hold. */
export function isBegun({ startedAttempt, failedAttempts }: PendingActivity): boolean {
  return startedAttempt > failedAttempts;
}
