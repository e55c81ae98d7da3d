// Attempts that are due and wait for one of the places that they share with others, the first first.
import type { ActivityEntry } from './activity-entry.ts';
import type { ActivitySlots } from './activity-slots.ts';

export class AttemptQueue {
  readonly #slots: ActivitySlots;
  readonly #begin: (entry: ActivityEntry) => void;
  #waiting: ActivityEntry[] = [];
  #isStopped = false;
  readonly #look = (): void => this.#next();

  /** `begin` has the place until it is given back. */
  constructor(slots: ActivitySlots, begin: (entry: ActivityEntry) => void) {
    this.#slots = slots;
    this.#begin = begin;
    slots.onFree(this.#look);
  }

  add(entry: ActivityEntry): void {
    this.#waiting.push(entry);
    this.#next();
  }

  give(): void {
    this.#slots.give(1);
  }

  /** None of the places has become free for so long. */
  isStalled(ms: number): boolean {
    return this.#slots.isStalled(ms);
  }

  /** None of those that wait begins any more, nor of those to come. */
  stop(): void {
    this.#isStopped = true;
    this.#waiting = [];
  }

  #next(): void {
    while (this.#waiting.length > 0 && !this.#isStopped) {
      let places = this.#slots.take(this.#waiting.length);
      if (places === 0) return;
      while (places > 0 && this.#waiting.length > 0) {
        const entry = this.#waiting.shift()!;
        if (entry.state !== 'queued') continue;
        places--;
        this.#begin(entry);
      }
      this.#slots.giveUnused(places, this.#look);
    }
  }
}
