// Finds the event that a point in a run's history names: by an address, by a time, by the end of a turn. Along the line of
// a fork.
import { asActivityId } from '../../core/recovery/activity-address.ts';
import type { EventAddress } from '../../core/recovery/event-address.ts';
import { type EventType, eventCode, type Micros } from '../../core/log/event.ts';
import type { Database } from '../sql/database.ts';
import { timeOf } from '../sql/sql-text.ts';
import { readLine, rowsOf } from './line.ts';

/**
 * The seq of the addressed event (for an activity: its ActivityScheduled); undefined when the run has none. When several
 * activities had the id, one after the other, the last one counts.
 */
export async function findEvent(database: Database, runId: string, address: EventAddress): Promise<number | undefined> {
  const { pool, schema } = database;
  const { type = 'ActivityScheduled', where, value, order = 'asc', skipped = 0 } = conditionOf(address);
  const line = await readLine(database, runId);
  const { rows } = await pool.query<{ seq: number }>(
    `select seq from ${rowsOf(schema, line)} and type = ${eventCode[type]} and ${where} order by seq ${order} offset $2 limit 1`,
    [value, skipped],
  );
  if (rows[0] === undefined && address.by === 'call') return findEvent(database, runId, asActivityId(address));
  return rows[0]?.seq;
}

interface Condition {
  /** Default: ActivityScheduled. */
  readonly type?: EventType;
  /** $1 is `value`. */
  readonly where: string;
  readonly value: string;
  readonly order?: 'desc';
  readonly skipped?: number;
}

function conditionOf(address: EventAddress): Condition {
  switch (address.by) {
    case 'seq':
      return { where: 'seq = $1::int', value: String(address.seq) };
    case 'id':
      return { where: "meta->>'id' = $1", value: address.id, order: 'desc' };
    case 'call':
      return { where: 'name = $1', value: address.type, skipped: address.n - 1 };
    case 'event':
      return { type: address.type, where: '$1::text is not null', value: '', skipped: address.n - 1 };
    default:
      return address satisfies never;
  }
}

/** The seq of the last event at or before `at`; 0 when the run began later. */
export async function findTime(database: Database, runId: string, at: Micros): Promise<number> {
  const { pool, schema } = database;
  const rowsOfLine = rowsOf(schema, await readLine(database, runId));
  // Times rise with the seqs, and the index is on the seq: bisect, instead of a scan of the run.
  const { rows } = await pool.query<{ seq: number }>(
    `with recursive search(low, high) as (
  select 0, coalesce((select max(seq) from ${schema}.events where run_id = $1), 0)
  union all
  select case when e.at <= p.at then middle else low end, case when e.at <= p.at then high else middle - 1 end
  from search cross join lateral (select (low + high + 1) / 2 as middle) m
  cross join (select ${timeOf('$2')} as at) p
  cross join lateral (select at from ${rowsOfLine} and seq = middle limit 1) e
  where low < high)
select low as seq from search where low = high`,
    [runId, at],
  );
  return rows[0]?.seq ?? 0;
}

/** The last event that ends a turn; undefined before the first turn. */
export async function lastTurnEnd(
  database: Database,
  runId: string,
): Promise<{ readonly seq: number; readonly hash: Uint8Array } | undefined> {
  const { pool, schema } = database;
  for (const segment of (await readLine(database, runId)).reverse()) {
    const { rows } = await pool.query<{ seq: number; hash: Buffer }>(
      `select seq, hash from ${schema}.events where run_id = $1 and seq between $2 and $3 and hash is not null order by seq desc limit 1`,
      [segment.runId, segment.first, segment.last],
    );
    if (rows[0] !== undefined) return rows[0];
  }
  return undefined;
}
