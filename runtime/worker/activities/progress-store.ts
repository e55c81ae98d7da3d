// Writes progress of activities to the database. Statements about one activity follow one another, whatever connections they
// take: the next attempt finds what was reported last, and nothing is left of an activity that ended. It never waits for the
// disk.
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

  /** Resolves when all that was given so far is in the database: the next owner of a run must find it. */
  settled(): Promise<void> {
    return this.#statements.drained();
  }

  #next(runId: string, seq: number, statement: () => Promise<void>): void {
    this.#statements
      .run(statement, `${runId}:${seq}`)
      .catch((error: unknown) => this.#logger.warn({ err: error, runId, seq }, 'progress was not stored'));
  }
}
