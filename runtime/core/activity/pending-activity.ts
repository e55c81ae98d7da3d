// A scheduled activity without an outcome yet, folded from its events. RunState holds it.
import type { ScheduledMeta } from '../log/activation.ts';
import type { HistoryEvent, Micros } from '../log/event.ts';
import type { ForkedMeta } from '../run/forked-meta.ts';

export interface AttemptFailedMeta {
  /** Delay before the next attempt, ms. */
  delayMs?: number;
  /** The attempt stopped because the activity was paused. It does not count as a failed attempt. */
  paused?: true;
}

/** The read-only form of a pending activity. Only the fold changes one. */
export interface PendingActivity {
  /** Seq of its ActivityScheduled. */
  readonly seq: number;
  readonly type: string;
  readonly options: ScheduledMeta;
  readonly scheduledAt: Micros;
  /** Encoded arguments; null when it has none, or when the log was read without them. */
  readonly args: Uint8Array | null;
  readonly failedAttempts: number;
  /** Number of attempts that left no event, because their worker was lost. */
  readonly lostAttempts: number;
  /** Number of the latest started attempt of an `unsafe` activity; 0 before the first. */
  readonly startedAttempt: number;
  /** Seq of the ActivityAttemptStarted of `startedAttempt`; 0 before the first. */
  readonly startedSeq: number;
  /** Due time of the next attempt; 0 before the first failure. */
  readonly nextAttemptAt: Micros;
  /** The encoded failure and the message of the last failed attempt. */
  readonly lastFailure: Uint8Array | null;
  readonly lastFailureMessage: string | null;
  readonly cancelRequested: boolean;
  /** True in a fork whose origin executes the activity: it waits until a person retries or skips it. */
  readonly isHeld: boolean;
}

/** The writable form, for the fold only. */
export type FoldedActivity = { -readonly [K in keyof PendingActivity]: PendingActivity[K] };

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
    isHeld: false,
  };
}

export function foldFailedAttempt(activity: FoldedActivity, event: HistoryEvent): void {
  activity.failedAttempts++;
  // The attempt number also counts attempts that other workers lost.
  activity.lostAttempts = Math.max(activity.lostAttempts, (event.attempt ?? 0) - activity.failedAttempts);
  activity.lastFailure = event.payload;
  activity.lastFailureMessage = event.reason;
  const { delayMs = 0 } = JSON.parse(event.meta ?? '{}') as AttemptFailedMeta;
  activity.nextAttemptAt = event.at + delayMs * 1000;
}

/** `forked`: what a WorkflowForked says about the activities that are pending at its point. */
export function foldFork(activity: FoldedActivity, forked: ForkedMeta, event: HistoryEvent): void {
  const { seq, failedAttempts } = activity;
  activity.lostAttempts = Math.max(activity.lostAttempts, (forked.attempts?.[seq] ?? 0) - failedAttempts);
  activity.nextAttemptAt = 0;
  activity.isHeld = forked.held?.includes(seq) === true;
  if (forked.begun?.includes(seq) !== true) return;
  activity.startedAttempt = Math.max(activity.startedAttempt, failedAttempts + 1);
  activity.startedSeq = event.seq;
}

/** Number of the attempt that runs or comes next. */
export function nextAttempt({ failedAttempts, lostAttempts }: PendingActivity): number {
  return failedAttempts + lostAttempts + 1;
}

/** True when an `unsafe` attempt started and the log holds no outcome for it. */
export function isBegun({ startedAttempt, failedAttempts }: PendingActivity): boolean {
  return startedAttempt > failedAttempts;
}
