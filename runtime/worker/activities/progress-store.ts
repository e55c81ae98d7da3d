// Writes progress of activities to the database. Statements about the same activity run in order, even on different
// connections, so the next attempt finds the last reported progress, and an ended activity leaves none behind. The
// writes do not wait for the disk.
import type { Logger } from 'pino';
import { SerialQueue } from '../../flow/serial-queue.ts';
import { deleteHeartbeat, storeHeartbeat } from '../../store/activities/activity-heartbeats.ts';
import type { Database } from '../../store/sql/database.ts';

export class ProgressStore {
  readonly #database: Database;
  readonly #epoch: number;
  readonly #logger: Logger;
  readonly #statements = new SerialQueue<string>();

  constructor(database: Database, epoch: number, logger: Logger) {
    this.#database = database;
    this.#epoch = epoch;
    this.#logger = logger;
  }

  store(runId: string, seq: number, details: Uint8Array): void {
    this.#next(runId, seq, () => storeHeartbeat(this.#database, this.#epoch, runId, seq, details));
  }

  drop(runId: string, seq: number): void {
    this.#next(runId, seq, () => deleteHeartbeat(this.#database, runId, seq));
  }

  /** Resolves when all progress given so far is in the database, where a run's next owner must find it. */
  settled(): Promise<void> {
    return this.#statements.drained();
  }

  #next(runId: string, seq: number, statement: () => Promise<void>): void {
    this.#statements
      .run(statement, `${runId}:${seq}`)
      .catch((error: unknown) => this.#logger.warn({ err: error, runId, seq }, 'progress was not stored'));
  }
}
