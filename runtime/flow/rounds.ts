// Gives incoming items to one reader in rounds. A round ends one macrotask after its first item, so that items that
// arrive together are read together. Items that arrive while the reader is busy wait for the next round.

export class Rounds<T> implements AsyncIterable<ReadonlySet<T>> {
  #items = new Set<T>();
  #isDue = false;
  #isStopped = false;
  #wake: (() => void) | undefined;

  /** A waiting item is not added twice. */
  add(item: T): void {
    if (this.#isStopped) return;
    this.#items.add(item);
    if (this.#items.size === 1) setImmediate(this.#due);
  }

  /** Ends the reader's iteration and drops waiting items. */
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
