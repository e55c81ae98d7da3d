// How many activities a worker executes at a time, whether its own runs asked for them or others.

export class ActivitySlots {
  readonly #max: number;
  readonly #waiting: (() => void)[] = [];
  #used = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Takes up to `count` places; returns how many. Each is to be given back. */
  take(count: number): number {
    const taken = Math.max(0, Math.min(count, this.#max - this.#used));
    this.#used += taken;
    return taken;
  }

  /** `by` does not want to hear of it. */
  give(count: number, by?: () => void): void {
    if (count === 0) return;
    this.#used -= count;
    // Whoever was asked first comes last the next time, so that nobody starves.
    const first = this.#waiting.shift();
    if (first !== undefined) this.#waiting.push(first);
    for (const look of [...this.#waiting]) if (look !== by) look();
  }

  /** Calls `look` whenever there may be a free place. */
  onFree(look: () => void): void {
    this.#waiting.push(look);
  }
}
