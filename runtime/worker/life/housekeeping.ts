// What a worker does for everybody now and then: frees runs of the dead, ends runs whose time is over, tells
// others of closed runs when their closers could not, drops old requests.
import type { Logger } from 'pino';
import { type Looker, Poller } from '../../flow/poller.ts';
import { endOverdue } from '../../store/runs/close-run.ts';
import type { Database } from '../../store/sql/database.ts';
import { sweepDead } from '../../store/ownership/lease.ts';
import { sweepOutbox } from '../../store/messages/outbox.ts';
import { expireRequests } from '../../store/messages/requests.ts';
import { sweepPause } from '../claim/sweep-pause.ts';

export class Housekeeping implements Looker {
  readonly everyMs = 1_000;
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #evict: () => Promise<void>;
  readonly #poller = new Poller(this);
  #nextSweep = 0;

  /** `evict` lets go of runs that this worker keeps in memory for nothing. */
  constructor(database: Database, logger: Logger, evict: () => Promise<void>) {
    this.#database = database;
    this.#logger = logger;
    this.#evict = evict;
  }

  start(): void {
    this.#poller.start();
  }

  stop(): void {
    void this.#poller.stop();
  }

  async look(): Promise<void> {
    await this.#evict();
    const begun = performance.now();
    if (begun >= this.#nextSweep) {
      await sweepDead(this.#database);
      const ended = performance.now();
      this.#nextSweep = ended + sweepPause(ended - begun);
    }
    const chores = [endOverdue, sweepOutbox, expireRequests].map((chore) => chore(this.#database));
    for (const done of await Promise.allSettled(chores)) if (done.status === 'rejected') throw done.reason;
  }

  failed(error: unknown): void {
    this.#logger.warn({ err: error }, 'housekeeping failed, will try again');
  }
}
