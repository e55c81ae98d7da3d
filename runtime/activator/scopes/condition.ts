// Waiting for state: a promise that resolves when a predicate on workflow state becomes true.
import { CancellationScope, cancellationOf, addCancelListener, removeCancelListener } from './cancellation-scope.ts';
import type { Waiter } from './conditions.ts';
import { type CurrentRun, currentRun } from '../run/current-run.ts';
import { type Duration, timerMs } from '../../core/options/duration.ts';
import { checkOptions } from '../../core/options/option-table.ts';
import { type TimerOptions, timerOptions } from './sleep.ts';
import type { Timer } from './timers.ts';

/**
 * Resolves when `predicate` returns true. The predicate runs at once, then after every input and every round of
 * microtasks, so it must be cheap and change nothing. Leaves no trace in the history.
 */
export function condition(predicate: () => boolean): Promise<void>;
/** With a timeout (0 is 1 ms): true when the predicate became true, false when the timeout expired. */
export function condition(predicate: () => boolean, timeout: Duration, options?: TimerOptions): Promise<boolean>;
export function condition(
  predicate: () => boolean,
  timeout?: Duration,
  options?: TimerOptions,
): Promise<boolean | void> {
  const run = currentRun('condition');
  if (options !== undefined) checkOptions('condition', options, timerOptions);
  const scope = CancellationScope.current();
  if (timeout === undefined) return wait(run, scope, predicate, undefined) as Promise<void>;
  return waitAtMost(run, scope, predicate, { ms: timerMs(timeout), summary: options?.summary });
}

interface Limit {
  readonly ms: number;
  readonly summary: string | undefined;
  timer?: Timer;
}

/** Cancels the timer in a microtask, so that a timer which fires in the same activation is not cancelled. */
async function waitAtMost(
  run: CurrentRun,
  scope: CancellationScope,
  predicate: () => boolean,
  limit: Limit,
): Promise<boolean> {
  try {
    return (await wait(run, scope, predicate, limit)) !== 'late';
  } finally {
    limit.timer?.cancel();
  }
}

function wait(
  run: CurrentRun,
  scope: CancellationScope,
  predicate: () => boolean,
  limit: Limit | undefined,
): Promise<void | 'late'> {
  return new Promise((resolve, reject) => {
    const cancelled = cancellationOf(scope);
    if (cancelled !== undefined) {
      reject(cancelled);
      return;
    }
    if (predicate()) {
      resolve();
      return;
    }
    run.turn.assertWritable();
    const listener = {
      cancelled(error: Error): void {
        run.conditions.delete(waiter);
        reject(error);
      },
    };
    const waiter: Waiter = {
      predicate,
      resolve(): void {
        removeCancelListener(scope, listener);
        resolve();
      },
      reject(thrown): void {
        removeCancelListener(scope, listener);
        reject(thrown);
      },
    };
    if (limit !== undefined) limit.timer = run.timers.start(limit.ms, () => expire(), limit.summary);
    const expire = (): void => {
      removeCancelListener(scope, listener);
      run.conditions.delete(waiter);
      resolve('late');
    };
    run.conditions.add(waiter);
    addCancelListener(scope, listener);
  });
}
