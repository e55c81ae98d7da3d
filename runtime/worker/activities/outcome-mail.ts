// Messages that tell what an attempt on another worker came to, made into inputs of the run. The owner alone decides what
// follows (another attempt, or the end of the activity) and gives out the seq.
import { newEvent } from '../../core/log/new-event.ts';
import type { EventType, Micros } from '../../core/log/event.ts';
import { decodeFailure } from '../../core/failure/failure-info.ts';
import { CancelledFailure, type TimeoutType } from '../../core/failure/failure.ts';
import { decodePayload } from '../../core/payload/payload.ts';
import type { OutcomeMeta } from '../../store/activities/activity-outcomes.ts';
import type { Mail } from '../../store/messages/inbox.ts';
import type { Usage } from './activity-context.ts';
import { attemptMeta } from './attempt-meta.ts';
import { afterFailure, type AttemptOutcome, closed, timeoutFailure } from './attempt-outcome.ts';
import type { Input, LiveRun, PendingActivity } from '../turns/live-run.ts';

const outcomeTypes: ReadonlySet<EventType> = new Set<EventType>([
  'ActivityAttemptStarted',
  'ActivityCompleted',
  'ActivityFailed',
  'ActivityTimedOut',
  'ActivityCancelled',
]);

/** The attempt that an activity stands at, and how many failed before. */
interface Present {
  readonly attempt: number;
  readonly failedAttempts: number;
}

interface Reading {
  readonly now: Micros;
  /** Of an activity that is executed here; undefined when it has an outcome. */
  present(seq: number): Present | undefined;
  /** The activity was paused at some time. */
  readonly wasPaused?: boolean;
}

interface ReadMail {
  readonly input: Input;
  /** The pending activity that the message tells of. `decided` when its outcome counts. */
  readonly activity?: PendingActivity;
  /** The attempt did not complete. */
  readonly failed?: { readonly activity: PendingActivity; readonly outcome: AttemptOutcome };
}

/** The message as an input; void when it tells of an attempt that is over. */
export function mailInput(run: LiveRun, mail: Mail, reading: Reading): ReadMail {
  const { runId: _, id: mailId, ...message } = mail;
  if (!outcomeTypes.has(message.type)) return { input: { ...newEvent(0, message.type, message), mailId } };
  const meta = JSON.parse(message.meta ?? '{}') as Partial<OutcomeMeta> & { seq: number };
  const activity = run.activities.get(meta.seq);
  const present = activity === undefined ? undefined : presentOf(activity, message, meta.attempt, reading);
  if (activity === undefined || present === undefined) {
    const input = { ...newEvent(0, message.type), mailId, isVoid: true };
    return activity === undefined ? { input } : { input, activity };
  }
  const { type, name, payload, correlationId } = message;
  const told = { ...meta, ...present, type, name, payload };
  const outcome = outcomeOf(activity, told, reading);
  if (type !== 'ActivityAttemptStarted') {
    activity.decided = present.attempt;
    activity.elsewhere = 'told';
  }
  if (!('error' in outcome)) return { activity, input: { ...outcome, correlationId, mailId } };
  return { activity, input: { ...outcome.input, correlationId, mailId }, failed: { activity, outcome } };
}

/**
 * Undefined when the message does not count. One that ended a task does; a client that found none sent its message on the
 * chance that the activity is executed here: a task that stands by now is to be ended instead.
 */
function presentOf(
  activity: PendingActivity,
  message: Pick<Mail, 'type' | 'correlationId'>,
  attempt: number | undefined,
  reading: Reading,
): Present | undefined {
  const { failedAttempts, lostAttempts, elsewhere } = activity;
  if (message.correlationId === null) return { failedAttempts, attempt: attempt ?? failedAttempts + lostAttempts + 1 };
  if (elsewhere === 'task' || elsewhere === 'told') return undefined;
  if (message.type === 'ActivityCancelled' && !activity.cancelRequested) return undefined;
  const logged = { failedAttempts, attempt: failedAttempts + lostAttempts + 1 };
  const present = elsewhere === 'asked' ? logged : reading.present(activity.seq);
  return attempt === undefined || attempt === present?.attempt ? present : undefined;
}

interface Told extends Omit<OutcomeMeta, 'attempt'>, Present {
  readonly type: EventType;
  readonly name: string | null;
  readonly payload: Uint8Array | null;
}

function outcomeOf(activity: PendingActivity, told: Told, { now, wasPaused }: Reading): Input | AttemptOutcome {
  const { attempt, payload, failedAttempts, identity = '' } = told;
  const usage = told.usage as readonly Usage[] | undefined;
  const answers = activity.seq;
  switch (told.type) {
    case 'ActivityAttemptStarted':
      return newEvent(0, 'ActivityAttemptStarted', { answers, attempt: failedAttempts + 1 });
    case 'ActivityCompleted': {
      const meta = attemptMeta({ ms: told.ms, ...(identity === '' ? {} : { identity }) }, usage);
      return newEvent(0, 'ActivityCompleted', { answers, attempt, payload, meta });
    }
    case 'ActivityCancelled': {
      const error = payload === null ? new CancelledFailure('Activity cancelled') : decodeFailure(payload);
      return closed(activity, 'ActivityCancelled', error, { retryState: 'CANCEL_REQUESTED', identity, attempt });
    }
    default: {
      const isTimeout = told.type === 'ActivityTimedOut';
      const heartbeatDetails = isTimeout && payload !== null ? decodePayload(payload) : undefined;
      const error = isTimeout
        ? timeoutFailure(activity, told.name as TimeoutType, heartbeatDetails)
        : decodeFailure(payload!);
      const unsafe = told.unsafe === true || activity.startedAttempt > 0;
      const failed = { error, attempt, failedAttempts, now, ms: told.ms, identity, unsafe, heartbeatDetails, usage };
      return afterFailure(activity, { ...failed, wasPaused });
    }
  }
}
