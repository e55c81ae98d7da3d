// How long a worker waits before its next incarnation: longer with each one in a row that died young.
import { backOffMs } from '../../core/run/back-off.ts';

/** The death of an incarnation that lived for so long does not count. */
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
