// Executes activities of other workers' runs and standalone activities. Claims tasks while slots are free. TaskAttempt
// makes all decisions about a single task.
import { type Looker, Poller } from '../../flow/poller.ts';
import { type ClaimedTask, tasksOfWorker } from '../../store/activities/activity-tasks.ts';
import type { SlotUser } from './activity-slots.ts';
import { type RemoteParts, TaskAttempt } from './task-attempt.ts';
import type { TaskClaims } from './task-claims.ts';

const claimMax = 100;

export class RemoteActivityRunner implements Looker, SlotUser {
  readonly #parts: RemoteParts;
  readonly #claims: TaskClaims;
  readonly #tasks = new Set<TaskAttempt>();
  readonly #poller = new Poller(this);
  /** True if tasks may be waiting for which no slot was free. */
  #hasMore = false;
  #stopped = false;

  constructor(parts: RemoteParts, claims: TaskClaims) {
    this.#parts = parts;
    this.#claims = claims;
    parts.slots.serve(this);
  }

  /** Looks for tasks now. */
  poke(): void {
    this.#poller.nudge();
  }

  /** A slot may be free. */
  onMore(): void {
    if (this.#hasMore) this.poke();
  }

  /**
   * Compares the running attempts with the database, where they may be cancelled, paused, ended, or have other options.
   */
  async check(): Promise<void> {
    if (this.#tasks.size === 0) return;
    const before = [...this.#tasks];
    const { database, life } = this.#parts.worker;
    const known = await tasksOfWorker(database, life.epoch);
    for (const task of before) task.compare(known.get(task.name));
  }

  /** Claims no more tasks. Resolves when all claimed tasks have begun. */
  async stopClaiming(): Promise<void> {
    this.#stopped = true;
    await this.#poller.stop();
  }

  /** Stops everything at once, because this incarnation must not act any longer. */
  stop(): void {
    void this.stopClaiming();
    for (const task of this.#tasks) task.leave('LEASE_LOST');
  }

  async look(): Promise<void> {
    const { slots, worker } = this.#parts;
    for (this.#hasMore = true; this.#hasMore && !this.#stopped; ) {
      const limit = slots.take(claimMax);
      if (limit === 0) return;
      let claimed: readonly ClaimedTask[] = [];
      try {
        claimed = await this.#claims.claim(limit);
      } finally {
        if (claimed.length > 0) worker.failPoint?.('task claimed');
        this.#hasMore = claimed.length === limit;
        slots.giveUnused(limit - claimed.length, this);
      }
      for (const task of claimed) this.#start(task);
    }
  }

  failed(error: unknown): void {
    this.#parts.worker.logger.warn({ err: error }, 'activities could not be claimed, will try again');
  }

  #start(claimed: ClaimedTask): void {
    let task: TaskAttempt;
    try {
      task = new TaskAttempt(claimed, this.#parts);
    } catch (error) {
      this.#parts.slots.give(1);
      return this.#unusable(claimed, error);
    }
    this.#tasks.add(task);
    void task
      .execute()
      .catch((error: unknown) => this.#unusable(claimed, error))
      .finally(() => this.#tasks.delete(task));
  }

  /** The row of one task cannot be worked with: its timeouts end it, and the others go on. */
  #unusable({ runId, seq, type }: ClaimedTask, error: unknown): void {
    const { logger } = this.#parts.worker;
    logger.error(
      { err: error, runId, seq, activityType: type },
      'an activity cannot be executed, its timeouts will end it',
    );
  }
}
