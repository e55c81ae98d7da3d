// Follows a run from outside, by SQL on its log: each look reads only what was appended since the last one.
import type pg from 'pg';

/** Codes in the column `type`, as far as this program counts them. */
const workerLost = 10;
const activityCompleted = 24;
const contextPatched = 50;

/** Looked up one by one: a join would read the whole run's log each time, however little is new. */
const scheduledName =
  '(select name from reprise.events scheduled where scheduled.run_id = event.run_id and scheduled.seq = event.answers)';

export class RunWatch {
  readonly runId: string;
  /** Highest seq seen: the end of a commit. */
  seq = 0;
  /** Records whose repair is in the log. */
  completed = 0;
  patches = 0;
  /** Database clock, ms since 1970, when the last look was taken. */
  at = 0;
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool, runId: string) {
    this.#pool = pool;
    this.runId = runId;
  }

  async look(): Promise<void> {
    const { rows } = await this.#pool.query<{ at: number; seq: number | null; completed: number; patches: number }>({
      name: 'warehouse_look',
      text: `select extract(epoch from clock_timestamp())::float8 * 1000 as at, max(event.seq) as seq,
  count(*) filter (where event.type = ${activityCompleted} and ${scheduledName} = 'repairRecord')::int as completed,
  count(*) filter (where event.type = ${contextPatched})::int as patches
from reprise.events event
where event.run_id = $1 and event.seq > $2`,
      values: [this.runId, this.seq],
    });
    const row = rows[0];
    if (row === undefined) return;
    this.at = row.at;
    this.seq = row.seq ?? this.seq;
    this.completed += row.completed;
    this.patches += row.patches;
  }

  /** Identity of the worker that has the run in hand. */
  async owner(): Promise<string | undefined> {
    const { rows } = await this.#pool.query<{ identity: string }>(
      'select identity from reprise.ready join reprise.workers on epoch = owner where run_id = $1',
      [this.runId],
    );
    return rows[0]?.identity;
  }

  /** When whoever took over completed its first record, database clock, ms since 1970. */
  async firstAfterTakeover(): Promise<number | undefined> {
    const { rows } = await this.#pool.query<{ at: number | null }>(
      `select extract(epoch from min(event.at))::float8 * 1000 as at
from reprise.events event
where event.run_id = $1 and event.type = ${activityCompleted} and ${scheduledName} = 'repairRecord'
  and event.seq > (select max(seq) from reprise.events where run_id = $1 and type = ${workerLost})`,
      [this.runId],
    );
    return rows[0]?.at ?? undefined;
  }
}

/** How many workers poll the task queue. */
export async function countWorkers(pool: pg.Pool, taskQueue: string): Promise<number> {
  const { rows } = await pool.query<{ workers: number }>(
    'select count(*)::int as workers from reprise.leases where queue = $1',
    [`default/${taskQueue}`],
  );
  return rows[0]?.workers ?? 0;
}
