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

/** What the code of an activity declares. The log holds only what differs from the defaults. */
export interface DeclaredMeta {
  /** Absent: `keyed`. */
  effect?: string;
  /** Absent: an operator may not skip the activity. */
  skippable?: true;
}

/** A person's intervention in a pending activity: the last RecoveryApplied that answers its schedule. */
export interface AppliedRecovery {
  readonly seq: number;
  readonly at: Micros;
  readonly name: string;
  readonly reason: string | null;
  readonly actor: string | null;
}

/** The read-only form of a pending activity. Only the fold changes one. */
export interface PendingActivity {
  /** Seq of its ActivityScheduled. */
  readonly seq: number;
  readonly type: string;
  readonly options: ScheduledMeta;
  readonly scheduledAt: Micros;
  /** When its time limits began: at its schedule, the last fork, or the last retry by a person. */
  readonly limitsFrom: Micros;
  /** Encoded arguments; null when it has none, or when the log was read without them. */
  readonly args: Uint8Array | null;
  /** Seq of the RecoveryApplied that holds its arguments; 0 when they are those of its schedule. */
  readonly argsSeq: number;
  /** Number of attempts that failed since its schedule or the last retry by a person. The retry policy counts these. */
  readonly failedAttempts: number;
  /** Number of attempts before the last retry by a person, except lost ones. */
  readonly earlierAttempts: number;
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
  /** What its last attempt declared; null before an attempt that declared anything but `keyed`. */
  readonly effect: string | null;
  /** True when its schedule or its last attempt says that an operator may skip it. */
  readonly skippable: boolean;
  readonly recovery: AppliedRecovery | null;
}

/** The writable form, for the fold only. */
export type FoldedActivity = { -readonly [K in keyof PendingActivity]: PendingActivity[K] };

export function scheduledActivity(event: HistoryEvent): FoldedActivity {
  const options = JSON.parse(event.meta ?? '{}') as ScheduledMeta;
  return {
    seq: event.seq,
    type: event.name ?? '',
    options,
    scheduledAt: event.at,
    limitsFrom: event.at,
    args: event.payload,
    argsSeq: 0,
    failedAttempts: 0,
    earlierAttempts: 0,
    lostAttempts: 0,
    startedAttempt: 0,
    startedSeq: 0,
    nextAttemptAt: 0,
    lastFailure: null,
    lastFailureMessage: null,
    cancelRequested: false,
    isHeld: false,
    effect: null,
    skippable: options.skippable === true,
    recovery: null,
  };
}

export function foldFailedAttempt(activity: FoldedActivity, event: HistoryEvent): void {
  activity.failedAttempts++;
  // The attempt number also counts attempts that other workers lost.
  const counted = activity.failedAttempts + activity.earlierAttempts;
  activity.lostAttempts = Math.max(activity.lostAttempts, (event.attempt ?? 0) - counted);
  activity.lastFailure = event.payload;
  activity.lastFailureMessage = event.reason;
  const { delayMs = 0, ...declared } = JSON.parse(event.meta ?? '{}') as AttemptFailedMeta & DeclaredMeta;
  activity.nextAttemptAt = event.at + delayMs * 1000;
  foldDeclared(activity, declared);
}

export function foldStartedAttempt(activity: FoldedActivity, event: HistoryEvent): void {
  activity.startedAttempt = event.attempt ?? 0;
  activity.startedSeq = event.seq;
  if (event.meta !== null) foldDeclared(activity, JSON.parse(event.meta) as DeclaredMeta);
}

/**
 * A retry is due at once, with new arguments if it has any. The retry policy and the time limits start again, and the
 * attempt numbers go on. A skip changes nothing here: the completion that follows it closes the activity.
 */
export function foldRecovery(activity: FoldedActivity, event: HistoryEvent): void {
  const { seq, at, name, reason, sourceId: actor } = event;
  activity.recovery = { seq, at, name: name ?? '', reason, actor };
  if (name !== 'retry') return;
  const attempts = Math.max(nextAttempt(activity) - 1, activity.startedAttempt);
  activity.earlierAttempts = attempts - activity.lostAttempts;
  activity.failedAttempts = 0;
  activity.startedAttempt = 0;
  activity.startedSeq = 0;
  activity.limitsFrom = at;
  activity.nextAttemptAt = at;
  activity.isHeld = false;
  if (event.payload === null) return;
  activity.args = event.payload;
  activity.argsSeq = seq;
}

function foldDeclared(activity: FoldedActivity, { effect, skippable }: DeclaredMeta): void {
  activity.effect = effect ?? null;
  activity.skippable = skippable === true || activity.options.skippable === true;
}

/** `forked`: what a WorkflowForked says about the activities that are pending at its point. */
export function foldFork(activity: FoldedActivity, forked: ForkedMeta, event: HistoryEvent): void {
  const { seq, failedAttempts, earlierAttempts } = activity;
  const counted = failedAttempts + earlierAttempts;
  activity.lostAttempts = Math.max(activity.lostAttempts, (forked.attempts?.[seq] ?? 0) - counted);
  activity.nextAttemptAt = 0;
  activity.limitsFrom = event.at;
  activity.isHeld = forked.held?.includes(seq) === true;
  if (forked.begun?.includes(seq) !== true) return;
  activity.startedAttempt = Math.max(activity.startedAttempt, failedAttempts + 1);
  activity.startedSeq = event.seq;
}

/** Number of the attempt that runs or comes next. */
export function nextAttempt({ failedAttempts, earlierAttempts, lostAttempts }: PendingActivity): number {
  return failedAttempts + earlierAttempts + lostAttempts + 1;
}

/** True when an `unsafe` attempt started and the log holds no outcome for it. */
export function isBegun({ startedAttempt, failedAttempts }: PendingActivity): boolean {
  return startedAttempt > failedAttempts;
}
