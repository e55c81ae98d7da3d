// Verbs of operators that change an open run in place: pause, resume, retry, skip. Says when each is legal and which
// events it adds. The owner of a run and the transaction on a run without an owner apply the same rules. Pure.
import { isBegun, type PendingActivity } from '../activity/pending-activity.ts';
import type { ErrorCode } from '../failure/runtime-error.ts';
import { newEvent } from '../log/new-event.ts';
import type { EventType, NewEvent } from '../log/event.ts';
import type { Mail } from '../run/mail.ts';
import type { RunState } from '../run/run-state.ts';

export type VerbName = 'pause' | 'resume' | 'retry' | 'skip';

export const verbTypes: ReadonlySet<EventType> = new Set<EventType>([
  'WorkflowPaused',
  'WorkflowResumed',
  'RecoveryApplied',
]);

/** Why a verb was refused; the message names what to do instead. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** `meta` of the message that asks for a retry or a skip. */
export interface RecoveryMeta {
  /** Seq of the last RecoveryApplied on the activity that the asker knew; 0 for none. The first of two verbs wins. */
  after: number;
  /** The activity was a task that no worker had begun, and this message has replaced it. */
  task?: true;
}

/** What a person's message says: an event of a verb before it has a seq. */
export type Verb = Pick<
  Mail,
  'type' | 'name' | 'payload' | 'sourceId' | 'reason' | 'correlationId' | 'meta' | 'answers'
>;

/** The reason in the log when the person gave none: an event with source `user` must have one. */
export const noReason = 'no reason given';

export function recoveryMeta({ meta }: Pick<Verb, 'meta'>): RecoveryMeta {
  return JSON.parse(meta ?? '{"after":0}') as RecoveryMeta;
}

/** The events of a verb that is legal. A skip is the intervention and then the completion, in the same turn. */
export function verbEvents({ type, name, payload, sourceId, reason, correlationId, answers }: Verb): NewEvent[] {
  const who = { source: 'user', sourceId, reason: reason ?? noReason } as const;
  if (type !== 'RecoveryApplied') return [newEvent(0, type, { ...who, correlationId })];
  const applied = newEvent(0, type, {
    ...who,
    correlationId,
    name,
    answers,
    payload: name === 'retry' ? payload : null,
  });
  if (name === 'retry') return [applied];
  return [applied, newEvent(0, 'ActivityCompleted', { ...who, answers, payload, meta: '{"skipped":true}' })];
}

/** Why a verb may not be applied to the run as its log stands; undefined when it may. */
export function refusalOf(state: Pick<RunState, 'runId' | 'paused' | 'activities'>, verb: Verb): Refusal | undefined {
  const { runId, paused } = state;
  if (verb.type === 'WorkflowPaused') return paused === undefined ? undefined : alreadyPaused(runId, paused.seq);
  if (verb.type === 'WorkflowResumed') return paused === undefined ? notPaused(runId) : undefined;
  return recoveryRefusal(runId, state.activities.get(verb.answers ?? 0), verb);
}

function alreadyPaused(runId: string, seq: number): Refusal {
  return { code: 'RECOVERY_SUPERSEDED', message: `Run ${runId} is paused already, since seq ${seq}.` };
}

export function notPaused(runId: string): Refusal {
  return {
    code: 'NOT_PAUSED',
    message: `Run ${runId} is not paused, so there is nothing to resume. To attempt a failed activity at once, use retry.`,
  };
}

/** `activity`: undefined when it has ended. Whether an attempt runs is not in the log: the caller checks that. */
export function recoveryRefusal(
  runId: string,
  activity: PendingActivity | undefined,
  verb: Pick<Verb, 'name' | 'answers' | 'meta'>,
): Refusal | undefined {
  if (activity === undefined) {
    const message = `The activity of seq ${verb.answers} of run ${runId} has ended, so ${verb.name} has nothing to change.`;
    return { code: 'RECOVERY_SUPERSEDED', message };
  }
  const what = activityName(activity);
  const { recovery } = activity;
  if (recovery !== null && recovery.seq > recoveryMeta(verb).after) {
    const who = recovery.actor === null ? '' : ` of ${recovery.actor}`;
    const message = `Another ${recovery.name}${who} came first: seq ${recovery.seq} changed ${what} of run ${runId}. Look at the run, and repeat the call if it is still needed.`;
    return { code: 'RECOVERY_SUPERSEDED', message };
  }
  return verb.name === 'skip' ? skipRefusal(runId, activity) : retryRefusal(runId, activity);
}

function skipRefusal(runId: string, activity: PendingActivity): Refusal | undefined {
  // Only a person can decide about an unknown effect, and about an activity that the origin of a fork executes.
  if (activity.skippable || activity.isHeld || isBegun(activity)) return undefined;
  return notSkippable(runId, activity);
}

export function notSkippable(runId: string, activity: Pick<PendingActivity, 'seq' | 'type'>): Refusal {
  const message = `${activityName(activity)} of run ${runId} cannot be skipped: neither its call nor its last attempt declares skippable: true. Declare it with activity({ skippable: true }, fn) or in the options of the call, or use retry or reset.`;
  return { code: 'NOT_SKIPPABLE', message };
}

function retryRefusal(runId: string, activity: PendingActivity): Refusal | undefined {
  if (mayRetry(activity)) return undefined;
  return nothingToRetry(runId, `${activityName(activity)} has not failed`);
}

/** Whether an attempt has failed, was lost, or may have had an effect that nobody knows, or a fork waits for a person. */
export function mayRetry(activity: PendingActivity): boolean {
  const { failedAttempts, earlierAttempts, lostAttempts, isHeld } = activity;
  return failedAttempts + earlierAttempts + lostAttempts > 0 || isHeld || isBegun(activity);
}

export function nothingToRetry(runId: string, why: string): Refusal {
  const message = `There is nothing to retry in run ${runId}: ${why}. To go back to an earlier point of the run, use reset.`;
  return { code: 'NOTHING_TO_RETRY', message };
}

export function attemptRunning(runId: string, activity: Pick<PendingActivity, 'seq' | 'type'>, verb: string): Refusal {
  const message = `An attempt of ${activityName(activity)} of run ${runId} is under way, so ${verb} has changed nothing. Wait for its outcome, cancel the run, or repeat the call when it has failed.`;
  return { code: 'ATTEMPT_RUNNING', message };
}

/** The owner cannot tell yet. The sender looks at the run again, and its caller never sees this. */
export function lookAgain(runId: string, activity: Pick<PendingActivity, 'seq' | 'type'>): Refusal {
  return { code: 'RUN_BUSY', message: `The outcome of ${activityName(activity)} of run ${runId} is being written.` };
}

export function activityName({ type, seq }: Pick<PendingActivity, 'seq' | 'type'>): string {
  return `activity ${type} (seq ${seq})`;
}
