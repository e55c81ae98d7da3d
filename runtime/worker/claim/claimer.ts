// Takes due runs of a queue: at once when told of one, else at every poll. What was claimed is loaded while the next
// claim is on its way, so that a stream of runs moves through all stages at the same time.
import type { ClaimedRun } from '../../store/ownership/claim.ts';
import type { Micros } from '../../core/log/event.ts';
import { sweepPause } from './sweep-pause.ts';

export interface ClaimerOptions {
  /** How many more runs this process has room for. */
  room(): number;
  now(): Micros;
  claim(due: { now: Micros; from: Micros; limit: number }): Promise<ClaimedRun[]>;
  /** Brings claimed runs to life. Must count them against the room before it first waits. */
  adopt(claimed: readonly ClaimedRun[]): Promise<void>;
  /** A claim failed, and may be tried again. */
  failed(error: unknown): void;
  /** Claimed runs could not be adopted: they are owned, but not in memory. */
  lost(error: unknown): void;
}

const claimMax = 100;
/** Claims whose runs are still being loaded, at most. */
const loadingMax = 4;
const sweepEveryMs = 2_000;
/** How far below the last claimed wake-up a claim looks; later commits are found by the sweep. */
const watermarkSlackMicros = 1_000_000;
/** 2000-01-01, before which nothing is due. */
const longAgo: Micros = 946_684_800_000_000;

export class Claimer {
  readonly #options: ClaimerOptions;
  readonly #loading = new Set<Promise<void>>();
  #running: Promise<void> | undefined;
  #poked = false;
  #stopped = false;
  #watermark = 0;
  #nextSweep = 0;

  constructor(options: ClaimerOptions) {
    this.#options = options;
  }

  /** Looks for due runs now. `sweep`: also for such as became due long ago. */
  poke(sweep = false): void {
    if (sweep) this.#nextSweep = 0;
    this.#poked = true;
    if (this.#stopped) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#poked) this.poke();
    });
  }

  /** Claims nothing any more; resolves when what was claimed is loaded. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await Promise.all(this.#loading);
  }

  async #run(): Promise<void> {
    this.#poked = false;
    try {
      while (!this.#stopped && (await this.#claimOnce()));
    } catch (error) {
      this.#options.failed(error);
    }
  }

  /** True when there may be more. */
  async #claimOnce(): Promise<boolean> {
    if (this.#loading.size >= loadingMax) await Promise.race(this.#loading);
    const limit = Math.min(claimMax, this.#options.room());
    if (limit === 0) return false;
    const begun = performance.now();
    const sweep = begun >= this.#nextSweep;
    const from = sweep ? longAgo : Math.max(longAgo, this.#watermark - watermarkSlackMicros);
    const claimed = await this.#options.claim({ now: this.#options.now(), from, limit });
    const ended = performance.now();
    if (sweep) this.#nextSweep = ended + Math.max(sweepEveryMs, sweepPause(ended - begun));
    // What a full sweep left behind comes after what it took: claims go on from there.
    if (sweep && claimed.length === limit) this.#watermark = 0;
    for (const run of claimed) this.#watermark = Math.max(this.#watermark, run.wakeAt);
    if (claimed.length > 0) {
      const loading = this.#options.adopt(claimed).catch((error: unknown) => this.#options.lost(error));
      this.#loading.add(loading);
      void loading.then(() => this.#loading.delete(loading));
    }
    return claimed.length === limit;
  }
}
