// How many activities a worker executes at a time, and starts in a second, whether its own runs asked for them or others.
import type { StartRate } from './start-rates.ts';

export class ActivitySlots {
  readonly #max: number;
  readonly #rates: readonly StartRate[];
  readonly #waiting: (() => void)[] = [];
  #used = 0;
  /** When a place was last taken or given back. */
  #movedAt = performance.now();
  /** Who is asked first. */
  #first = 0;

  constructor(max: number, rates: readonly StartRate[] = []) {
    this.#max = max;
    this.#rates = rates;
    for (const rate of rates) rate.onMore(() => this.#tell(undefined));
  }

  /** Takes up to `count` places, each for one start; returns how many. Each is to be given back. */
  take(count: number): number {
    let taken = Math.max(0, Math.min(count, this.#max - this.#used));
    for (const [i, rate] of this.#rates.entries()) {
      if (taken === 0) return 0;
      const allowed = rate.take(taken);
      for (const before of this.#rates.slice(0, i)) before.give(taken - allowed);
      taken = allowed;
    }
    this.#used += taken;
    if (taken > 0) this.#movedAt = performance.now();
    return taken;
  }

  /** Of starts that have ended. */
  give(count: number): void {
    this.#used -= count;
    this.#movedAt = performance.now();
    this.#tell(undefined);
  }

  /** All places are taken, and have been for so long. */
  isStalled(ms: number): boolean {
    return this.#used >= this.#max && performance.now() - this.#movedAt > ms;
  }

  /** Of places that were not needed; `by` does not want to hear of it. */
  giveUnused(count: number, by: () => void): void {
    if (count === 0) return;
    this.#used -= count;
    for (const rate of this.#rates) rate.give(count);
    this.#tell(by);
  }

  /** Calls `look` whenever there may be a free place. */
  onFree(look: () => void): void {
    this.#waiting.push(look);
  }

  #tell(but: (() => void) | undefined): void {
    // Whoever was asked first comes last the next time, so that nobody starves.
    const { length } = this.#waiting;
    const first = length === 0 ? 0 : (this.#first + 1) % length;
    this.#first = first;
    for (let i = 0; i < length; i++) {
      const look = this.#waiting[(first + i) % length]!;
      if (look !== but) look();
    }
  }
}
