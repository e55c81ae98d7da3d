// Starts of one process share commits: what is asked for while a statement is under way goes out with the next.
import type { Database } from './database.ts';
import { isCleanRefusal } from './sqlstate.ts';
import { type NewRun, startRuns } from './start-run.ts';

interface Waiting {
  readonly run: NewRun;
  resolve(started: boolean): void;
  reject(error: unknown): void;
}

const statementsMax = 2;
const runsMax = 500;

export class StartBatcher {
  readonly #database: Database;
  #waiting: Waiting[] = [];
  #underWay = 0;
  #scheduled = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Starts a run; false when its workflow id belongs to an open run. */
  start(run: NewRun): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ run, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#pump();
      });
    });
  }

  #pump(): void {
    while (this.#waiting.length > 0 && this.#underWay < statementsMax)
      void this.#flush(this.#waiting.splice(0, runsMax));
  }

  async #flush(batch: readonly Waiting[]): Promise<void> {
    const { pool, schema, localQueues, local, notifier } = this.#database;
    this.#underWay++;
    try {
      const started = await startRuns(
        pool,
        schema,
        batch.map((waiting) => waiting.run),
      );
      const queues = new Set<string>();
      for (const { run, resolve } of batch) {
        if (started.has(run.runId)) queues.add(run.queue);
        resolve(started.has(run.runId));
      }
      for (const queue of queues) {
        if (localQueues.has(queue)) local.emit('wake', queue);
        else notifier.wake(queue);
      }
    } catch (error) {
      await this.#separately(batch, error);
    } finally {
      this.#underWay--;
      this.#pump();
    }
  }

  /**
   * One start that the database refuses must not fail the others that happened to share its statement. After a lost
   * session nobody knows what was committed: a second try would take the caller's own run for somebody else's.
   */
  async #separately(batch: readonly Waiting[], error: unknown): Promise<void> {
    if (batch.length === 1 || !isCleanRefusal(error)) {
      for (const waiting of batch) waiting.reject(error);
      return;
    }
    for (const waiting of batch) await this.#flush([waiting]);
  }
}
