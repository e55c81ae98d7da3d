// The pending `condition` calls of a run. Predicates run at the call, after every input and after every drain of
// microtasks, so the list is walked only while a call waits.
// Source: Temporal (spec/sdk.md 2, 4.3 and behavior 26).
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

  /** Tries all in the order of their calls, until none resolves any more. True when one was settled. */
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
