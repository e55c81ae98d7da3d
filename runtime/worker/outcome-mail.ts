// Messages that tell what an attempt on another worker came to, made into inputs of the run. The owner alone decides what
// follows (another attempt, or the end of the activity) and gives out the seq.
import { draft } from '../history/draft.ts';
import type { EventType, Micros } from '../history/event.ts';
import { decodeFailure } from '../history/failure-info.ts';
import { CancelledFailure, type TimeoutType } from '../history/failure.ts';
import { decodePayload } from '../history/payload.ts';
import type { OutcomeMeta } from '../store/activity-outcomes.ts';
import type { Mail } from '../store/inbox.ts';
import type { Usage } from './activity-context.ts';
import { attemptMeta } from './attempt-meta.ts';
import { afterFailure, type AttemptOutcome, closed, timeoutFailure } from './attempt-outcome.ts';
import type { Input, LiveRun, PendingActivity } from './live-run.ts';

const outcomeTypes: ReadonlySet<EventType> = new Set<EventType>([
  'ActivityAttemptStarted',
  'ActivityCompleted',
  'ActivityFailed',
  'ActivityTimedOut',
  'ActivityCancelled',
]);

/** The message as an input; `failed` when it tells of an attempt that did not complete. */
export function mailInput(
  run: LiveRun,
  mail: Mail,
  now: Micros,
): {
  readonly input: Input;
  readonly failed?: { readonly activity: PendingActivity; readonly outcome: AttemptOutcome };
} {
  const { runId: _, id: mailId, ...message } = mail;
  if (!outcomeTypes.has(message.type)) return { input: { ...draft(0, message.type, message), mailId } };
  const meta = JSON.parse(message.meta ?? '{}') as OutcomeMeta;
  const activity = run.activities.get(meta.seq);
  if (activity === undefined) return { input: { ...draft(0, message.type), mailId, isVoid: true } };
  const told = { ...meta, type: message.type, name: message.name, payload: message.payload };
  const outcome = outcomeOf(activity, told, now);
  if ('error' in outcome) return { input: { ...outcome.input, mailId }, failed: { activity, outcome } };
  return { input: { ...outcome, mailId } };
}

interface Told extends OutcomeMeta {
  readonly type: EventType;
  readonly name: string | null;
  readonly payload: Uint8Array | null;
}

function outcomeOf(activity: PendingActivity, told: Told, now: Micros): Input | AttemptOutcome {
  const { attempt, payload, identity = '' } = told;
  const usage = told.usage as readonly Usage[] | undefined;
  const answers = activity.seq;
  switch (told.type) {
    case 'ActivityAttemptStarted':
      return draft(0, 'ActivityAttemptStarted', { answers, attempt: activity.failedAttempts + 1 });
    case 'ActivityCompleted': {
      const meta = attemptMeta({ ms: told.ms, ...(identity === '' ? {} : { identity }) }, usage);
      return draft(0, 'ActivityCompleted', { answers, attempt, payload, meta });
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
      const { failedAttempts } = activity;
      const failed = { error, attempt, failedAttempts, now, ms: told.ms, identity, unsafe, heartbeatDetails, usage };
      return afterFailure(activity, failed);
    }
  }
}
