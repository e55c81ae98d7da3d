// Does one piece of work after the other, in the order asked for. With keys, only work of the same key waits for each other.
// A failure is its caller's alone: the work behind it goes on.

export class SerialQueue<K = undefined> {
  readonly #last = new Map<K | undefined, Promise<unknown>>();

  /** Does the work once everything before it, of the same key, has ended. */
  run<T>(work: () => Promise<T>, key?: K): Promise<T> {
    const result = (this.#last.get(key) ?? Promise.resolve()).then(work);
    const forget = (): void => {
      if (this.#last.get(key) === ended) this.#last.delete(key);
    };
    const ended = result.then(forget, forget);
    this.#last.set(key, ended);
    return result;
  }

  /** Resolves when everything asked for so far has ended. */
  async drained(): Promise<void> {
    if (this.#last.size > 0) await Promise.all(this.#last.values());
  }
}
