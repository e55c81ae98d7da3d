// Follows a run from outside, by SQL on the run's log. Each look reads only the events that were appended since the
// last look.
import type pg from 'pg';

/** Codes in the column `type` that this program counts. */
const workerLost = 10;
const activityCompleted = 24;
const contextPatched = 50;

/**
 * The activity's name is in the ActivityScheduled event, which the ActivityCompleted event answers. A subquery reads
 * each name, because a join would read the run's whole log at every look, however few events are new.
 */
const isRepaired = `type = ${activityCompleted} and 'repairRecord' =
  (select name from reprise.events where run_id = event.run_id and seq = event.answers)`;

export class RunWatch {
  readonly runId: string;
  /** Highest seq seen. The last event of a commit has it. */
  seq = 0;
  /** Number of records whose repair has completed in the log. */
  completed = 0;
  patches = 0;
  /** Time of the last look, by the database's clock, ms since 1970. */
  at = 0;
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool, runId: string) {
    this.#pool = pool;
    this.runId = runId;
  }

  async look(): Promise<void> {
    // Not a named statement: Postgres would keep the plan that it made while the log was short.
    const { rows } = await this.#pool.query<{ at: number; seq: number | null; completed: number; patches: number }>(
      `select extract(epoch from clock_timestamp())::float8 * 1000 as at, max(seq) as seq,
  count(*) filter (where ${isRepaired})::int as completed,
  count(*) filter (where type = ${contextPatched})::int as patches
from reprise.events event where run_id = $1 and seq > $2`,
      [this.runId, this.seq],
    );
    const row = rows[0];
    if (row === undefined) return;
    this.at = row.at;
    this.seq = row.seq ?? this.seq;
    this.completed += row.completed;
    this.patches += row.patches;
  }

  /** Identity of the worker that owns the run. */
  async owner(): Promise<string | undefined> {
    const { rows } = await this.#pool.query<{ identity: string }>(
      'select identity from reprise.ready join reprise.workers on epoch = owner where run_id = $1',
      [this.runId],
    );
    return rows[0]?.identity;
  }

  /** When the worker that took over completed its first record. By the database's clock, ms since 1970. */
  async firstAfterTakeover(): Promise<number | undefined> {
    const { rows } = await this.#pool.query<{ at: number }>(
      `select extract(epoch from at)::float8 * 1000 as at from reprise.events event
where run_id = $1 and seq > (select max(seq) from reprise.events where run_id = $1 and type = ${workerLost})
  and ${isRepaired} order by seq limit 1`,
      [this.runId],
    );
    return rows[0]?.at;
  }
}

/** Number of workers that poll the task queue. */
export async function countWorkers(pool: pg.Pool, taskQueue: string): Promise<number> {
  const { rows } = await pool.query<{ workers: number }>(
    'select count(*)::int as workers from reprise.leases where queue = $1',
    [`default/${taskQueue}`],
  );
  return rows[0]?.workers ?? 0;
}
