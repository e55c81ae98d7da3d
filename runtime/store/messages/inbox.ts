// Messages to runs. A sender increments the run's mail counter, which orders messages, and notifies the owner. The
// owner reads the messages and deletes them in the statement that appends their events.
import type pg from 'pg';
import { type ContextSource, type EventType, eventCode, eventTypeOf } from '../../core/log/event.ts';
import type { Mail } from '../../core/run/mail.ts';
import type { Database } from '../sql/database.ts';
import type { Queryable } from '../sql/queryable.ts';
import { lockMs, statement } from '../sql/transaction.ts';
import { wakenAt } from '../sql/sql-text.ts';

export interface Message {
  readonly type: EventType;
  readonly name?: string;
  readonly payload?: Uint8Array;
  readonly sourceId?: string;
  readonly reason?: string;
  readonly correlationId?: string;
  readonly meta?: string;
  /** The seq of the event in the receiver's log that this message answers. */
  readonly answers?: number;
  /** ContextPatched: JSON text of a list of InputOp. */
  readonly ops?: string;
  readonly source?: ContextSource;
}

export interface Delivery {
  /** Epoch of the run's owner when the message was sent; null when any worker may claim the run. */
  readonly owner: number | null;
  readonly queue: string;
}

/**
 * Sends a message to an open run in the caller's transaction. The caller also sets how long to wait for the run's row.
 * Undefined when the run is closed or does not exist.
 */
export function send(
  client: Queryable,
  schema: string,
  runId: string,
  message: Message,
): Promise<Delivery | undefined> {
  return sendBy((text, values) => client.query(text, values), schema, runId, message);
}

/** Sends a message in a transaction of its own. @throws lock_not_available when another session holds the run's row */
export function sendAlone({ pool, schema }: Database, runId: string, message: Message): Promise<Delivery | undefined> {
  return sendBy((text, values) => statement(pool, text, values), schema, runId, message, patience);
}

/** Sets the lock timeout. Postgres evaluates this part before it locks the row. */
const patience = ` from (select set_config('lock_timeout', '${lockMs}', true)) as patience(set)`;

async function sendBy(
  query: Queryable['query'],
  schema: string,
  runId: string,
  message: Message,
  limit = '',
): Promise<Delivery | undefined> {
  const text = `with counted as (
  update ${schema}.ready r set mail = mail + 1, wake_at = ${wakenAt}${limit}
  where run_id = $1 returning mail, owner, queue),
i as (
  insert into ${schema}.inbox (run_id, id, owner, type, name, payload, source_id, reason, correlation_id, meta, answers, ops, source)
  select $1, mail, owner, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 from counted)
select owner, queue from counted`;
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
    message.ops ?? null,
    message.source ?? null,
  ];
  const { rows } = await query(text, values);
  return (rows as Delivery[])[0];
}

interface UnreadMail {
  /**
   * Messages in order. Has none of a run with a message of an unknown type, because later messages must not overtake
   * it.
   */
  readonly mail: readonly Mail[];
  /** Errors by run id, for runs to which a newer version has sent a message that this version cannot read. */
  readonly unreadable: ReadonlyMap<string, unknown>;
}

/**
 * Unread mail of the given runs after the given ids, in order.
 * @throws UNSUPPORTED_ENGINE for a message of an unknown type
 */
export async function readMail(
  database: Database,
  runs: readonly { runId: string; after: number }[],
  client?: pg.ClientBase,
): Promise<readonly Mail[]> {
  const { mail, unreadable } = await readMailByRun(database, runs, client);
  for (const error of unreadable.values()) throw error;
  return mail;
}

/** Like `readMail`, but returns errors by run instead of throwing. */
export async function readMailByRun(
  database: Database,
  runs: readonly { runId: string; after: number }[],
  client: pg.ClientBase | pg.Pool = database.pool,
): Promise<UnreadMail> {
  const { rows } = await client.query<MailRow>({
    name: `reprise_read_mail_${database.schema}`,
    text: `select i.run_id, i.id, i.type, i.name, i.payload, i.source_id, i.reason, i.correlation_id, i.meta, i.answers, i.ops::text, i.source
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
    ops: row.ops,
    source: row.source,
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
  ops: string | null;
  source: ContextSource | null;
}
