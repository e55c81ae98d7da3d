// Workflow code of many runs, one after the other, must not keep the event loop from heartbeats for as long as a lease:
// the worker would be declared dead, and the next one would do the same.
import { setImmediate, setTimeout } from 'node:timers/promises';

/** Code goes on for so long before others are let in, ms. */
const workMs = 50;
/** After a single turn as long as this a heartbeat and its answer are waited for, ms. */
const longTurnMs = 250;
const roundTripMs = 20;

export class Breath {
  #since = performance.now();

  /** Time to `take` it. */
  get due(): boolean {
    return performance.now() - this.#since > workMs;
  }

  async take(): Promise<void> {
    if (performance.now() - this.#since > longTurnMs) await setTimeout(roundTripMs);
    else await setImmediate();
    this.#since = performance.now();
  }
}
