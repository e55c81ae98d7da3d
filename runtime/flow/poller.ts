// Looks for something at intervals, and at once when nudged. Looks never overlap: a nudge during a look causes one more
// after it. A look that fails is reported to the looker, unless it was stopped, and the next one comes later, up to a limit.

export interface Looker {
  /** From the beginning of one look to that of the next; undefined: only when nudged. Read after each look. */
  readonly everyMs?: number | undefined;
  look(): Promise<void>;
  failed(error: unknown): void;
}

/** Time and chance, as a poller sees them. */
export interface PollClock {
  /** Ms, of a clock that never goes back. */
  now(): number;
  /** From 0 to 1. */
  random(): number;
  /** Calls `work` after `ms`, unless the function that it returns is called first. */
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

/** An interval is shorter by up to this part, so that workers that start together do not look together for ever. */
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

  /** Looks after one interval, unless a look is under way or planned. */
  start(): void {
    if (!this.#isLooking && this.#cancel === undefined) this.#plan(this.#clock.now());
  }

  /** Looks now, or once more after the look under way. */
  nudge(): void {
    if (this.#stopped) return;
    this.#nudged = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#looking = this.#look();
  }

  /** Looks no more; resolves when the look under way has ended. */
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
