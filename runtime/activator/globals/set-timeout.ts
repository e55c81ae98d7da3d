// `setTimeout` and `clearTimeout` of workflow code.
import { currentRun } from '../run/current-run.ts';

/** At least 1 ms; anything but a number means 1 ms, as in browsers. */
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
