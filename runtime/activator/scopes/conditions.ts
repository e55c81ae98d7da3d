// The pending `condition` calls of a run. Predicates run at the call, after every input and after every drain of
// microtasks. A run without waiting calls pays nothing for this.
// Source: Temporal (behavior 26 in docs/behaviors.md).
export interface Waiter {
  readonly predicate: () => boolean;
  resolve(): void;
  reject(thrown: unknown): void;
}

export class Conditions {
  readonly #waiting = new Set<Waiter>();

  add(waiter: Waiter): void {
    this.#waiting.add(waiter);
  }

  delete(waiter: Waiter): void {
    this.#waiting.delete(waiter);
  }

  clear(): void {
    this.#waiting.clear();
  }

  /**
   * Evaluates all predicates in the order of their calls, and repeats this until a round settles no call. Returns true
   * when a call was settled.
   */
  unblock(): boolean {
    if (this.#waiting.size === 0) return false;
    let settledAny = false;
    let settled: boolean;
    do {
      settled = false;
      for (const waiter of this.#waiting) if (this.#try(waiter)) settled = true;
      settledAny ||= settled;
    } while (settled && this.#waiting.size > 0);
    return settledAny;
  }

  #try(waiter: Waiter): boolean {
    try {
      if (!waiter.predicate()) return false;
    } catch (thrown) {
      this.#waiting.delete(waiter);
      waiter.reject(thrown);
      return true;
    }
    this.#waiting.delete(waiter);
    waiter.resolve();
    return true;
  }
}
