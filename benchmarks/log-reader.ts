// Reads a run's log by SQL.
import type pg from 'pg';
import { pause } from './bench.ts';

/** Codes in the column `type` that the benchmarks count. */
export const workerLost = 10;
export const activityScheduled = 20;
export const activityCompleted = 24;
export const timerStarted = 30;
export const contextPatched = 50;
export const childInitiated = 70;

export interface LogEvent {
  readonly seq: number;
  readonly type: number;
  /** By the database's clock, ms since 1970. */
  readonly at: number;
}

export async function head(pool: pg.Pool, runId: string): Promise<number> {
  const { rows } = await pool.query<{ seq: number }>(
    'select seq from reprise.events where run_id = $1 order by seq desc limit 1',
    [runId],
  );
  return rows[0]?.seq ?? 0;
}

/** Waits until the run's head is at least `seq`. Resolves with the head. */
export async function headReaches(pool: pg.Pool, runId: string, seq: number): Promise<number> {
  for (;;) {
    const reached = await head(pool, runId);
    if (reached >= seq) return reached;
    await pause(10);
  }
}

/** The events of one type, in order. */
export async function eventsOfType(pool: pg.Pool, runId: string, type: number): Promise<LogEvent[]> {
  const { rows } = await pool.query<LogEvent>(
    `select seq, type, extract(epoch from at)::float8 * 1000 as at from reprise.events
     where run_id = $1 and type = $2 order by seq`,
    [runId, type],
  );
  return rows;
}

/** Events from `from` to `to`, both inclusive. */
export async function events(pool: pg.Pool, runId: string, from: number, to: number): Promise<LogEvent[]> {
  const { rows } = await pool.query<LogEvent>(
    `select seq, type, extract(epoch from at)::float8 * 1000 as at from reprise.events
     where run_id = $1 and seq between $2 and $3 order by seq`,
    [runId, from, to],
  );
  return rows;
}

/** Waits for the first event of a type after the seq `after`. Resolves with the event. */
export async function firstOf(pool: pg.Pool, runId: string, after: number, type: number): Promise<LogEvent> {
  for (;;) {
    const found = (await events(pool, runId, after + 1, after + 1000)).find((event) => event.type === type);
    if (found !== undefined) return found;
    await pause(5);
  }
}
