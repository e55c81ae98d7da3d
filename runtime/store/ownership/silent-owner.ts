// Notices that the owner of a run is dead when there may be no worker to notice it: for callers that wait for an owner.
import type { Database } from '../sql/database.ts';
import { declareDead } from './lease.ts';

/** Wait after a lease has expired before declaring the owner dead, because a stalled database also stops heartbeats. */
const silenceMs = 5_000;

/** `free`: nobody owns the run. `closed`: the run is not open. */
export type Ownership = 'owned' | 'free' | 'closed';

export class SilentOwner {
  readonly #database: Database;
  readonly #runId: string;
  #silentSince: { readonly epoch: number; readonly beat: string; readonly at: number } | undefined;

  constructor(database: Database, runId: string) {
    this.#database = database;
    this.#runId = runId;
  }

  /** Call repeatedly. Declares the owner dead when its lease has been expired for `silenceMs` without a heartbeat. */
  async look(): Promise<Ownership> {
    const { pool, schema } = this.#database;
    const { rows } = await pool.query<{ epoch: number | null; beat: string | null; over: boolean }>(
      `select r.owner as epoch, l.beat_at::text as beat, coalesce(l.expires_at < clock_timestamp(), true) as over
from ${schema}.ready r left join ${schema}.leases l on l.epoch = r.owner where r.run_id = $1`,
      [this.#runId],
    );
    const [row] = rows;
    if (row === undefined) return 'closed';
    const { epoch, over } = row;
    if (epoch === null) return 'free';
    const beat = row.beat ?? '';
    const since = this.#silentSince;
    if (!over) this.#silentSince = undefined;
    else if (since?.epoch !== epoch || since.beat !== beat) {
      this.#silentSince = { epoch, beat, at: performance.now() };
    } else if (performance.now() - since.at > silenceMs) {
      await declareDead(this.#database, epoch, 'lease expired');
      return 'free';
    }
    return 'owned';
  }
}
