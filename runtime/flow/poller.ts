// Polls at intervals, and at once when nudged. Polls never overlap: a nudge during a poll causes one more poll after
// it. A failed poll is reported to the looker, unless the poller was stopped. It delays the next poll, up to a limit.

export interface Looker {
  /**
   * Interval from the start of one poll to the start of the next; undefined: poll only when nudged. Read after each
   * poll.
   */
  readonly everyMs?: number | undefined;
  look(): Promise<void>;
  failed(error: unknown): void;
}

/** The clock and randomness of a poller. */
export interface PollClock {
  /** Monotonic time, ms. */
  now(): number;
  /** From 0 to 1. */
  random(): number;
  /** Calls `work` after `ms`, unless the returned function is called first. */
  after(ms: number, work: () => void): () => void;
}

const systemClock: PollClock = {
  now: () => performance.now(),
  random: () => Math.random(),
  after(ms, work) {
    const timer = setTimeout(work, ms);
    return () => clearTimeout(timer);
  },
};

/** Shortens each interval by up to this fraction, so that workers that start together do not keep polling together. */
const jitter = 0.1;
/** Failures double the interval, up to this. */
const backOffMsMax = 1_000;

export class Poller {
  readonly #looker: Looker;
  readonly #clock: PollClock;
  #looking: Promise<void> = Promise.resolve();
  #isLooking = false;
  #cancel: (() => void) | undefined;
  #nudged = false;
  #failures = 0;
  #stopped = false;

  constructor(looker: Looker, clock: PollClock = systemClock) {
    this.#looker = looker;
    this.#clock = clock;
  }

  /** Polls after one interval, unless a poll is running or scheduled. */
  start(): void {
    if (!this.#isLooking && this.#cancel === undefined) this.#plan(this.#clock.now());
  }

  /** Polls now, or once more after the running poll. */
  nudge(): void {
    if (this.#stopped) return;
    this.#nudged = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#looking = this.#look();
  }

  /** Stops polling. Resolves when the running poll has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#looking;
  }

  async #look(): Promise<void> {
    let begun = 0;
    while (this.#nudged && !this.#stopped) {
      this.#nudged = false;
      begun = this.#clock.now();
      try {
        await this.#looker.look();
        this.#failures = 0;
      } catch (error) {
        this.#failures++;
        if (!this.#stopped) this.#looker.failed(error);
      }
    }
    this.#isLooking = false;
    this.#plan(begun);
  }

  #plan(since: number): void {
    const { everyMs } = this.#looker;
    if (this.#stopped || everyMs === undefined) return;
    const backedOff = Math.min(everyMs * 2 ** this.#failures, Math.max(everyMs, backOffMsMax));
    const interval = backedOff * (1 - jitter * this.#clock.random());
    this.#cancel = this.#clock.after(Math.max(0, since + interval - this.#clock.now()), () => this.nudge());
  }
}
