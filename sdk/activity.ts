// reprise/activity: what activity code uses while it runs.
import {
  type ActivityContext,
  type ActivityDeclaration,
  activityDeclaration,
  activityStorage,
  type ActivityInfo,
} from '../runtime/worker/activities/activity-context.ts';
import type { Usage } from '../runtime/core/activity/attempt-meta.ts';
import type { ActivityCancellationDetails } from '../runtime/core/activity/cancellation-details.ts';
import type { Duration } from '../runtime/core/options/duration.ts';
import { RuntimeError } from '../runtime/core/failure/runtime-error.ts';
import type { InputOp as ContextOperation } from '../runtime/core/context/context-input.ts';
import type { Provenance } from '../runtime/core/context/provenance.ts';
import type { Logger } from 'pino';
import type { Client } from './client.ts';

/** The context of a running activity: info, heartbeat, cancellation, log and client. */
export type Context = ActivityContext & { readonly client: Client };

export const Context = {
  /** The running activity's context. @throws when no activity runs */
  current(): Context {
    const context = activityStorage.getStore();
    if (context === undefined) throw new Error('Activity context not initialized');
    return context as Context;
  },
};

export function activityInfo(): ActivityInfo {
  return Context.current().info;
}

/**
 * Reports progress. The next attempt reads it as `activityInfo().heartbeatDetails`. The details must be serialisable.
 */
export function heartbeat(details?: unknown): void {
  Context.current().heartbeat(details);
}

/** Waits (ms, or text such as '5s'). Rejects with CancelledFailure when the attempt must stop. */
export function sleep(duration: Duration): Promise<void> {
  return Context.current().sleep(duration);
}

/** A promise that rejects with CancelledFailure when the attempt must stop. */
export function cancelled(): Promise<never> {
  return Context.current().cancelled;
}

/** Aborts when the attempt must stop. Pass it to fetch, child processes and anything else that takes an AbortSignal. */
export function cancellationSignal(): AbortSignal {
  return Context.current().cancellationSignal;
}

/** Why the attempt must stop; undefined while it may go on. */
export function cancellationDetails(): ActivityCancellationDetails | undefined {
  return Context.current().cancellationDetails;
}

/** A client on the worker's connection and namespace. */
export function getClient(): Client {
  return Context.current().client;
}

/** Records what the activity has used, such as tokens or money. The log stores it with the activity's completion. */
export function recordUsage(usage: Usage): void {
  Context.current().usage.push(usage);
}

/**
 * Stages a patch of the workflow's context. It commits together with the activity's result, right behind it, if the
 * attempt completes; `source` is 'tool' by default. If the patch does not apply then, the call fails in the workflow with
 * an ActivityFailure whose cause has the type 'ContextConflict'. The workflow must have used its context before.
 * @throws RuntimeError CONTEXT_PATCH_INVALID with the pointer of a value that JSON cannot hold; INVALID_INPUT;
 * PAYLOAD_TOO_LARGE; ILLEGAL_STATE in a standalone activity
 */
export function patchContext(ops: ContextOperation | readonly ContextOperation[], provenance?: Provenance): void {
  Context.current().patchContext(ops, provenance);
}

type LogMethod = (message: string, attributes?: Record<string, unknown>) => void;

function method(level: 'trace' | 'debug' | 'info' | 'warn' | 'error'): LogMethod {
  return (message, attributes = {}) => {
    const logger: Logger = Context.current().log;
    logger[level](attributes, message);
  };
}

/** Logs with the activity's attributes. */
export const log: Record<'trace' | 'debug' | 'info' | 'warn' | 'error', LogMethod> = {
  trace: method('trace'),
  debug: method('debug'),
  info: method('info'),
  warn: method('warn'),
  error: method('error'),
};

export interface ActivityDeclarationOptions {
  /**
   * `none`: the activity changes nothing outside. `keyed` (default): it may be repeated with the same
   * `activityInfo().idempotencyKey`. `unsafe`: it runs at most once. If an `unsafe` attempt is lost with its worker, it
   * is not repeated but waits for a person to decide.
   */
  effect?: ActivityDeclaration['effect'];
  /** Whether an operator may skip the activity and supply its result; default false. */
  skippable?: boolean;
}

/** Declares how an activity affects the outside world. @throws RuntimeError INVALID_INPUT */
export function activity<F extends (...args: never[]) => unknown>(options: ActivityDeclarationOptions, fn: F): F {
  const { effect = 'keyed', skippable = false } = options;
  if (effect !== 'none' && effect !== 'keyed' && effect !== 'unsafe') {
    throw new RuntimeError(
      'INVALID_INPUT',
      `effect must be 'none', 'keyed' or 'unsafe', got ${JSON.stringify(effect)}.`,
    );
  }
  const declaration: ActivityDeclaration = { effect, skippable };
  const declared = ((...args: Parameters<F>) => fn(...args)) as F;
  return Object.defineProperties(declared, { name: { value: fn.name }, [activityDeclaration]: { value: declaration } });
}

/** Holds the Context of the running activity, for code that wraps activities. */
export { activityStorage as asyncLocalStorage } from '../runtime/worker/activities/activity-context.ts';
export { ApplicationFailure, CancelledFailure, CompleteAsyncError } from '../runtime/core/failure/failure.ts';
export type {
  ActivityFunction,
  ActivityInterface,
  UntypedActivities,
} from '../runtime/activator/calls/activity-proxy.ts';
export type { InputOp as ContextOperation } from '../runtime/core/context/context-input.ts';
export type { Provenance } from '../runtime/core/context/provenance.ts';
export type { Usage } from '../runtime/core/activity/attempt-meta.ts';
export type { ActivityCancellationDetails } from '../runtime/core/activity/cancellation-details.ts';
export type {
  ActivityContext,
  ActivityInfo,
  ActivityInfo as Info,
} from '../runtime/worker/activities/activity-context.ts';
