// What concerns all runs of a database at once: system checkpoints and retention.
import { checkpointName } from '../../runtime/core/recovery/checkpoint-strategy.ts';
import type { PruneOptions } from '../../runtime/core/recovery/retention.ts';
import { prune, type PruneReport } from '../../runtime/recovery/prune.ts';
import {
  createSystemCheckpoint,
  listSystemCheckpoints,
  type SystemCheckpoint,
  type SystemCheckpointReport,
  validateSystemCheckpoint,
} from '../../runtime/store/checkpoints/system-checkpoints.ts';
import type { Connection } from '../common/connection.ts';

export class SystemClient {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Records the last event of every open run, of all namespaces, at one moment. Copies no state: one row.
   * @throws CHECKPOINT_EXISTS, INVALID_INPUT
   */
  async createCheckpoint(name: string): Promise<SystemCheckpoint> {
    checkpointName(name);
    return this.#connection.reach((database) => createSystemCheckpoint(database, name));
  }

  /** Newest first. */
  async checkpoints(): Promise<SystemCheckpoint[]> {
    return this.#connection.reach(listSystemCheckpoints);
  }

  /** Checks that the log still has what the checkpoint names. `name`: its name or id. @throws CHECKPOINT_NOT_FOUND */
  async validateCheckpoint(name: string): Promise<SystemCheckpointReport> {
    return this.#connection.reach((database) => validateSystemCheckpoint(database, name));
  }

  /**
   * Removes what retention no longer keeps, of all namespaces: old checkpoints, and closed runs as a whole. Held runs, and
   * runs that a kept run was forked from, stay.
   * @throws PRUNE_NOT_ALLOWED when the login may not delete from the log; INVALID_INPUT
   */
  async prune(options: PruneOptions = {}): Promise<PruneReport> {
    return this.#connection.reach((database) => prune(database, options));
  }
}
