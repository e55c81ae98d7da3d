// Limits how many activities a worker executes at the same time and starts per second, for its own runs and for other
// workers' runs. Executes nothing.
import type { StartRate } from './start-rates.ts';

/** An object that takes slots when they become free. */
export interface SlotUser {
  /** Slots or starts may be available. */
  onMore(): void;
}

export class ActivitySlots implements SlotUser {
  readonly #max: number;
  readonly #rates: readonly StartRate[];
  readonly #users: SlotUser[] = [];
  #used = 0;
  /** When a slot was last taken or returned. */
  #movedAt = performance.now();
  /** Index of the user that is told first. */
  #first = 0;

  constructor(max: number, rates: readonly StartRate[] = []) {
    this.#max = max;
    this.#rates = rates;
    for (const rate of rates) rate.serve(this);
  }

  /** Takes up to `count` slots, each for one start, and returns how many. The caller must return each slot. */
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

  /** Returns slots of activities that have ended. */
  give(count: number): void {
    this.#used -= count;
    this.#movedAt = performance.now();
    this.onMore();
  }

  /** Whether all slots are taken, and none was taken or returned for `ms`. */
  isStalled(ms: number): boolean {
    return this.#used >= this.#max && performance.now() - this.#movedAt > ms;
  }

  /** Returns slots and starts that `user` took but has no activity for. */
  giveUnused(count: number, user: SlotUser): void {
    if (count === 0) return;
    this.#used -= count;
    for (const rate of this.#rates) rate.give(count);
    this.#tell(user);
  }

  /** Registers a user, which is told whenever a slot may be free. */
  serve(user: SlotUser): void {
    this.#users.push(user);
  }

  /** Slots are free, or a rate allows starts again. */
  onMore(): void {
    this.#tell(undefined);
  }

  #tell(but: SlotUser | undefined): void {
    // The user that was told first comes last the next time, so that no user starves.
    const { length } = this.#users;
    const first = length === 0 ? 0 : (this.#first + 1) % length;
    this.#first = first;
    for (let i = 0; i < length; i++) {
      const user = this.#users[(first + i) % length]!;
      if (user !== but) user.onMore();
    }
  }
}

/** An attempt that is due and begins as soon as it gets a slot. */
export interface Startable {
  /** False once it must not begin. */
  readonly isQueued: boolean;
  /** Begins. The slot stays taken until the attempt returns it. */
  begin(): void;
}

/** A first-in, first-out queue for slots. */
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

  /** From now on nothing begins. */
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
