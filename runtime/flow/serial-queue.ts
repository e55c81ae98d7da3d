// Runs pieces of work one after another, in the order of the calls. With keys, only work of the same key is serialised.
// Work that fails only rejects the promise of its own call. Later work still runs.

export class SerialQueue<K = undefined> {
  readonly #last = new Map<K | undefined, Promise<unknown>>();

  /** Runs the work once all earlier work of the same key has ended. */
  run<T>(work: () => Promise<T>, key?: K): Promise<T> {
    const result = (this.#last.get(key) ?? Promise.resolve()).then(work);
    const forget = (): void => {
      if (this.#last.get(key) === ended) this.#last.delete(key);
    };
    const ended = result.then(forget, forget);
    this.#last.set(key, ended);
    return result;
  }

  /** Resolves when all work queued so far has ended. */
  async drained(): Promise<void> {
    if (this.#last.size > 0) await Promise.all(this.#last.values());
  }
}
