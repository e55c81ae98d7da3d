// What a client asks of an open standalone activity: pause, unpause, other options. Pure: says what the log is to be told.
// Source: Temporal's server (standalone activities, operator commands).
import type { RetryMeta, ScheduledMeta } from '../log/activation.ts';
import type { ActivityControls, OptionsUpdatedMeta, UnpausedMeta } from './activity-controls.ts';
import { newEvent } from '../log/new-event.ts';
import type { Micros } from '../log/event.ts';
import { decodeFailureInfo } from '../failure/failure-info.ts';
import { copyJson, equalJson } from '../json/json.ts';
import { retryDelayMs } from './retry-policy.ts';
import { RuntimeError } from '../failure/runtime-error.ts';
import { retryMsMax } from './attempt-outcome.ts';
import type { Input } from '../run/input.ts';
import type { PendingActivity } from './pending-activity.ts';

/** Options to be changed; what is absent stays, a timeout of 0 is taken away. */
export type OptionChanges = Partial<Record<'stc' | 's2c' | 's2s' | 'hb', number>> & {
  readonly queue?: string;
  readonly retry?: RetryMeta;
};

export type ActivityCommand = { readonly by: string; readonly reason?: string | undefined } & (
  | { readonly type: 'pause' }
  | {
      readonly type: 'unpause';
      /** How long its next attempt is put off. */
      readonly delayMs: number;
      readonly resetAttempts: boolean;
      readonly resetHeartbeat: boolean;
    }
  | { readonly type: 'update'; readonly changes: OptionChanges }
  | { readonly type: 'restore' }
);

/** Where the activity stands. */
export interface Standing {
  readonly controls: ActivityControls;
  readonly now: Micros;
  /** Undefined while it is not scheduled yet. */
  readonly activity: PendingActivity | undefined;
  /** When its last attempt failed; undefined: none did. */
  readonly lastFailedAt: Micros | undefined;
  /** An attempt is at work. */
  readonly isAtWork: boolean;
  /** Its task queue, unless its options name another one. */
  readonly taskQueue: string;
}

/** The input that the log is told; undefined when all is as it is asked to be. @throws INVALID_INPUT */
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

/** An attempt at work goes on as if nothing had been asked: nothing is begun anew. */
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
    'Either scheduleToCloseTimeout or startToCloseTimeout is required: the change would take both away.',
  );
}

/**
 * An attempt that waits out its back-off waits as the new policy says, unless its failure said how long. One that is due
 * already, or was put off by whoever unpaused it, is left alone.
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

/** Whatever the order of their names. */
function isSame(a: object, b: object): boolean {
  return equalJson(copyJson(a), copyJson(b));
}
