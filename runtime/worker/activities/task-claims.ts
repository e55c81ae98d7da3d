// Claims tasks from all queues where tasks for this worker may wait, in turns. Executes none.
import type { ActivityTypes, ClaimedTask } from '../../store/activities/activity-tasks.ts';
import type { ActivityWorker } from './activity-worker.ts';

export class TaskClaims {
  readonly #worker: ActivityWorker;
  readonly #types: ActivityTypes;
  /**
   * Index of the queue to ask first. It follows the queue that last filled the slots, so a busy queue cannot starve
   * others.
   */
  #first = 0;

  constructor(worker: ActivityWorker, types: ActivityTypes) {
    this.#worker = worker;
    this.#types = types;
  }

  /** Claims up to `limit` tasks. @throws only if the failure came before any task was claimed */
  async claim(limit: number): Promise<readonly ClaimedTask[]> {
    const { sources, control, clock, logger } = this.#worker;
    const claimed: ClaimedTask[] = [];
    const begin = this.#first;
    for (let i = 0; i < sources.length && claimed.length < limit; i++) {
      const at = (begin + i) % sources.length;
      const { queue, versioned, isOpen } = sources[at]!;
      if (!isOpen()) continue;
      const due = { queue, types: this.#types, versioned, now: clock.now(), limit: limit - claimed.length };
      try {
        claimed.push(...(await control.claimTasks(due)));
      } catch (error) {
        if (claimed.length === 0) throw error;
        logger.warn({ err: error }, 'activities could not be claimed, will try again');
        break;
      }
      if (claimed.length >= limit) this.#first = (at + 1) % sources.length;
    }
    return claimed;
  }
}
