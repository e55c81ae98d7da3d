// How long a worker waits before its next incarnation: the longer, the more of them in a row died young.
import { backOffMs } from '../../core/run/back-off.ts';

/** An incarnation that lived for so long did not die of what it began with. */
const livedMs = 10_000;

export class RestartDelay {
  #diedYoung = 0;

  /** An incarnation ended after so long, or could not begin (0). Returns ms until the next one is to begin. */
  after(lifeMs: number): number {
    if (lifeMs >= livedMs) {
      this.#diedYoung = 0;
      return 0;
    }
    this.#diedYoung++;
    return backOffMs(this.#diedYoung, { firstMs: 50, maxMs: 2_000 });
  }
}
