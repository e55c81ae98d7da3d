// When one running attempt stores its progress, and when it has been silent for its heartbeat timeout. Its owner stores.
import { timerMsMax } from '../../core/options/duration.ts';

/** How often progress is stored at most, ms. */
export interface HeartbeatThrottle {
  /** For activities without a heartbeat timeout. */
  readonly defaultMs: number;
  /** However long the heartbeat timeout is. */
  readonly maxMs: number;
}

export interface ProgressOwner {
  /** Nothing was reported for the heartbeat timeout. */
  silent(): void;
  /** Stores what was reported last. */
  storeProgress(): void;
}

export class AttemptProgress {
  readonly #owner: ProgressOwner;
  readonly #throttle: HeartbeatThrottle;
  #timeoutMs: number | undefined;
  #throttleMs = 0;
  #watch: NodeJS.Timeout | undefined;
  #trailing: NodeJS.Timeout | undefined;
  #lastStored = Number.NEGATIVE_INFINITY;

  constructor(owner: ProgressOwner, throttle: HeartbeatThrottle, timeoutMs: number | undefined) {
    this.#owner = owner;
    this.#throttle = throttle;
    this.retime(timeoutMs);
  }

  /** Sets another heartbeat timeout, which counts from now. */
  retime(timeoutMs: number | undefined): void {
    this.#timeoutMs = timeoutMs;
    // Source: Temporal's throttling, 80 % of the timeout.
    const { defaultMs, maxMs } = this.#throttle;
    this.#throttleMs = Math.min(timeoutMs === undefined ? defaultMs : timeoutMs * 0.8, maxMs, timerMsMax);
    this.flush();
    this.#arm();
  }

  /** Something was reported: stores it at once, or when the throttle allows. */
  beat(): void {
    this.#arm();
    const wait = this.#lastStored + this.#throttleMs - performance.now();
    if (wait <= 0) this.#store();
    else this.#trailing ??= setTimeout(() => this.#store(), wait);
  }

  /** Stores what waits for the throttle at once. */
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
    this.#watch = setTimeout(() => this.#owner.silent(), Math.min(this.#timeoutMs, timerMsMax));
  }

  #store(): void {
    this.#trailing = undefined;
    this.#lastStored = performance.now();
    this.#owner.storeProgress();
  }
}
