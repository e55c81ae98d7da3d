// Claims due runs of a queue: at once on a notice, otherwise at every poll. Claimed runs are loaded while the next
// claim is under way, so that a stream of runs moves through all stages at the same time.
import { InFlight } from '../../flow/in-flight.ts';
import { type Looker, Poller } from '../../flow/poller.ts';
import type { ClaimedRun } from '../../store/ownership/claim.ts';
import type { Micros } from '../../core/log/event.ts';

/** A queue of due runs, and the worker that claims them. */
export interface RunSource {
  /** How many more runs this process has room for. */
  room(): number;
  now(): Micros;
  claim(due: { now: Micros; from: Micros; limit: number }): Promise<ClaimedRun[]>;
  /** Loads claimed runs into memory; never rejects. Must count the runs against `room` before its first await. */
  adopt(claimed: readonly ClaimedRun[]): Promise<void>;
  /** Called when a claim failed. The claim is repeated. */
  failed(error: unknown): void;
}

const claimMax = 100;
/** Limit of claims whose runs are still being loaded. */
const loadingMax = 4;
const sweepEveryMs = 2_000;
/**
 * A claim looks this far below the wake time of the last claimed run. The sweep finds runs that were committed even
 * later.
 */
const watermarkSlackMicros = 1_000_000;
/**
 * A sweep takes at most this fraction (1/50) of the time, because it reads dead rows, and a held snapshot keeps any
 * number of them.
 */
const sweepShare = 50;
/**
 * Limit of the pause after a sweep, which may have taken long for another reason, such as a lock. Some runs are found
 * only by a sweep: those that became due long ago by a late commit, and those of a dead worker whose reaper died too.
 * They wait for at most one lease, as the runs of any dead worker do.
 */
const sweepPauseMsMax = 5_000;

/** The pause in ms after a sweep that took `tookMs`. */
export function sweepPause(tookMs: number): number {
  return Math.min(tookMs * sweepShare, sweepPauseMsMax);
}

/** 2000-01-01. No run is due earlier. */
const longAgo: Micros = 946_684_800_000_000;

export class Claimer implements Looker {
  readonly #source: RunSource;
  readonly #loading = new InFlight();
  readonly #poller = new Poller(this);
  #stopped = false;
  #watermark = 0;
  #nextSweep = 0;

  constructor(source: RunSource) {
    this.#source = source;
  }

  /** Looks for due runs now. `sweep`: includes runs that became due long ago. */
  poke(sweep = false): void {
    if (sweep) this.#nextSweep = 0;
    this.#poller.nudge();
  }

  /** Claims no more runs. Resolves when all claimed runs are loaded. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#poller.stop();
    await this.#loading.below(1);
  }

  async look(): Promise<void> {
    while (!this.#stopped && (await this.#claimOnce()));
  }

  failed(error: unknown): void {
    this.#source.failed(error);
  }

  /** Returns true if more runs may be due. */
  async #claimOnce(): Promise<boolean> {
    await this.#loading.below(loadingMax);
    const limit = Math.min(claimMax, this.#source.room());
    if (limit === 0) return false;
    const begun = performance.now();
    const sweep = begun >= this.#nextSweep;
    const from = sweep ? longAgo : Math.max(longAgo, this.#watermark - watermarkSlackMicros);
    const claimed = await this.#source.claim({ now: this.#source.now(), from, limit });
    const ended = performance.now();
    if (sweep) this.#nextSweep = ended + Math.max(sweepEveryMs, sweepPause(ended - begun));
    // The runs that a full sweep left behind are due later than those that it took, so the next claims start from
    // there.
    if (sweep && claimed.length === limit) this.#watermark = 0;
    for (const run of claimed) this.#watermark = Math.max(this.#watermark, run.wakeAt);
    if (claimed.length > 0) {
      void this.#loading.track(this.#source.adopt(claimed));
    }
    return claimed.length === limit;
  }
}
