// Turns messages that report an attempt's outcome on another worker into inputs of the run. Only the run's owner
// decides what follows (another attempt, or the end of the activity) and assigns the seq. Pure: changes nothing in the
// run.
import { newEvent } from '../log/new-event.ts';
import type { EventType, Micros, NewEvent } from '../log/event.ts';
import { decodeFailure } from '../failure/failure-info.ts';
import { CancelledFailure, type TimeoutType } from '../failure/failure.ts';
import { decodePayload } from '../payload/payload.ts';
import type { AskedPatch } from '../context/patch-trial.ts';
import type { Input } from '../run/input.ts';
import type { Mail } from '../run/mail.ts';
import { attemptMeta, type Usage } from './attempt-meta.ts';
import { afterFailure, type AttemptOutcome, closed, timeoutFailure } from './attempt-outcome.ts';
import type { ActivityPlaces } from './activity-places.ts';
import { type DeclaredMeta, nextAttempt, type PendingActivity } from './pending-activity.ts';

export interface OutcomeMeta extends DeclaredMeta {
  seq: number;
  attempt: number;
  /** Duration of the attempt, ms. */
  ms?: number;
  usage?: unknown;
  /** Identity of the worker that ran the attempt. */
  identity?: string;
  /** The activity is `unsafe`: no attempt may be repeated. */
  unsafe?: boolean;
  /** Patches that the attempt staged. */
  patches?: readonly AskedPatch[];
}

const outcomeTypes: ReadonlySet<EventType> = new Set<EventType>([
  'ActivityAttemptStarted',
  'ActivityCompleted',
  'ActivityFailed',
  'ActivityTimedOut',
  'ActivityCancelled',
]);

/** The activity's current attempt, and the number of failed attempts before it. */
interface Present {
  readonly attempt: number;
  readonly failedAttempts: number;
}

/** What a reader of outcome messages knows about the run. */
export interface Reading {
  readonly now: Micros;
  /** By the seq of ActivityScheduled. */
  readonly activities: ReadonlyMap<number, PendingActivity>;
  readonly places: Pick<ActivityPlaces, 'of'>;
  /** The current attempt of an activity that the reader executes; undefined once it has an outcome. */
  present(seq: number): Present | undefined;
  readonly wasPaused?: boolean;
}

interface ReadMail {
  readonly input: Input;
  /** The pending activity that the message is about. */
  readonly activity?: PendingActivity;
  /** Number of the attempt whose outcome the message brings, when that outcome counts. */
  readonly decides?: number;
  /** Set when the attempt did not complete. */
  readonly failed?: { readonly activity: PendingActivity; readonly outcome: AttemptOutcome };
}

/** The message as an input. The input is void when the attempt is already closed. */
export function mailInput(mail: Mail, reading: Reading): ReadMail {
  const { runId: _, id: mailId, ...message } = mail;
  if (!outcomeTypes.has(message.type)) return { input: { ...newEvent(0, message.type, written(message)), mailId } };
  const meta = JSON.parse(message.meta ?? '{}') as Partial<OutcomeMeta> & { seq: number };
  const activity = reading.activities.get(meta.seq);
  const present = activity === undefined ? undefined : presentOf(activity, message, meta.attempt, reading);
  if (activity === undefined || present === undefined) {
    const input = { ...newEvent(0, message.type), mailId, isVoid: true };
    return activity === undefined ? { input } : { input, activity };
  }
  const { type, name, payload, correlationId } = message;
  const told = { ...meta, ...present, type, name, payload };
  const outcome = outcomeOf(activity, told, reading);
  const decides = type === 'ActivityAttemptStarted' ? {} : { decides: present.attempt };
  if (!('error' in outcome)) return { activity, ...decides, input: { ...outcome, correlationId, mailId } };
  const input = { ...outcome.input, correlationId, mailId };
  return { activity, ...decides, input, failed: { activity, outcome } };
}

const fromPeople: ReadonlySet<EventType> = new Set<EventType>([
  'SignalReceived',
  'WorkflowCancelRequested',
  'WorkflowTerminated',
]);

/** The message's columns. A message in which a person gives name and reason comes from the source `user`. */
function written(message: Omit<Mail, 'runId' | 'id'>): Partial<NewEvent> {
  const { type, sourceId, reason } = message;
  if (sourceId === null || reason === null || !fromPeople.has(type)) return message;
  return { ...message, source: 'user' };
}

/**
 * The attempt that the message concerns; undefined when the message does not count. A message that ended a task always
 * counts. A client that found no task also sends a message, because the run's owner may execute the activity itself. If
 * the activity has become a task meanwhile, that message is stale: the outcome of the task counts.
 */
function presentOf(
  activity: PendingActivity,
  message: Pick<Mail, 'type' | 'correlationId'>,
  attempt: number | undefined,
  reading: Reading,
): Present | undefined {
  const { failedAttempts } = activity;
  if (message.correlationId === null) return { failedAttempts, attempt: attempt ?? nextAttempt(activity) };
  const place = reading.places.of(activity.seq);
  if (place === 'task' || place === 'told' || place === 'held') return undefined;
  if (message.type === 'ActivityCancelled' && !activity.cancelRequested) return undefined;
  const logged = { failedAttempts, attempt: nextAttempt(activity) };
  const present = place === 'asked' ? logged : reading.present(activity.seq);
  return attempt === undefined || attempt === present?.attempt ? present : undefined;
}

interface Told extends Omit<OutcomeMeta, 'attempt'>, Present {
  readonly type: EventType;
  readonly name: string | null;
  readonly payload: Uint8Array | null;
}

function outcomeOf(activity: PendingActivity, told: Told, { now, wasPaused }: Reading): Input | AttemptOutcome {
  const { attempt, payload, failedAttempts, identity = '' } = told;
  const declared = declaredOf(told);
  const usage = told.usage as readonly Usage[] | undefined;
  const answers = activity.seq;
  switch (told.type) {
    case 'ActivityAttemptStarted':
      return newEvent(0, 'ActivityAttemptStarted', { answers, attempt, meta: JSON.stringify(declared) });
    case 'ActivityCompleted': {
      const meta = attemptMeta({ ms: told.ms, ...(identity === '' ? {} : { identity }), ...declared }, usage);
      const completed: Input = newEvent(0, 'ActivityCompleted', { answers, attempt, payload, meta });
      const { patches } = told;
      return patches === undefined || patches.length === 0 ? completed : { ...completed, staged: patches };
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
      const failed = {
        error,
        attempt,
        failedAttempts,
        now,
        ms: told.ms,
        identity,
        unsafe,
        heartbeatDetails,
        usage,
        declared,
      };
      return afterFailure(activity, { ...failed, wasPaused });
    }
  }
}

function declaredOf({ effect, skippable }: DeclaredMeta): DeclaredMeta {
  return { ...(effect === undefined ? {} : { effect }), ...(skippable === true ? { skippable } : {}) };
}
