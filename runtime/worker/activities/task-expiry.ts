// Ends tasks that have timed out, whichever worker executes them, and notifies the owners of their runs. The owners
// decide what follows from a timeout.
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

  /** Looks for tasks that have timed out. */
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
