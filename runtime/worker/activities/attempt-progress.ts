// Progress of one running attempt: watched against the heartbeat timeout, stored now and then for the next attempt.

/** How often progress is stored at most, ms. */
export interface HeartbeatThrottle {
  /** Of an activity without a heartbeat timeout. */
  readonly defaultMs: number;
  /** However long the heartbeat timeout is. */
  readonly maxMs: number;
}

export interface ProgressOptions {
  /** Heartbeat timeout of the activity, ms. */
  readonly timeoutMs: number | undefined;
  readonly throttle: HeartbeatThrottle;
  /** Nothing was heard for the timeout. */
  onSilent(): void;
  /** Stores what was reported last. */
  store(): void;
}

/** A timer that is to take longer fires at once. */
const timerMsMax = 2_147_483_647;

export class AttemptProgress {
  readonly #options: ProgressOptions;
  #timeoutMs: number | undefined;
  #throttleMs = 0;
  #watch: NodeJS.Timeout | undefined;
  #trailing: NodeJS.Timeout | undefined;
  #lastStored = Number.NEGATIVE_INFINITY;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.retime(options.timeoutMs);
  }

  /** Another heartbeat timeout, which counts from now. */
  retime(timeoutMs: number | undefined): void {
    this.#timeoutMs = timeoutMs;
    // Source: Temporal's throttling, 80 % of the timeout.
    const { defaultMs, maxMs } = this.#options.throttle;
    this.#throttleMs = Math.min(timeoutMs === undefined ? defaultMs : timeoutMs * 0.8, maxMs, timerMsMax);
    this.flush();
    this.#arm();
  }

  /** Something was reported: stored at once, or when the throttle allows. */
  beat(): void {
    this.#arm();
    const wait = this.#lastStored + this.#throttleMs - performance.now();
    if (wait <= 0) this.#store();
    else this.#trailing ??= setTimeout(() => this.#store(), wait);
  }

  /** Stores at once what waits for the throttle: the attempt failed, and the next may be another worker's. */
  flush(): void {
    if (this.#trailing === undefined) return;
    clearTimeout(this.#trailing);
    this.#store();
  }

  stop(): void {
    clearTimeout(this.#watch);
    clearTimeout(this.#trailing);
  }

  #arm(): void {
    clearTimeout(this.#watch);
    if (this.#timeoutMs === undefined) return;
    this.#watch = setTimeout(this.#options.onSilent, Math.min(this.#timeoutMs, timerMsMax));
  }

  #store(): void {
    this.#trailing = undefined;
    this.#lastStored = performance.now();
    this.#options.store();
  }
}
