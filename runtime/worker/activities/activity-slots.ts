// The slots that limit how many activities a worker executes at a time, and starts in a second, for its own runs and for
// others. They execute nothing.
import type { StartRate } from './start-rates.ts';

/** Somebody who waits for free slots. */
export interface SlotUser {
  /** There may be more to take. */
  onMore(): void;
}

export class ActivitySlots implements SlotUser {
  readonly #max: number;
  readonly #rates: readonly StartRate[];
  readonly #users: SlotUser[] = [];
  #used = 0;
  /** When a slot was last taken or given back. */
  #movedAt = performance.now();
  /** Who is asked first. */
  #first = 0;

  constructor(max: number, rates: readonly StartRate[] = []) {
    this.#max = max;
    this.#rates = rates;
    for (const rate of rates) rate.serve(this);
  }

  /** Takes up to `count` slots, each for one start; returns how many. Each is to be given back. */
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

  /** Gives back slots of activities that have ended. */
  give(count: number): void {
    this.#used -= count;
    this.#movedAt = performance.now();
    this.onMore();
  }

  /** All slots are taken, and none was taken or given back for so long. */
  isStalled(ms: number): boolean {
    return this.#used >= this.#max && performance.now() - this.#movedAt > ms;
  }

  /** Gives back slots, and starts, that `user` took and has no activity for. */
  giveUnused(count: number, user: SlotUser): void {
    if (count === 0) return;
    this.#used -= count;
    for (const rate of this.#rates) rate.give(count);
    this.#tell(user);
  }

  /** Tells the user whenever there may be a free slot. */
  serve(user: SlotUser): void {
    this.#users.push(user);
  }

  /** Starts are allowed again, or slots are free. */
  onMore(): void {
    this.#tell(undefined);
  }

  #tell(but: SlotUser | undefined): void {
    // Whoever was asked first comes last the next time, so that nobody starves.
    const { length } = this.#users;
    const first = length === 0 ? 0 : (this.#first + 1) % length;
    this.#first = first;
    for (let i = 0; i < length; i++) {
      const user = this.#users[(first + i) % length]!;
      if (user !== but) user.onMore();
    }
  }
}

/** Something that is due and begins as soon as there is a slot for it. */
export interface Startable {
  /** False once it must not begin any more. */
  readonly isQueued: boolean;
  /** Begins; keeps the slot until it gives it back. */
  begin(): void;
}

/** Waits for slots in the order of arrival. */
export class SlotQueue implements SlotUser {
  readonly slots: ActivitySlots;
  #waiting: Startable[] = [];
  #isStopped = false;

  constructor(slots: ActivitySlots) {
    this.slots = slots;
    slots.serve(this);
  }

  add(item: Startable): void {
    this.#waiting.push(item);
    this.onMore();
  }

  /** Nothing begins any more. */
  stop(): void {
    this.#isStopped = true;
    this.#waiting = [];
  }

  onMore(): void {
    while (this.#waiting.length > 0 && !this.#isStopped) {
      let free = this.slots.take(this.#waiting.length);
      if (free === 0) return;
      while (free > 0 && this.#waiting.length > 0) {
        const item = this.#waiting.shift()!;
        if (!item.isQueued) continue;
        free--;
        item.begin();
      }
      this.slots.giveUnused(free, this);
    }
  }
}
