// Takes due runs of a queue: at once when told of one, else at every poll. What was claimed is loaded while the next
// claim is on its way, so that a stream of runs moves through all stages at the same time.
import { InFlight } from '../../flow/in-flight.ts';
import { type Looker, Poller } from '../../flow/poller.ts';
import type { ClaimedRun } from '../../store/ownership/claim.ts';
import type { Micros } from '../../core/log/event.ts';

/** A queue of due runs, and the worker that takes them. */
export interface RunSource {
  /** How many more runs this process has room for. */
  room(): number;
  now(): Micros;
  claim(due: { now: Micros; from: Micros; limit: number }): Promise<ClaimedRun[]>;
  /** Brings claimed runs into memory, never rejects. Must count them against the room before it first waits. */
  adopt(claimed: readonly ClaimedRun[]): Promise<void>;
  /** A claim failed, and will be tried again. */
  failed(error: unknown): void;
}

const claimMax = 100;
/** Claims whose runs are still being loaded, at most. */
const loadingMax = 4;
const sweepEveryMs = 2_000;
/** How far below the last claimed wake-up a claim looks; later commits are found by the sweep. */
const watermarkSlackMicros = 1_000_000;
/** A sweep takes at most one part in so many of the time: it reads dead rows, of which a held snapshot keeps any number. */
const sweepShare = 50;
/**
 * A look may have been long for another reason (it waited for a lock, or for the statement before it). What only a sweep
 * finds (a run that became due long ago by a late commit, runs of a dead worker whose reaper died too) waits for at most
 * a lease, which it may have to wait anyhow when its worker dies.
 */
const sweepPauseMsMax = 5_000;

/** Ms from the end of a sweep that took so long to the next one. */
export function sweepPause(tookMs: number): number {
  return Math.min(tookMs * sweepShare, sweepPauseMsMax);
}

/** 2000-01-01, before which nothing is due. */
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

  /** Looks for due runs now. `sweep`: also for runs that became due long ago. */
  poke(sweep = false): void {
    if (sweep) this.#nextSweep = 0;
    this.#poller.nudge();
  }

  /** Claims nothing any more; resolves when what was claimed is loaded. */
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

  /** True when there may be more. */
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
    // What a full sweep left behind comes after what it took: claims go on from there.
    if (sweep && claimed.length === limit) this.#watermark = 0;
    for (const run of claimed) this.#watermark = Math.max(this.#watermark, run.wakeAt);
    if (claimed.length > 0) {
      void this.#loading.track(this.#source.adopt(claimed));
    }
    return claimed.length === limit;
  }
}
