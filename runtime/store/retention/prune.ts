// The statements of retention. A closed run leaves as a whole: its row first, so that whoever forks or holds it at the
// same moment waits or is seen; then its events; a row in pruned_runs stays. A run from which a kept run was forked stays.
import type pg from 'pg';
import { eventRowBytes } from '../../core/recovery/checkpoint-tail.ts';
import { failedStatuses, type RetentionRules } from '../../core/recovery/retention.ts';
import { readEventsAfter, pageEvents, type StoredEvent } from '../log/history.ts';
import type { RunRow } from '../runs/run-row.ts';
import type { Database } from '../sql/database.ts';
import { transaction } from '../sql/transaction.ts';

const failed = failedStatuses.map((status) => `'${status}'`).join(', ');

/** Approximate size of the event `e` in the log, as it is stored. */
const storedBytes =
  `(${eventRowBytes} + coalesce(pg_column_size(e.payload), 0) + coalesce(pg_column_size(e.ops), 0) ` +
  '+ coalesce(pg_column_size(e.meta), 0))';

/** Whether the run `alias` is old enough. $1 and $2: days after a completed and after a failed run. */
function isDue(schema: string, alias: string): string {
  return (
    `(${alias}.closed_at < clock_timestamp() - (case when ${alias}.status in (${failed}) then $2::float8 else $1::float8 end) * interval '1 day' ` +
    `and not exists (select from ${schema}.run_holds h where h.run_id = ${alias}.run_id) ` +
    `and not exists (select from ${schema}.outbox o where o.run_id = ${alias}.run_id))`
  );
}

function days({ completedDays, failedDays }: RetentionRules): [number, number] {
  return [completedDays, failedDays];
}

/** The runs that are due, and those that are kept although they are old. Forks come before their origins. */
function dueRuns(schema: string): string {
  return `with recursive kept(run_id) as (
  select f.forked_from from ${schema}.runs f where f.forked_from is not null and (f.closed_at is null or not ${isDue(schema, 'f')})
  union
  select o.forked_from from kept k join ${schema}.runs o on o.run_id = k.run_id where o.forked_from is not null),
due as (
  select r.run_id from ${schema}.runs r where r.closed_at is not null and ${isDue(schema, 'r')}
    and not exists (select from kept k where k.run_id = r.run_id))`;
}

export interface DueCount {
  readonly runs: number;
  readonly events: number;
  readonly bytes: number;
}

export async function countDueRuns({ pool, schema }: Database, rules: RetentionRules): Promise<DueCount> {
  const { rows } = await pool.query<{ runs: number; events: string; bytes: string }>(
    `${dueRuns(schema)}
select count(*)::int as runs, coalesce(sum(e.events), 0) as events, coalesce(sum(e.bytes), 0) as bytes from due
cross join lateral (select count(*) as events, sum(${storedBytes}) as bytes from ${schema}.events e where e.run_id = due.run_id) e`,
    days(rules),
  );
  const row = rows[0]!;
  return { runs: row.runs, events: Number(row.events), bytes: Number(row.bytes) };
}

/** At most `limit` ids of due runs; forks before their origins. `passedOver`: runs that could not be pruned. */
export async function listDueRuns(
  { pool, schema }: Database,
  rules: RetentionRules,
  { limit, passedOver }: { readonly limit: number; readonly passedOver: readonly string[] },
): Promise<string[]> {
  const { rows } = await pool.query<{ run_id: string }>(
    `${dueRuns(schema)} select run_id from due where run_id <> all($3::uuid[]) order by run_id desc limit $4`,
    [...days(rules), passedOver, limit],
  );
  return rows.map((row) => row.run_id);
}

/** Keeps the log of a run that leaves the database. */
export interface Archive {
  /** Returns the name of what it wrote. The run leaves only afterwards. */
  write(run: RunRow, pages: AsyncIterable<readonly StoredEvent[]>): Promise<string>;
}

/** Removes one run. Undefined when it may not leave after all: someone has just forked or held it. */
export async function pruneRun(
  { pool, schema }: Database,
  runId: string,
  rules: RetentionRules,
  archive: Archive | undefined,
): Promise<DueCount | undefined> {
  return transaction(
    pool,
    { lockTimeoutMs: 10_000, idleTimeoutMs: 600_000 },
    async (client) => {
      await client.query('set local synchronous_commit = off');
      const deleted = await client.query<RunRow>(
        `delete from ${schema}.runs r where r.run_id = $3 and ${isDue(schema, 'r')} returning r.*`,
        [...days(rules), runId],
      );
      const run = deleted.rows[0];
      if (run === undefined || (await isNeeded(client, schema, runId))) return undefined;
      const name = await archive?.write(run, pagesOf(client, schema, runId));
      return removeLog(client, schema, run, name);
    },
    (result) => result !== undefined,
  );
}

