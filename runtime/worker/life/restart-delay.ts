// How long a worker waits before its next incarnation. The wait grows with each incarnation in a row that ended early.
import { backOffMs } from '../../core/run/back-off.ts';

/** The death of an incarnation that lived at least this long does not count. */
const livedMs = 10_000;

export class RestartDelay {
  #diedYoung = 0;

  /**
   * Called when an incarnation ended after `lifeMs`, or could not begin (0). Returns the wait in ms before the next
   * one.
   */
  after(lifeMs: number): number {
    if (lifeMs >= livedMs) {
      this.#diedYoung = 0;
      return 0;
    }
    this.#diedYoung++;
    return backOffMs(this.#diedYoung, { firstMs: 50, maxMs: 2_000 });
  }
}
