// Commands of clients on an open standalone activity: pause, unpause, change options. Pure: returns the event to log.
// Source: Temporal's server (standalone activities, operator commands).
import type { RetryMeta, ScheduledMeta } from '../log/activation.ts';
import type { ActivityControls, OptionsUpdatedMeta, UnpausedMeta } from './activity-controls.ts';
import { newEvent } from '../log/new-event.ts';
import type { Micros } from '../log/event.ts';
import { decodeFailureInfo } from '../failure/failure-info.ts';
import { copyJson, equalJson } from '../json/json.ts';
import { retryDelayMs, retryMsMax } from './retry-policy.ts';
import { RuntimeError } from '../failure/runtime-error.ts';
import type { Input } from '../run/input.ts';
import type { PendingActivity } from './pending-activity.ts';

/** Options to change. An absent option stays as it is; a timeout of 0 removes the timeout. */
export type OptionChanges = Partial<Record<'stc' | 's2c' | 's2s' | 'hb', number>> & {
  readonly queue?: string;
  readonly retry?: RetryMeta;
};

export type ActivityCommand = { readonly by: string; readonly reason?: string | undefined } & (
  | { readonly type: 'pause' }
  | {
      readonly type: 'unpause';
      /** Delay of the next attempt, ms. */
      readonly delayMs: number;
      readonly resetAttempts: boolean;
      readonly resetHeartbeat: boolean;
    }
  | { readonly type: 'update'; readonly changes: OptionChanges }
  | { readonly type: 'restore' }
);

/** The current state of the activity. */
export interface Standing {
  readonly controls: ActivityControls;
  readonly now: Micros;
  /** Undefined before the activity is scheduled. */
  readonly activity: PendingActivity | undefined;
  /** When the activity's last attempt failed; undefined when none has failed. */
  readonly lastFailedAt: Micros | undefined;
  readonly isAtWork: boolean;
  /** Task queue that the start named. The activity's options may name another one. */
  readonly taskQueue: string;
}

/** The input to log; undefined when the activity is already in the requested state. @throws INVALID_INPUT */
export function commandInput(command: ActivityCommand, standing: Standing): Input | undefined {
  const { controls, activity } = standing;
  const columns = {
    ...(activity === undefined ? {} : { answers: activity.seq }),
    sourceId: command.by,
    reason: command.reason ?? null,
  };
  switch (command.type) {
    case 'pause':
      return controls.paused === undefined ? newEvent(0, 'ActivityPaused', columns) : undefined;
    case 'unpause': {
      if (controls.paused === undefined) return undefined;
      return newEvent(0, 'ActivityUnpaused', { ...columns, meta: JSON.stringify(unpaused(command, standing)) });
    }
    default: {
      const options =
        command.type === 'restore' ? controls.original : changed(controls.options, command.changes, standing);
      if (isSame(options, controls.options)) return undefined;
      const dueAt = isSame(options.retry ?? {}, controls.options.retry ?? {}) ? undefined : dueAgain(options, standing);
      const meta: OptionsUpdatedMeta = {
        options,
        ...(command.type === 'restore' ? { restored: true } : {}),
        ...(dueAt === undefined ? {} : { dueAt }),
      };
      return newEvent(0, 'ActivityOptionsUpdated', { ...columns, meta: JSON.stringify(meta) });
    }
  }
}

/** A running attempt continues unchanged; the activity is not rescheduled. */
function unpaused(
  { delayMs, resetAttempts, resetHeartbeat }: Extract<ActivityCommand, { type: 'unpause' }>,
  { controls, now, activity, isAtWork }: Standing,
): UnpausedMeta {
  if (isAtWork) return {};
  const asked = now + Math.round(delayMs * 1000);
  const backOff = resetAttempts ? 0 : (activity?.nextAttemptAt ?? 0);
  const earliest = Math.max(backOff, controls.notBefore);
  return {
    dueAt: Math.max(asked, earliest),
    ...(delayMs > 0 && asked > earliest ? { putOff: true } : {}),
    ...(resetAttempts ? { resetAttempts } : {}),
    ...(resetHeartbeat ? { resetHeartbeat } : {}),
  };
}

function changed(options: ScheduledMeta, changes: OptionChanges, { taskQueue }: Standing): ScheduledMeta {
  const { queue, retry, ...timeouts } = changes;
  const next: ScheduledMeta = { ...options, ...(retry === undefined ? {} : { retry }) };
  if (queue === taskQueue) delete next.queue;
  else if (queue !== undefined) next.queue = queue;
  for (const key of ['stc', 's2c', 's2s', 'hb'] as const) {
    const ms = timeouts[key];
    if (ms === 0) delete next[key];
    else if (ms !== undefined) next[key] = ms;
  }
  if (next.stc !== undefined || next.s2c !== undefined) return next;
  throw new RuntimeError(
    'INVALID_INPUT',
    'Either scheduleToCloseTimeout or startToCloseTimeout is required: the change would remove both.',
  );
}

/**
 * Recomputes the due time of an attempt in back-off under the new retry policy, unless the attempt's failure set the
 * delay. An attempt that is already due, or that an unpause delayed, keeps its due time.
 */
function dueAgain(
  options: ScheduledMeta,
  { controls, now, activity, lastFailedAt, isAtWork }: Standing,
): Micros | undefined {
  if (isAtWork || activity === undefined || lastFailedAt === undefined || activity.lastFailure === null)
    return undefined;
  if (activity.failedAttempts === 0 || activity.nextAttemptAt <= now || controls.isPutOff) return undefined;
  const failure = decodeFailureInfo(activity.lastFailure);
  if (failure.kind === 'application' && failure.nextRetryDelayMs !== undefined) return undefined;
  const delayMs = Math.min(retryDelayMs(options.retry, activity.failedAttempts), retryMsMax);
  return lastFailedAt + Math.round(delayMs * 1000);
}

/** Ignores the order of keys. */
function isSame(a: object, b: object): boolean {
  return equalJson(copyJson(a), copyJson(b));
}
