// Progress of activities on its way to the database. Statements of one activity follow one another, whatever connections
// they take: what was reported last is what the next attempt finds, and nothing is left of an activity that ended.
import type { Logger } from 'pino';
import { deleteHeartbeat, storeHeartbeat } from '../../store/activities/activity-heartbeats.ts';
import type { Database } from '../../store/sql/database.ts';

export class ProgressStore {
  readonly #database: Database;
  readonly #epoch: number;
  readonly #logger: Logger;
  readonly #underWay = new Map<string, Promise<void>>();

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

  /** Resolves when what is under way has arrived: the next owner of a run is to find it. */
  async settled(): Promise<void> {
    if (this.#underWay.size > 0) await Promise.all(this.#underWay.values());
  }

  #next(runId: string, seq: number, statement: () => Promise<void>): void {
    const key = `${runId}:${seq}`;
    const before = this.#underWay.get(key);
    const done = (before === undefined ? statement() : before.then(statement))
      .catch((error: unknown) => this.#logger.warn({ err: error, runId, seq }, 'progress was not stored'))
      .then(() => {
        if (this.#underWay.get(key) === done) this.#underWay.delete(key);
      });
    this.#underWay.set(key, done);
  }
}
