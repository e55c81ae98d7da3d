// Messages to runs: sent by counting up the run's mail (which orders them and tells its owner), read by the owner,
// deleted in the statement that appends the events they became.
import type pg from 'pg';
import { type EventType, eventCode, eventTypeOf } from '../../core/log/event.ts';
import type { Mail } from '../../core/run/mail.ts';
import type { Database } from '../sql/database.ts';
import type { Queryable } from '../sql/queryable.ts';
import { lockMs, statement } from '../sql/transaction.ts';

export interface Message {
  readonly type: EventType;
  readonly name?: string;
  readonly payload?: Uint8Array;
  readonly sourceId?: string;
  readonly reason?: string;
  readonly correlationId?: string;
  readonly meta?: string;
  /** seq in the receiver's log. */
  readonly answers?: number;
}

export interface Delivery {
  /** Epoch that owned the run when it was sent; null when any worker may claim it now. */
  readonly owner: number | null;
  readonly queue: string;
}

/**
 * Sends a message to an open run in the caller's transaction, which says how long it waits for the run's row; undefined when
 * the run is not open (or does not exist).
 */
export function send(
  client: Queryable,
  schema: string,
  runId: string,
  message: Message,
): Promise<Delivery | undefined> {
  return sendBy((text, values) => client.query(text, values), schema, runId, message);
}

/** The same in a transaction of its own. @throws lock_not_available when somebody holds the run's row */
export function sendAlone({ pool, schema }: Database, runId: string, message: Message): Promise<Delivery | undefined> {
  return sendBy((text, values) => statement(pool, text, values), schema, runId, message, patience);
}

/** Evaluated before the row is locked. */
const patience = ` from (select set_config('lock_timeout', '${lockMs}', true)) as patience(set)`;

async function sendBy(
  query: Queryable['query'],
  schema: string,
  runId: string,
  message: Message,
  limit = '',
): Promise<Delivery | undefined> {
  const text = `with r as (
  update ${schema}.ready set mail = mail + 1, wake_at = case when owner is null then least(wake_at, clock_timestamp()) else wake_at end${limit}
  where run_id = $1 returning mail, owner, queue),
i as (
  insert into ${schema}.inbox (run_id, id, owner, type, name, payload, source_id, reason, correlation_id, meta, answers)
  select $1, mail, owner, $2, $3, $4, $5, $6, $7, $8, $9 from r)
select owner, queue from r`;
  const values = [
    runId,
    eventCode[message.type],
    message.name ?? null,
    message.payload === undefined
      ? null
      : Buffer.from(message.payload.buffer, message.payload.byteOffset, message.payload.byteLength),
    message.sourceId ?? null,
    message.reason ?? null,
    message.correlationId ?? null,
    message.meta ?? null,
    message.answers ?? null,
  ];
  const { rows } = await query(text, values);
  return (rows as Delivery[])[0];
}

interface UnreadMail {
  /** In order. None of a run that has a message of an unknown type: what stands behind it must not come first. */
  readonly mail: readonly Mail[];
  /** Why the mail of a run stays unread: a newer version has sent some of it. By run id. */
  readonly unreadable: ReadonlyMap<string, unknown>;
}

/** Unread mail of the given runs after the given numbers, in order. @throws UNSUPPORTED_ENGINE when some is of an unknown type */
export async function readMail(
  database: Database,
  runs: readonly { runId: string; after: number }[],
  client?: pg.ClientBase,
): Promise<readonly Mail[]> {
  const { mail, unreadable } = await readMailByRun(database, runs, client);
  for (const error of unreadable.values()) throw error;
  return mail;
}

/** The same, with what cannot be read told apart by run. */
export async function readMailByRun(
  database: Database,
  runs: readonly { runId: string; after: number }[],
  client: pg.ClientBase | pg.Pool = database.pool,
): Promise<UnreadMail> {
  const { rows } = await client.query<MailRow>({
    name: `reprise_read_mail_${database.schema}`,
    text: `select i.run_id, i.id, i.type, i.name, i.payload, i.source_id, i.reason, i.correlation_id, i.meta, i.answers
from unnest($1::uuid[], $2::int[]) as r(run_id, after)
join ${database.schema}.inbox i on i.run_id = r.run_id and i.id > r.after order by i.run_id, i.id`,
    values: [runs.map((run) => run.runId), runs.map((run) => run.after)],
  });
  const mail: Mail[] = [];
  const unreadable = new Map<string, unknown>();
  for (const row of rows) {
    try {
      mail.push(message(row));
    } catch (error) {
      unreadable.set(row.run_id, error);
    }
  }
  return { mail: unreadable.size === 0 ? mail : mail.filter(({ runId }) => !unreadable.has(runId)), unreadable };
}

function message(row: MailRow): Mail {
  return {
    runId: row.run_id,
    id: row.id,
    type: eventTypeOf(row.type),
    name: row.name,
    payload: row.payload,
    sourceId: row.source_id,
    reason: row.reason,
    correlationId: row.correlation_id,
    meta: row.meta === null ? null : JSON.stringify(row.meta),
    answers: row.answers,
  };
}

interface MailRow {
  run_id: string;
  id: number;
  type: number;
  name: string | null;
  payload: Buffer | null;
  source_id: string | null;
  reason: string | null;
  correlation_id: string | null;
  meta: unknown;
  answers: number | null;
}
