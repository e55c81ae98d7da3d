// How many activities may start in a second: of one worker, counted here; of all workers of a task queue, by starts that the
// database gives out.
import type { Logger } from 'pino';
import { returnStarts, takeStarts } from '../../store/activities/activity-rates.ts';
import type { Database } from '../../store/sql/database.ts';

export interface StartRate {
  /** Takes up to `count` starts; returns how many. When there were fewer, `onMore` is called once there are others. */
  take(count: number): number;
  /** Gives back starts that were not needed. */
  give(count: number): void;
  onMore(look: () => void): void;
}

/** What may be started at once after a pause, as a part of a second. */
const burstShare = 0.1;
const timerMsMax = 2_147_483_647;

/** Of this worker alone. */
export class WorkerRate implements StartRate {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  #left: number;
  #filledAt: number;
  #timer: NodeJS.Timeout | undefined;
  #look: () => void = () => undefined;

  /** `now`: ms, of a clock that never goes back. */
  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#burst = Math.max(1, perSecond * burstShare);
    this.#now = now;
    this.#left = this.#burst;
    this.#filledAt = now();
  }

  onMore(look: () => void): void {
    this.#look = look;
  }

  take(count: number): number {
    const now = this.#now();
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#filledAt) / 1000) * this.#perSecond);
    this.#filledAt = now;
    const taken = Math.min(count, Math.floor(this.#left + 1e-9));
    this.#left -= taken;
    if (taken < count) this.#lookLater();
    return taken;
  }

  give(count: number): void {
    this.#left += count;
  }

  #lookLater(): void {
    const ms = Math.min(Math.ceil(((1 - this.#left) / this.#perSecond) * 1000), timerMsMax);
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        this.#look();
      },
      Math.max(1, ms),
    );
  }
}

/** Starts that were given out and not used for so long are another's again. */
const keptMs = 1_000;
/** When the database cannot be reached. */
const outageMs = 200;

/** Of all workers of the queue. Each asks for a tenth of a second's worth at most. */
export class QueueRate implements StartRate {
  readonly #database: Database;
  readonly #queue: string;
  readonly #perSecond: number;
  readonly #most: number;
  readonly #logger: Logger;
  /** From when each start that this worker has counts, ms. */
  #starts: number[] = [];
  #asking = false;
  #timer: NodeJS.Timeout | undefined;
  #look: () => void = () => undefined;

  constructor(parts: { database: Database; queue: string; perSecond: number; logger: Logger }) {
    this.#database = parts.database;
    this.#queue = parts.queue;
    this.#perSecond = parts.perSecond;
    this.#most = Math.max(1, Math.floor(parts.perSecond * burstShare));
    this.#logger = parts.logger;
  }

  onMore(look: () => void): void {
    this.#look = look;
  }

  take(count: number): number {
    const now = performance.now();
    let usable = this.#starts.findIndex((at) => at > now);
    if (usable < 0) usable = this.#starts.length;
    const taken = this.#starts.splice(0, Math.min(count, usable)).length;
    if (taken === count) return taken;
    if (this.#starts.length > 0) this.#lookAt(this.#starts[0]!);
    else if (!this.#asking) void this.#ask(Math.min(count - taken, this.#most));
    return taken;
  }

  give(count: number): void {
    const { database, queue, perSecond } = { database: this.#database, queue: this.#queue, perSecond: this.#perSecond };
    if (count === 0) return;
    returnStarts(database, queue, { perSecond, count }).catch((error: unknown) =>
      this.#logger.warn({ err: error }, 'starts of activities could not be given back'),
    );
  }

  async #ask(count: number): Promise<void> {
    this.#asking = true;
    try {
      const ms = await takeStarts(this.#database, this.#queue, { perSecond: this.#perSecond, count });
      const first = performance.now() + ms;
      this.#starts = Array.from({ length: count }, (_, i) => first + (i * 1000) / this.#perSecond);
      this.#lookAt(first);
      this.#dropLater(this.#starts, first + (count * 1000) / this.#perSecond + keptMs);
    } catch (error) {
      this.#logger.warn({ err: error }, 'starts of activities could not be asked for, will try again');
      this.#lookAt(performance.now() + outageMs);
    } finally {
      this.#asking = false;
    }
  }

  #dropLater(starts: readonly number[], at: number): void {
    const timer = setTimeout(
      () => {
        if (this.#starts !== starts) return;
        const { length } = this.#starts;
        this.#starts = [];
        this.give(length);
      },
      Math.min(at - performance.now(), timerMsMax),
    );
    timer.unref();
  }

  #lookAt(at: number): void {
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        this.#look();
      },
      Math.min(Math.max(0, Math.ceil(at - performance.now())), timerMsMax),
    );
  }
}
