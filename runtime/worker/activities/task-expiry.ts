// Ends tasks whose time is over, whichever worker has them, and tells the owners of their runs. What follows from a timeout,
// the owners decide.
import { type Looker, Poller } from '../../flow/poller.ts';
import { expireTasks } from '../../store/activities/activity-outcomes.ts';
import type { ActivityWorker } from './activity-worker.ts';
import type { StandaloneSettler } from './standalone-settler.ts';

const expireMax = 200;

export class TaskExpiry implements Looker {
  readonly #worker: ActivityWorker;
  readonly #settler: StandaloneSettler;
  readonly #poller = new Poller(this);

  constructor(worker: ActivityWorker, settler: StandaloneSettler) {
    this.#worker = worker;
    this.#settler = settler;
  }

  /** The time of a task may be over. */
  nudge(): void {
    this.#poller.nudge();
  }

  stop(): void {
    void this.#poller.stop();
  }

  async look(): Promise<void> {
    const { database, clock } = this.#worker;
    for (let isFull = true; isFull; ) {
      const sent = await expireTasks(database, { now: clock.now(), limit: expireMax });
      this.#settler.deliver(sent);
      isFull = sent.length === expireMax;
    }
  }

  failed(error: unknown): void {
    this.#worker.logger.warn({ err: error }, 'timeouts of activities could not be looked for, will try again');
  }
}
