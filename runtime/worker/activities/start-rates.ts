// Limits how many activities may start per second. The limit of one worker is counted here. For the limit of a task
// queue, the database hands out start times to all workers. Starts no activities itself.
import type { Logger } from 'pino';
import { timerMsMax } from '../../core/options/duration.ts';
import { returnStarts, takeStarts } from '../../store/activities/activity-rates.ts';
import type { Database } from '../../store/sql/database.ts';

/** How many starts a worker may make at once after a pause, as a share of the starts per second. */
const burstShare = 0.1;

export abstract class StartRate {
  #user: { onMore(): void } | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Registers the user. If it got fewer starts than it wanted, it is told when more are available. */
  serve(user: { onMore(): void }): void {
    this.#user = user;
  }

  /** Takes up to `count` starts and returns how many. */
  abstract take(count: number): number;

  /** Returns starts that were not needed. */
  abstract give(count: number): void;

  /** Tells the user after `ms` that starts may be available. */
  protected tellAfter(ms: number): void {
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        this.#user?.onMore();
      },
      Math.min(Math.max(0, Math.ceil(ms)), timerMsMax),
    );
  }
}

/** The limit of this worker alone. */
export class WorkerRate extends StartRate {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  #left: number;
  #filledAt: number;

  /** `now` returns ms from a clock that never goes back. */
  constructor(perSecond: number, now: () => number = () => performance.now()) {
    super();
    this.#perSecond = perSecond;
    this.#burst = Math.max(1, perSecond * burstShare);
    this.#now = now;
    this.#left = this.#burst;
    this.#filledAt = now();
  }

  take(count: number): number {
    const now = this.#now();
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#filledAt) / 1000) * this.#perSecond);
    this.#filledAt = now;
    const taken = Math.min(count, Math.floor(this.#left + 1e-9));
    this.#left -= taken;
    if (taken < count) this.tellAfter(Math.max(1, ((1 - this.#left) / this.#perSecond) * 1000));
    return taken;
  }

  give(count: number): void {
    this.#left += count;
  }
}

/** A worker returns start times that it has not used for this long. */
const unusedMs = 1_000;
/** Wait before the next try when the database cannot be reached. */
const outageMs = 200;

/** The limit of all workers of the queue. Each worker asks for at most the starts of a tenth of a second. */
export class QueueRate extends StartRate {
  readonly #database: Database;
  readonly #queue: string;
  readonly #perSecond: number;
  readonly #most: number;
  readonly #logger: Logger;
  /** The start times that this worker has reserved: it may use each start from then on, in ms. */
  #starts: number[] = [];
  #asking = false;

  constructor(parts: { database: Database; queue: string; perSecond: number; logger: Logger }) {
    super();
    this.#database = parts.database;
    this.#queue = parts.queue;
    this.#perSecond = parts.perSecond;
    this.#most = Math.max(1, Math.floor(parts.perSecond * burstShare));
    this.#logger = parts.logger;
  }

  take(count: number): number {
    const now = performance.now();
    let usable = this.#starts.findIndex((at) => at > now);
    if (usable < 0) usable = this.#starts.length;
    const taken = this.#starts.splice(0, Math.min(count, usable)).length;
    if (taken === count) return taken;
    if (this.#starts.length > 0) this.tellAfter(this.#starts[0]! - now);
    else if (!this.#asking) void this.#ask(Math.min(count - taken, this.#most));
    return taken;
  }

  give(count: number): void {
    if (count === 0) return;
    returnStarts(this.#database, this.#queue, { perSecond: this.#perSecond, count }).catch((error: unknown) =>
      this.#logger.warn({ err: error }, 'starts of activities could not be given back'),
    );
  }

  async #ask(count: number): Promise<void> {
    this.#asking = true;
    try {
      const ms = await takeStarts(this.#database, this.#queue, { perSecond: this.#perSecond, count });
      const first = performance.now() + ms;
      this.#starts = Array.from({ length: count }, (_, i) => first + (i * 1000) / this.#perSecond);
      this.tellAfter(ms);
      this.#dropAfter(this.#starts, ms + (count * 1000) / this.#perSecond + unusedMs);
    } catch (error) {
      this.#logger.warn({ err: error }, 'starts of activities could not be asked for, will try again');
      this.tellAfter(outageMs);
    } finally {
      this.#asking = false;
    }
  }

  #dropAfter(starts: readonly number[], ms: number): void {
    const drop = (): void => {
      if (this.#starts !== starts) return;
      const { length } = this.#starts;
      this.#starts = [];
      this.give(length);
    };
    setTimeout(drop, Math.min(ms, timerMsMax)).unref();
  }
}
