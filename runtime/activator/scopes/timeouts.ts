// The timeouts of a run: durable timers with a number, cancelled with their scope. `setTimeout` uses them.
import { CancellationScope, cancellationOf, addCancelListener, removeCancelListener } from './cancellation-scope.ts';
import type { Timers } from './timers.ts';

export interface TimeoutsRun {
  readonly timers: Timers;
  failTask(thrown: unknown): void;
}

export class Timeouts {
  readonly #run: TimeoutsRun;
  #stops: Map<number, () => void> | undefined;
  #count = 0;

  constructor(run: TimeoutsRun) {
    this.#run = run;
  }

  set(callback: () => unknown, ms: number): number {
    this.#count += 1;
    const id = this.#count;
    const scope = CancellationScope.current();
    if (cancellationOf(scope) !== undefined) return id;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#run.timers.start(ms, () => {
      forget();
      resolve();
    });
    const listener = { cancelled: (): void => this.clear(id) };
    const forget = (): void => {
      this.#stops?.delete(id);
      removeCancelListener(scope, listener);
    };
    this.#stops ??= new Map();
    this.#stops.set(id, () => {
      timer.cancel();
      forget();
    });
    addCancelListener(scope, listener);
    // The callback is chained here, not when the timer fires, so that it runs in the caller's flow (scope,
    // AsyncLocalStorage).
    promise.then(callback).catch((thrown: unknown) => this.#run.failTask(thrown));
    return id;
  }

  clear(id: number): void {
    this.#stops?.get(id)?.();
  }
}
