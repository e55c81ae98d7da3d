// The claimers of all queues where runs wait for this worker.
import type { Micros } from '../../core/log/event.ts';
import type { ClaimedRun } from '../../store/ownership/claim.ts';
import type { RunCache } from '../cache/run-cache.ts';
import type { RunWorker } from '../life/run-worker.ts';
import type { RunLoop } from '../turns/run-loop.ts';
import { type ClaimSource, replaySources } from './claim-sources.ts';
import { Claimer, type RunSource } from './claimer.ts';

/** Lets a claimer claim the due runs of one queue. */
class ClaimedQueue implements RunSource {
  readonly source: ClaimSource;
  readonly claimer = new Claimer(this);
  readonly #worker: RunWorker;
  readonly #cache: RunCache;
  readonly #loop: RunLoop;

  constructor(source: ClaimSource, worker: RunWorker, cache: RunCache, loop: RunLoop) {
    this.source = source;
    this.#worker = worker;
    this.#cache = cache;
    this.#loop = loop;
  }

  room(): number {
    return this.#cache.room;
  }

  now(): Micros {
    return this.#worker.clock.now();
  }

  claim(due: { now: Micros; from: Micros; limit: number }): Promise<ClaimedRun[]> {
    const { queue, route } = this.source;
    return this.#worker.control.claim({ queue, route, ...due });
  }

  async adopt(claimed: readonly ClaimedRun[]): Promise<void> {
    const { life, failPoint } = this.#worker;
    if (life.isOver) return;
    failPoint?.('claimed');
    await this.#loop.adopt(claimed, this.source.queue);
    failPoint?.('loaded');
    this.#cache.evict().catch((error: unknown) => life.warn('idle runs could not be evicted', error));
  }

  failed(error: unknown): void {
    this.#worker.life.warn('runs could not be claimed', error);
  }
}

/** Replay forks are rare, and a notice announces each, so their queues are polled less often. */
const replaysEveryMs = 1_000;

export class Claims {
  readonly #queues: readonly ClaimedQueue[];
  readonly #replays: readonly ClaimedQueue[];
  #nextReplays = 0;

  constructor(worker: RunWorker, cache: RunCache, loop: RunLoop) {
    const claimed = (source: ClaimSource): ClaimedQueue => new ClaimedQueue(source, worker, cache, loop);
    this.#queues = worker.sources.map(claimed);
    this.#replays = worker.takesRuns ? replaySources(worker.sources).map(claimed) : [];
  }

  /** Looks for due runs now. `sweep`: includes runs that became due long ago. */
  poke(sweep = false): void {
    for (const { source, claimer } of this.#queues) if (source.isOpen()) claimer.poke(sweep);
    if (performance.now() < this.#nextReplays) return;
    this.#nextReplays = performance.now() + replaysEveryMs;
    for (const { source, claimer } of this.#replays) if (source.isOpen()) claimer.poke();
  }

  /** Looks for due runs in those of the given queues that this worker claims from. */
  woken(queues: readonly string[]): void {
    for (const { source, claimer } of [...this.#queues, ...this.#replays]) {
      if (queues.includes(source.queue) && source.isOpen()) claimer.poke();
    }
  }

  /** The queues that this worker may claim from now. */
  get open(): string[] {
    return this.#queues.filter(({ source }) => source.isOpen()).map(({ source }) => source.queue);
  }

  /** Claims no more runs. Resolves when all claimed runs are loaded. */
  async stop(): Promise<void> {
    await Promise.all([...this.#queues, ...this.#replays].map(({ claimer }) => claimer.stop()));
  }
}
