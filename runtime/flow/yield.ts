// Yields to the event loop between pieces of synchronous work. Workflow code of many runs, one after the other, would else
// keep heartbeats away for as long as a lease: the worker would be declared dead, and the next one as well.
import { setImmediate, setTimeout } from 'node:timers/promises';

/** Work goes on for this long before it yields, ms. */
const workMs = 50;
/** After a single piece as long as this, wait for a heartbeat and its answer, ms. */
const longPieceMs = 250;
const roundTripMs = 20;

export class Yielder {
  #since = performance.now();

  /** Time to `yield`. */
  get isDue(): boolean {
    return performance.now() - this.#since > workMs;
  }

  async yield(): Promise<void> {
    if (performance.now() - this.#since > longPieceMs) await setTimeout(roundTripMs);
    else await setImmediate();
    this.#since = performance.now();
  }
}
