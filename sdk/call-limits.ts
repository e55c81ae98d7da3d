// How long a caller is willing to wait: a deadline or an abort signal that holds for all calls made inside a function.
import { AsyncLocalStorage } from 'node:async_hooks';

interface CallLimits {
  /** ms since 1970. */
  readonly deadline: number;
  readonly signals: readonly AbortSignal[];
}

const limits = new AsyncLocalStorage<CallLimits>();
const none: CallLimits = { deadline: Number.POSITIVE_INFINITY, signals: [] };

/** A deadline inside another one: the earlier counts. */
export function withDeadline<T>(deadline: number | Date, fn: () => Promise<T>): Promise<T> {
  const outer = limits.getStore() ?? none;
  return limits.run({ ...outer, deadline: Math.min(Number(deadline), outer.deadline) }, fn);
}

export function withAbortSignal<T>(signal: AbortSignal, fn: () => Promise<T>): Promise<T> {
  const outer = limits.getStore() ?? none;
  return limits.run({ ...outer, signals: [...outer.signals, signal] }, fn);
}

/** Why the caller waits no longer; undefined while it does. */
export function limitReached(): string | undefined {
  const { deadline, signals } = limits.getStore() ?? none;
  if (signals.some((signal) => signal.aborted)) return 'the call was aborted';
  return Date.now() >= deadline ? 'the deadline has passed' : undefined;
}

/** How long the caller waits yet, ms, at most `ms`. */
export function waitAtMost(ms: number): number {
  return Math.max(0, Math.min(ms, (limits.getStore() ?? none).deadline - Date.now()));
}

/** Resolves when the caller's signal is aborted; never when there is none. `done` forgets about it. */
export function whenAborted(): { readonly aborted: Promise<void>; done(): void } {
  const { signals } = limits.getStore() ?? none;
  const aborted = Promise.withResolvers<void>();
  const abort = (): void => aborted.resolve();
  for (const signal of signals) signal.addEventListener('abort', abort, { once: true });
  return {
    aborted: aborted.promise,
    done: () => {
      for (const signal of signals) signal.removeEventListener('abort', abort);
    },
  };
}
