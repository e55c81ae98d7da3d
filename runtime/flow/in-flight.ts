// Counts the work in flight. Callers can wait until the count is below a limit, or until nothing is left.
import { timerMsMax } from '../core/options/duration.ts';

interface Waiting {
  readonly limit: number;
  resolve(): void;
}

export class InFlight {
  #count = 0;
  #waiting: Waiting[] = [];

  get count(): number {
    return this.#count;
  }

  enter(): void {
    this.#count++;
  }

  leave(): void {
    this.#count--;
    if (this.#waiting.length === 0) return;
    for (const { limit, resolve } of this.#waiting) if (this.#count < limit) resolve();
    this.#waiting = this.#waiting.filter(({ limit }) => this.#count >= limit);
  }

  async track<T>(work: Promise<T>): Promise<T> {
    this.enter();
    try {
      return await work;
    } finally {
      this.leave();
    }
  }

  /** Resolves once the count of work in flight is below `limit`. */
  below(limit: number): Promise<void> {
    if (this.#count < limit) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ limit, resolve }));
  }

  /** Waits for the work to end, at most `ms`. Resolves to true when no work is left. */
  async drained(ms: number): Promise<boolean> {
    if (this.#count === 0) return true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.min(ms, timerMsMax));
    });
    await Promise.race([this.below(1), late]);
    clearTimeout(timer);
    return this.#count === 0;
  }
}
