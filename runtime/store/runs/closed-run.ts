// Updates the rows of a run that closes. Its last event is appended elsewhere.
import type pg from 'pg';
import type { HistoryEvent } from '../../core/log/event.ts';
import type { RunStatus } from '../../core/log/transition.ts';
import { timeOf } from '../sql/sql-text.ts';

/** Assignments for the run's row, with values from a row `c`. */
export const closedColumns = 'status = c.status, closed_at = c.at, final_seq = c.seq, final_hash = c.hash';

export async function writeClosed(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  status: RunStatus,
  { at, seq, hash }: Pick<HistoryEvent, 'at' | 'seq' | 'hash'>,
): Promise<void> {
  await client.query(
    `update ${schema}.runs r set ${closedColumns}, worker = (
  select coalesce(o.owner, o.lost, o.worker) from ${schema}.ready o where o.run_id = r.run_id) from (select $2::text as status,
  ${timeOf('$3')} as at, $4::int as seq, $5::bytea as hash) c where r.run_id = $1`,
    [runId, status, at, seq, hash],
  );
}

/** Deletes the rows that only an open run has, and mail that no successor has taken. */
export async function deleteOpenRows(client: pg.ClientBase, schema: string, runId: string): Promise<void> {
  const mine = 'where run_id = $1';
  await client.query(
    `with mail as (delete from ${schema}.inbox ${mine}), tasks as (delete from ${schema}.activity_tasks ${mine}),
beats as (delete from ${schema}.activity_heartbeats ${mine}),
quarantined as (delete from ${schema}.quarantine ${mine}) delete from ${schema}.ready ${mine}`,
    [runId],
  );
}
