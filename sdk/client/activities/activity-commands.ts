// What can be asked of an open standalone activity, checked, in the words of the log.
import { hostname } from 'node:os';
import { refuseReservedName } from '../../../runtime/core/options/reserved-name.ts';
import type { ActivityControls } from '../../../runtime/core/activity/activity-controls.ts';
import type { Duration } from '../../../runtime/core/options/duration.ts';
import { retryWithDefaults } from '../../../runtime/core/activity/retry-policy.ts';
import { compileRetryPolicy, type RetryPolicy } from '../../../runtime/core/options/retry-options.ts';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import type { ActivityCommand, OptionChanges } from '../../../runtime/worker/activities/standalone-command.ts';
import { activityTimeouts, invalid, milliseconds } from './activity-options.ts';
import { checkName, checkReason } from '../encode-arguments.ts';
import { refuseUnknown } from '../../common/refuse-unknown.ts';

export interface ActivityUnpauseOptions {
  /** Kept in the log. */
  reason?: string;
  /** Attempts that failed before count no more against `maximumAttempts` and for the back-off, which is cut short. */
  resetAttempts?: boolean;
  /** What attempts reported as their progress is forgotten. */
  resetHeartbeat?: boolean;
  /** The next attempt is put off by a random part of this, so that many do not begin at once. */
  jitter?: Duration;
}

/** What is left out stays as it is. A timeout of 0 is taken away. */
export interface ActivityUpdateOptions {
  taskQueue?: string;
  startToCloseTimeout?: Duration;
  /** Counts from the start, as before. */
  scheduleToCloseTimeout?: Duration;
  scheduleToStartTimeout?: Duration;
  heartbeatTimeout?: Duration;
  /** The whole policy; what it leaves out is the default. */
  retry?: RetryPolicy;
}

/** The options that an activity has, in ms. */
export interface ActivityExecutionOptions {
  readonly taskQueue: string;
  readonly retryPolicy: RetryPolicy;
  readonly scheduleToCloseTimeoutMs: number | undefined;
  readonly scheduleToStartTimeoutMs: number | undefined;
  readonly startToCloseTimeoutMs: number | undefined;
  readonly heartbeatTimeoutMs: number | undefined;
}

/** Who asks. */
const by = `${process.pid}@${hostname()}`;

const unpauseNames = Object.keys({
  reason: true,
  resetAttempts: true,
  resetHeartbeat: true,
  jitter: true,
} satisfies Record<keyof ActivityUnpauseOptions, true>);

const updateNames = Object.keys({
  taskQueue: true,
  startToCloseTimeout: true,
  scheduleToCloseTimeout: true,
  scheduleToStartTimeout: true,
  heartbeatTimeout: true,
  retry: true,
} satisfies Record<keyof ActivityUpdateOptions, true>);

/** @throws INVALID_INPUT */
export function pauseCommand(reason: string | undefined): ActivityCommand {
  return { type: 'pause', by, ...reasonOf('pause', reason) };
}

/** @throws INVALID_INPUT */
export function unpauseCommand(options: ActivityUnpauseOptions): ActivityCommand {
  refuseUnknown('activity.unpause', options, unpauseNames);
  const { reason, resetAttempts = false, resetHeartbeat = false, jitter } = options;
  for (const [name, value] of Object.entries({ resetAttempts, resetHeartbeat })) {
    if (typeof value !== 'boolean') throw invalid(`${name} must be true or false, got ${typeof value}`);
  }
  const delayMs = Math.random() * (milliseconds('jitter', jitter) ?? 0);
  return { type: 'unpause', by, resetAttempts, resetHeartbeat, delayMs, ...reasonOf('unpause', reason) };
}

/** @throws INVALID_INPUT */
export function updateCommand(options: ActivityUpdateOptions): ActivityCommand {
  refuseUnknown('activity.updateOptions', options, updateNames, ['priority', 'startDelay']);
  const { taskQueue, retry } = options;
  const changes: { -readonly [K in keyof OptionChanges]: OptionChanges[K] } = {};
  if (taskQueue !== undefined) {
    changes.queue = checkName('taskQueue', taskQueue);
    refuseReservedName('task queue', taskQueue);
  }
  for (const [key, name] of activityTimeouts) {
    const ms = milliseconds(name, options[name]);
    if (ms !== undefined) changes[key] = ms;
  }
  if (retry !== undefined) changes.retry = compiled(retry);
  if (Object.keys(changes).length > 0) return { type: 'update', by, changes };
  throw invalid(`activity.updateOptions needs one option at least: ${updateNames.join(', ')}`);
}

export function restoreCommand(): ActivityCommand {
  return { type: 'restore', by };
}

export function executionOptions({ options, taskQueue }: ActivityControls): ActivityExecutionOptions {
  const { stc, s2c, s2s, hb, retry } = options;
  const { initial, coefficient, max, attempts } = retryWithDefaults(retry);
  return {
    taskQueue,
    retryPolicy: {
      initialInterval: initial,
      backoffCoefficient: coefficient,
      maximumInterval: max,
      ...(attempts === undefined ? {} : { maximumAttempts: attempts }),
      nonRetryableErrorTypes: retry?.fatal ?? [],
    },
    scheduleToCloseTimeoutMs: s2c,
    scheduleToStartTimeoutMs: s2s,
    startToCloseTimeoutMs: stc,
    heartbeatTimeoutMs: hb,
  };
}

function reasonOf(what: string, reason: string | undefined): { readonly reason?: string } {
  return reason === undefined ? {} : { reason: checkReason(what, reason) };
}

function compiled(retry: RetryPolicy): NonNullable<OptionChanges['retry']> {
  try {
    return compileRetryPolicy(retry);
  } catch (cause) {
    throw cause instanceof RuntimeError ? cause : invalid((cause as Error).message, cause);
  }
}
