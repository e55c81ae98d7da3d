// Notifies the workers of a task queue when tasks are due. Neither offers nor claims tasks.
import { placedQueue } from '../../core/run/deployment.ts';
import type { Micros } from '../../core/log/event.ts';
import type { ActivityWorker } from './activity-worker.ts';

/** No notice is sent for a task that is due later than this: workers find such a task by polling. */
const noticeMsMax = 60_000;

export class TaskNotices {
  readonly #worker: ActivityWorker;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(worker: ActivityWorker) {
    this.#worker = worker;
  }

  /** A task for a version may also wait in the shared queue, so this notifies the workers of both queues. */
  tell({ queue, dueAt }: { readonly queue: string; readonly dueAt: Micros }): void {
    if (queue.startsWith('@')) this.#tell(placedQueue(queue).key, dueAt);
    this.#tell(queue, dueAt);
  }

  /** Sends each queue one notice, for the task that is due first. */
  tellAll(tasks: readonly { readonly queue: string; readonly dueAt: Micros }[]): void {
    const first = new Map<string, Micros>();
    for (const { queue, dueAt } of tasks) first.set(queue, Math.min(dueAt, first.get(queue) ?? dueAt));
    for (const [queue, dueAt] of first) this.tell({ queue, dueAt });
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #tell(queue: string, dueAt: Micros): void {
    const { clock, database } = this.#worker;
    const delay = clock.delayMs(dueAt);
    if (delay === 0) database.notifier.task(queue);
    if (delay === 0 || delay > noticeMsMax) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      database.notifier.task(queue);
    }, delay);
    this.#timers.add(timer);
  }
}
