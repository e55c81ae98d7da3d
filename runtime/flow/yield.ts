// Yields to the event loop between pieces of synchronous work. Without these yields, the workflow code of many runs in
// a row could delay heartbeats beyond the lease. The worker, and then its successor, would be declared dead.
import { setImmediate, setTimeout } from 'node:timers/promises';

/** Longest stretch of work without a yield, ms. */
const workMs = 50;
/** After a single piece this long, wait for a heartbeat and its answer, ms. */
const longPieceMs = 250;
const roundTripMs = 20;

export class Yielder {
  #since = performance.now();

  get isDue(): boolean {
    return performance.now() - this.#since > workMs;
  }

  async yield(): Promise<void> {
    if (performance.now() - this.#since > longPieceMs) await setTimeout(roundTripMs);
    else await setImmediate();
    this.#since = performance.now();
  }
}
