// Decides when a running attempt stores its progress, and notices a missed heartbeat timeout. The attempt itself writes the
// progress.
import { timerMsMax } from '../../core/options/duration.ts';

/** The shortest interval between two writes of progress, in ms. */
export interface HeartbeatThrottle {
  /** The interval for activities without a heartbeat timeout. */
  readonly defaultMs: number;
  /** The longest interval, even if the heartbeat timeout is longer. */
  readonly maxMs: number;
}

export interface ProgressOwner {
  /** Called when nothing was reported during the heartbeat timeout. */
  silent(): void;
  /** Stores the last reported progress. */
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

  /** Sets another heartbeat timeout, which starts now. */
  retime(timeoutMs: number | undefined): void {
    this.#timeoutMs = timeoutMs;
    // Source: Temporal's throttling, 80 % of the timeout.
    const { defaultMs, maxMs } = this.#throttle;
    this.#throttleMs = Math.min(timeoutMs === undefined ? defaultMs : timeoutMs * 0.8, maxMs, timerMsMax);
    this.flush();
    this.#arm();
  }

  /** Called when progress is reported. Stores the progress now, or as soon as the throttle allows. */
  beat(): void {
    this.#arm();
    const wait = this.#lastStored + this.#throttleMs - performance.now();
    if (wait <= 0) this.#store();
    else this.#trailing ??= setTimeout(() => this.#store(), wait);
  }

  /** Stores progress at once that waits for the throttle. */
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
