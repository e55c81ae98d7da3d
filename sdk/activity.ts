// reprise/activity: what activities use while they run.
import {
  type ActivityContext,
  type ActivityDeclaration,
  activityDeclaration,
  activityStorage,
  type ActivityInfo,
  type Usage,
} from '../runtime/worker/activity-context.ts';
import { RuntimeError } from '../runtime/history/runtime-error.ts';
import ms from 'ms';
import type { Logger } from 'pino';

export const Context = {
  /** The running activity's context. @throws when no activity runs */
  current(): ActivityContext {
    const context = activityStorage.getStore();
    if (context === undefined) throw new Error('Activity context not initialized');
    return context;
  },
};

export function activityInfo(): ActivityInfo {
  return Context.current().info;
}

/** Reports progress; the next attempt finds it in `activityInfo().heartbeatDetails`. */
export function heartbeat(details?: unknown): void {
  Context.current().heartbeat(details);
}

/** Waits (ms, or a string such as '5s'); rejects with CancelledFailure when the attempt is to stop. */
export function sleep(duration: number | string): Promise<void> {
  const time = typeof duration === 'number' ? duration : ms(duration as ms.StringValue);
  if (typeof time !== 'number' || Number.isNaN(time))
    throw new TypeError(`Invalid duration: ${JSON.stringify(duration)}`);
  return Context.current().sleep(time);
}

/** A promise that rejects when the attempt is to stop. */
export function cancelled(): Promise<never> {
  return Context.current().cancelled;
}

/** For fetch, child processes and whatever else takes an AbortSignal. */
export function cancellationSignal(): AbortSignal {
  return Context.current().cancellationSignal;
}

/** Notes what the activity spent; lands on its completion event. */
export function recordUsage(usage: Usage): void {
  Context.current().usage.push(usage);
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
   * `none`: nothing outside changes. `keyed` (default): may be repeated with the same `activityInfo().idempotencyKey`.
   * `unsafe`: at most once; an attempt that is lost with its worker is not repeated but waits for a person.
   */
  effect?: ActivityDeclaration['effect'];
  /** An operator may skip it with a given result. */
  skippable?: boolean;
}

/** Declares what an activity does to the outside world. */
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

export { ApplicationFailure, CancelledFailure, CompleteAsyncError } from '../runtime/history/failure.ts';
export type { ActivityContext, ActivityInfo, Usage } from '../runtime/worker/activity-context.ts';
