// The session on which an incarnation claims runs and activities, and releases runs, one statement after the other.
// Decides nothing about runs or activities.
import type pg from 'pg';
import type { Micros } from '../../core/log/event.ts';
import { SerialQueue } from '../../flow/serial-queue.ts';
import { type ClaimedTask, claimTasks } from '../../store/activities/activity-tasks.ts';
import { claim, type ClaimedRun, park, type ParkedRun } from '../../store/ownership/claim.ts';
import type { Fence } from '../../store/ownership/fence.ts';
import { assignQueues } from '../../store/ownership/queue-changes.ts';
import type { Database } from '../../store/sql/database.ts';
import type { FailPointListener } from './fail-point.ts';

/** The range of due times of the runs to claim, and the maximum number of runs. */
type DueRuns = Parameters<typeof claim>[3];
type DueTasks = Parameters<typeof claimTasks>[3];

export class ControlSession {
  readonly fence: Fence;
  readonly #client: pg.ClientBase;
  readonly #database: Database;
  readonly #failPoint: FailPointListener | undefined;
  readonly #queue = new SerialQueue();

  constructor(client: pg.ClientBase, database: Database, epoch: number, failPoint?: FailPointListener) {
    this.fence = { epoch, slot: 0 };
    this.#client = client;
    this.#database = database;
    this.#failPoint = failPoint;
  }

  claim(due: DueRuns): Promise<ClaimedRun[]> {
    return this.#queue.run(() => claim(this.#client, this.#database.schema, this.fence, due));
  }

  claimTasks(due: DueTasks): Promise<ClaimedTask[]> {
    return this.#queue.run(() => claimTasks(this.#client, this.#database.schema, this.fence, due));
  }

  /** Writes the queues where runs wait if this worker dies. Returns the ids of runs whose rows were not locked. */
  assignQueues(runs: Parameters<typeof assignQueues>[3]): Promise<string[]> {
    return this.#queue.run(() => assignQueues(this.#client, this.#database.schema, this.fence, runs));
  }

  /** Releases runs. Calls `now` when the statement is about to be sent. Returns the ids of the released runs. */
  park(runs: readonly ParkedRun[], now: () => Micros): Promise<string[]> {
    return this.#queue.run(async () => {
      this.#failPoint?.('before park');
      // A run that waited long for this statement must not become due in the past, where claims look only occasionally.
      const at = now();
      const due = runs.map((run) => (run.wakeAt < at ? { ...run, wakeAt: at } : run));
      const parked = await park(this.#client, this.#database.schema, this.fence, due);
      for (const { queue, wakeAt } of due) {
        if (queue !== undefined && wakeAt <= at) this.#database.notifier.wake(queue);
      }
      this.#failPoint?.('after park');
      return parked;
    });
  }
}
