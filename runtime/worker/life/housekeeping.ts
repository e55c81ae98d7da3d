// The periodic work of a worker. For itself, it evicts runs and checks which version is current. For all workers, it
// frees runs of dead workers, ends overdue runs, deletes old requests, and delivers the outbox of closed runs that
// nobody delivered.
import { type Looker, Poller } from '../../flow/poller.ts';
import { endOverdue } from '../../store/runs/close-run.ts';
import { sweepDead } from '../../store/ownership/lease.ts';
import { sweepOutbox } from '../../store/messages/outbox.ts';
import { expireRequests } from '../../store/messages/requests.ts';
import { sweepPause } from '../claim/claimer.ts';
import type { LookAround } from './look-around.ts';
import type { RunWorker } from './run-worker.ts';
import type { RunStages } from '../turns/run-stages.ts';

export class Housekeeping implements Looker {
  readonly everyMs = 1_000;
  readonly #worker: RunWorker;
  readonly #stages: RunStages;
  readonly #lookAround: LookAround;
  readonly #poller = new Poller(this);
  #nextSweep = 0;

  constructor(worker: RunWorker, stages: RunStages, lookAround: LookAround) {
    this.#worker = worker;
    this.#stages = stages;
    this.#lookAround = lookAround;
  }

  start(): void {
    this.#poller.start();
  }

  stop(): void {
    void this.#poller.stop();
  }

  async look(): Promise<void> {
    const { database } = this.#worker;
    const { cache, activities, versionWatch } = this.#stages;
    await cache.evict();
    await activities.sweep();
    await this.#lookAround.refreshRouting();
    await versionWatch?.sweep();
    // A chore that fails must not keep the others from being done.
    const chores = [this.#sweepDead(), ...[endOverdue, sweepOutbox, expireRequests].map((chore) => chore(database))];
    for (const done of await Promise.allSettled(chores)) if (done.status === 'rejected') throw done.reason;
  }

  async #sweepDead(): Promise<void> {
    const begun = performance.now();
    if (begun < this.#nextSweep) return;
    try {
      await sweepDead(this.#worker.database);
    } finally {
      const ended = performance.now();
      this.#nextSweep = ended + sweepPause(ended - begun);
    }
  }

  failed(error: unknown): void {
    this.#worker.life.warn('housekeeping failed', error);
  }
}
