// The part of a handle that reads a run's log. Needs no worker and no workflow code, and changes nothing.
import type { Json } from '../../runtime/core/json/json.ts';
import {
  contextPatches,
  type PatchFilter,
  type PatchRecord,
  stateAt,
  type StatePoint,
  type StateResult,
} from '../../runtime/replay/state-at.ts';
import type { RunRow } from '../../runtime/store/runs/run-row.ts';
import type { Database } from '../../runtime/store/sql/database.ts';
import type { Connection } from '../common/connection.ts';
import { decodedHistory, type HistoryRecord, temporalHistory, type TemporalHistory } from './history-view.ts';

export abstract class RunHistory {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The run that the handle stands for. @throws WorkflowNotFoundError */
  protected abstract run(): Promise<RunRow>;

  /** The events of the log, decoded. `after` and `upTo` (inclusive) limit their seqs. */
  async history(range: { after?: number; upTo?: number } = {}): Promise<HistoryRecord[]> {
    return this.read((database, runId) => decodedHistory(database, runId, range));
  }

  /** The history in Temporal's format. */
  async fetchHistory(): Promise<TemporalHistory> {
    return this.read(temporalHistory);
  }

  /** The context document at a point, by default now. Folds the context patches and runs no workflow code. */
  async stateAt<T = Json>(point: StatePoint = {}): Promise<StateResult<T>> {
    return this.read((database, runId) => stateAt<T>(database, runId, point));
  }

  /** Context patches in order, with author and reason. With `path`, only patches at, above or below that path. */
  async patches(filter: PatchFilter = {}): Promise<PatchRecord[]> {
    return this.read((database, runId) => contextPatches(database, runId, filter));
  }

  /** Calls `work` with the run, again after a lost connection. */
  protected async read<T>(work: (database: Database, runId: string) => Promise<T>): Promise<T> {
    const { run_id: runId } = await this.run();
    return this.#connection.reach((database) => work(database, runId));
  }
}
