// Waiting for time to pass: a durable timer as a promise of the current scope.
import { CancellationScope, cancellationOf, addCancelListener, removeCancelListener } from './cancellation-scope.ts';
import { currentRun } from '../run/current-run.ts';
import { checkOptions, optionTable, type OptionTable, unchecked } from '../../core/options/option-table.ts';
import { type Duration, timerMs } from '../../core/options/duration.ts';

export interface TimerOptions {
  /** For display. */
  readonly summary?: string;
}

export const timerOptions: OptionTable = optionTable<TimerOptions>(unchecked('summary'));

/**
 * Sleeps at least 1 ms. Rejects when the scope is cancelled.
 * @throws TypeError (synchronously) for an invalid duration
 */
export function sleep(duration: Duration, options?: TimerOptions): Promise<void> {
  const run = currentRun('sleep');
  if (options !== undefined) checkOptions('sleep', options, timerOptions);
  const ms = timerMs(duration);
  const scope = CancellationScope.current();
  return new Promise((resolve, reject) => {
    const cancelled = cancellationOf(scope);
    if (cancelled !== undefined) {
      reject(cancelled);
      return;
    }
    const listener = {
      cancelled(error: Error): void {
        timer.cancel();
        reject(error);
      },
    };
    const fired = (): void => {
      removeCancelListener(scope, listener);
      resolve();
    };
    const timer = run.timers.start(ms, fired, options?.summary);
    addCancelListener(scope, listener);
  });
}