/** A new statement, whose snapshot sees what committed while the deletion of the run's row waited. */
async function isNeeded(client: pg.ClientBase, schema: string, runId: string): Promise<boolean> {
  const { rows } = await client.query<{ is_needed: boolean }>(
    `select exists (select from ${schema}.runs where forked_from = $1)
  or exists (select from ${schema}.run_holds where run_id = $1) as is_needed`,
    [runId],
  );
  return rows[0]!.is_needed;
}

async function* pagesOf(client: pg.ClientBase, schema: string, runId: string): AsyncGenerator<StoredEvent[]> {
  for (let after = 0; ; after += pageEvents) {
    const page = await readEventsAfter(client, schema, runId, after, after + pageEvents);
    if (page.length > 0) yield page;
    if (page.length < pageEvents) return;
  }
}

async function removeLog(
  client: pg.ClientBase,
  schema: string,
  run: RunRow,
  archive: string | undefined,
): Promise<DueCount> {
  const { rows } = await client.query<{ events: number; bytes: string }>(
    `with gone as (delete from ${schema}.events e where run_id = $1 returning ${storedBytes} as bytes)
select count(*)::int as events, coalesce(sum(bytes), 0) as bytes from gone`,
    [run.run_id],
  );
  const { events, bytes } = rows[0]!;
  for (const table of ['checkpoints', 'activity_heartbeats', 'inbox']) {
    await client.query(`delete from ${schema}.${table} where run_id = $1`, [run.run_id]);
  }
  await client.query(
    `insert into ${schema}.pruned_runs (run_id, namespace, workflow_id, workflow_type, status, started_at, closed_at,
  final_seq, final_hash, bytes, archive) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      ...[run.run_id, run.namespace, run.workflow_id, run.workflow_type, run.status, run.started_at, run.closed_at],
      ...[run.final_seq, run.final_hash, bytes, archive ?? null],
    ],
  );
  return { runs: 1, events, bytes: Number(bytes) };
}

/** Deletes checkpoints beyond the rules, or only counts them. */
export async function pruneCheckpoints(
  { pool, schema }: Database,
  { keepCompleted, keepFailed, maxAgeDays }: RetentionRules,
  isDryRun: boolean,
): Promise<{ rows: number; bytes: number }> {
  const due = `with ranked as (
  select c.run_id, c.seq, c.pinned, c.at, octet_length(c.state) as bytes, r.closed_at is not null as is_closed,
    case when r.status in (${failed}) then $2::int else $1::int end as keep,
    row_number() over (partition by c.run_id order by c.seq desc) as place
  from ${schema}.checkpoints c left join ${schema}.runs r on r.run_id = c.run_id
  where not exists (select from ${schema}.run_holds h where h.run_id = c.run_id)),
due as materialized (
  select run_id, seq, bytes from ranked where not pinned and (
    (is_closed and place > keep) or (place > 1 and at < clock_timestamp() - $3::float8 * interval '1 day')))`;
  const deletion = `gone as (delete from ${schema}.checkpoints c using due where c.run_id = due.run_id and c.seq = due.seq returning due.bytes)`;
  const { rows } = await pool.query<{ rows: number; bytes: string }>(
    `${due}${isDryRun ? '' : `, ${deletion}`} select count(*)::int as rows, coalesce(sum(bytes), 0) as bytes from ${isDryRun ? 'due' : 'gone'}`,
    [keepCompleted, keepFailed, maxAgeDays],
  );
  return { rows: rows[0]!.rows, bytes: Number(rows[0]!.bytes) };
}

/** Deletes all system checkpoints but the newest ones, or only counts them. */
export async function pruneSystemCheckpoints(
  { pool, schema }: Database,
  { keepSystem }: RetentionRules,
  isDryRun: boolean,
): Promise<number> {
  const due = `select id from ${schema}.system_checkpoints order by at desc, id offset $1`;
  const { rows } = await pool.query<{ rows: number }>(
    isDryRun
      ? `select count(*)::int as rows from (${due}) due`
      : `with gone as (delete from ${schema}.system_checkpoints where id in (${due}) returning 1) select count(*)::int as rows from gone`,
    [keepSystem],
  );
  return rows[0]!.rows;
}

/** Whether the login may delete from the log, and its name. */
export async function pruneRight({ pool, schema }: Database): Promise<{ login: string; isAllowed: boolean }> {
  const { rows } = await pool.query<{ login: string; is_allowed: boolean }>(
    `select current_user::text as login, has_table_privilege('${schema}.events', 'delete')
  and has_table_privilege('${schema}.runs', 'delete') as is_allowed`,
  );
  return { login: rows[0]!.login, isAllowed: rows[0]!.is_allowed };
}
