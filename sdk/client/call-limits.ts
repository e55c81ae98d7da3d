// Limits how long a caller waits: a deadline or an abort signal for all calls inside a function.
import { AsyncLocalStorage } from 'node:async_hooks';
import { inspect } from 'node:util';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';

interface CallLimits {
  /** ms since 1970. */
  readonly deadline: number;
  readonly signals: readonly AbortSignal[];
}

const limits = new AsyncLocalStorage<CallLimits>();
const none: CallLimits = { deadline: Number.POSITIVE_INFINITY, signals: [] };

/** With nested deadlines, the earliest applies. @throws INVALID_INPUT */
export async function withDeadline<T>(deadline: number | Date, fn: () => Promise<T>): Promise<T> {
  const at = typeof deadline === 'number' || deadline instanceof Date ? Number(deadline) : Number.NaN;
  if (Number.isNaN(at)) {
    throw new RuntimeError(
      'INVALID_INPUT',
      `withDeadline was given ${inspect(deadline)}, expected a Date, or a number: the milliseconds since 1970 at the deadline.`,
    );
  }
  const outer = limits.getStore() ?? none;
  return limits.run({ ...outer, deadline: Math.min(at, outer.deadline) }, fn);
}

/** @throws INVALID_INPUT */
export async function withAbortSignal<T>(signal: AbortSignal, fn: () => Promise<T>): Promise<T> {
  if (!isAbortSignal(signal)) {
    const expected = 'an AbortSignal, such as new AbortController().signal';
    throw new RuntimeError('INVALID_INPUT', `withAbortSignal was given ${inspect(signal)}, expected ${expected}.`);
  }
  const outer = limits.getStore() ?? none;
  return limits.run({ ...outer, signals: [...outer.signals, signal] }, fn);
}

/** Checks the members of the value instead of its class, because libraries bring their own AbortSignal. */
function isAbortSignal(given: unknown): given is AbortSignal {
  const { aborted, addEventListener } = (given ?? {}) as Partial<AbortSignal>;
  return typeof aborted === 'boolean' && typeof addEventListener === 'function';
}

/** Why the caller stops waiting; undefined while it may wait. */
export function limitReached(): string | undefined {
  const { deadline, signals } = limits.getStore() ?? none;
  if (signals.some((signal) => signal.aborted)) return 'the call was aborted';
  return Date.now() >= deadline ? 'the deadline has passed' : undefined;
}

/** How long the caller may still wait, in ms, at most `ms`. */
export function waitAtMost(ms: number): number {
  return Math.max(0, Math.min(ms, (limits.getStore() ?? none).deadline - Date.now()));
}

/** `aborted` resolves when the caller's signal aborts; never without a signal. `done` removes the listeners. */
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
