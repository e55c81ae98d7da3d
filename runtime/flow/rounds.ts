// Hands what comes in to one reader, in rounds: everything that came until one macrotask after the first of it, so that
// what comes together is seen together. What comes while the reader is at work waits for the next round.

export class Rounds<T> implements AsyncIterable<ReadonlySet<T>> {
  #items = new Set<T>();
  #isDue = false;
  #isStopped = false;
  /** Wakes the reader, while it waits. */
  #wake: (() => void) | undefined;

  /** An item that waits already is not handed out twice. */
  add(item: T): void {
    if (this.#isStopped) return;
    this.#items.add(item);
    if (this.#items.size === 1) setImmediate(this.#due);
  }

  /** Ends the reader's iteration; what waits is dropped. */
  stop(): void {
    this.#isStopped = true;
    this.#items.clear();
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ReadonlySet<T>, void> {
    for (;;) {
      if (!this.#isDue && !this.#isStopped) await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
      if (this.#isStopped) return;
      this.#isDue = false;
      const items = this.#items;
      this.#items = new Set();
      yield items;
    }
  }

  readonly #due = (): void => {
    this.#isDue = true;
    this.#wake?.();
  };
}
