// `setTimeout` and `clearTimeout` of workflow code: durable timers under a number, cancelled with their scope.
import { CancellationScope, cancellationOf, ignore, listen } from './cancellation-scope.ts';
import { currentRun } from '../run/current-run.ts';
import type { Run } from '../run/run.ts';
import type { Timers } from './timers.ts';

export class Timeouts {
  readonly #run: Pick<Run, 'timers' | 'failTask'>;
  #stops: Map<number, () => void> | undefined;
  #count = 0;

  constructor(run: { readonly timers: Timers; failTask(thrown: unknown): void }) {
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
      ignore(scope, listener);
    };
    this.#stops ??= new Map();
    this.#stops.set(id, () => {
      timer.cancel();
      forget();
    });
    listen(scope, listener);
    // Chained here, not when it fires, so that the callback runs in the caller's flow (scope, AsyncLocalStorage).
    promise.then(callback).catch((thrown: unknown) => this.#run.failTask(thrown));
    return id;
  }

  clear(id: number): void {
    this.#stops?.get(id)?.();
  }
}

/** At least 1 ms; what is no number is 1 ms, as in browsers. */
export function setTimeout(callback: (...args: unknown[]) => unknown, delay?: number, ...args: unknown[]): number {
  const run = currentRun('setTimeout');
  if (typeof callback !== 'function') {
    throw new TypeError(`The callback of setTimeout must be a function. Got: '${typeof callback}'`);
  }
  const ms = Number(delay);
  return run.timeouts.set(() => callback(...args), ms >= 1 ? ms : 1);
}

export function clearTimeout(id?: number): void {
  if (id !== undefined) currentRun('clearTimeout').timeouts.clear(id);
}
