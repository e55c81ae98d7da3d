// Commands to an open standalone activity: checks their options and translates them into commands of the core.
import { hostname } from 'node:os';
import { refuseReservedName } from '../../../runtime/core/options/reserved-name.ts';
import type { ActivityControls } from '../../../runtime/core/activity/activity-controls.ts';
import { type Duration, optionMs } from '../../../runtime/core/options/duration.ts';
import { resolvedPolicy } from '../../../runtime/core/activity/retry-policy.ts';
import { compileRetryPolicy, type RetryPolicy } from '../../../runtime/core/options/retry-options.ts';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import type { ActivityCommand, OptionChanges } from '../../../runtime/core/activity/standalone-command.ts';
import { activityTimeouts } from './standalone-options.ts';
import { asInvalidInput } from '../../common/invalid-input.ts';
import { checkName, checkReason } from '../encode-arguments.ts';
import {
  checkOptions,
  duration,
  notYet,
  optionTable,
  trueOrFalse,
  unchecked,
} from '../../../runtime/core/options/option-table.ts';

export interface ActivityUnpauseOptions {
  /** The log keeps the reason. */
  reason?: string;
  /** Forgets failed attempts: `maximumAttempts` counts from the beginning, and a back-off ends at once. */
  resetAttempts?: boolean;
  /** Deletes the progress that attempts reported. */
  resetHeartbeat?: boolean;
  /** Delays the next attempt by a random part of this duration, so that many activities do not start at once. */
  jitter?: Duration;
}

/** Options that are left out stay as they are. A timeout of 0 removes the timeout. */
export interface ActivityUpdateOptions {
  taskQueue?: string;
  startToCloseTimeout?: Duration;
  /** Counts from the activity's start, not from this change. */
  scheduleToCloseTimeout?: Duration;
  scheduleToStartTimeout?: Duration;
  heartbeatTimeout?: Duration;
  /** Replaces the whole policy. Fields that are left out get their defaults. */
  retry?: RetryPolicy;
}

/** An activity's present options; durations in ms. */
export interface ActivityExecutionOptions {
  readonly taskQueue: string;
  readonly retryPolicy: RetryPolicy;
  readonly scheduleToCloseTimeoutMs: number | undefined;
  readonly scheduleToStartTimeoutMs: number | undefined;
  readonly startToCloseTimeoutMs: number | undefined;
  readonly heartbeatTimeoutMs: number | undefined;
}

/** The identity of this client. */
const by = `${process.pid}@${hostname()}`;

const unpauseOptions = optionTable<ActivityUnpauseOptions>({
  ...unchecked('reason'),
  resetAttempts: trueOrFalse,
  resetHeartbeat: trueOrFalse,
  jitter: duration,
});
const updateOptions = optionTable<ActivityUpdateOptions>(
  {
    ...unchecked('taskQueue', 'retry'),
    startToCloseTimeout: duration,
    scheduleToCloseTimeout: duration,
    scheduleToStartTimeout: duration,
    heartbeatTimeout: duration,
  },
  { [notYet]: ['priority', 'startDelay'] },
);

/** @throws INVALID_INPUT */
export function pauseCommand(reason: string | undefined): ActivityCommand {
  return { type: 'pause', by, ...reasonOf('pause', reason) };
}

/** @throws INVALID_INPUT */
export function unpauseCommand(options: ActivityUnpauseOptions): ActivityCommand {
  checkOptions('activity.unpause', options, unpauseOptions);
  const { reason, resetAttempts = false, resetHeartbeat = false, jitter } = options;
  const delayMs = Math.random() * optionMs('jitter', jitter ?? 0);
  return { type: 'unpause', by, resetAttempts, resetHeartbeat, delayMs, ...reasonOf('unpause', reason) };
}

/** @throws INVALID_INPUT */
export function updateCommand(options: ActivityUpdateOptions): ActivityCommand {
  checkOptions('activity.updateOptions', options, updateOptions);
  const { taskQueue, retry } = options;
  const changes: { -readonly [K in keyof OptionChanges]: OptionChanges[K] } = {};
  if (taskQueue !== undefined) {
    changes.queue = checkName('taskQueue', taskQueue);
    refuseReservedName('task queue', taskQueue);
  }
  for (const [key, name] of activityTimeouts) {
    const given = options[name];
    if (given !== undefined) changes[key] = optionMs(name, given);
  }
  if (retry !== undefined) changes.retry = asInvalidInput(() => compileRetryPolicy(retry));
  if (Object.keys(changes).length > 0) return { type: 'update', by, changes };
  const names = Object.keys(updateOptions.rules).join(', ');
  throw new RuntimeError('INVALID_INPUT', `activity.updateOptions needs at least one of these options: ${names}.`);
}

export function restoreCommand(): ActivityCommand {
  return { type: 'restore', by };
}

export function executionOptions({ options, taskQueue }: ActivityControls): ActivityExecutionOptions {
  const { stc, s2c, s2s, hb, retry } = options;
  return {
    taskQueue,
    retryPolicy: resolvedPolicy(retry),
    scheduleToCloseTimeoutMs: s2c,
    scheduleToStartTimeoutMs: s2s,
    startToCloseTimeoutMs: stc,
    heartbeatTimeoutMs: hb,
  };
}

function reasonOf(what: string, reason: string | undefined): { readonly reason?: string } {
  return reason === undefined ? {} : { reason: checkReason(what, reason) };
}
