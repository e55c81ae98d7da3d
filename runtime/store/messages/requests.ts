// Queries on their way to a worker and back. A crash loses requests and answers, and then the caller asks again.
import type { Database } from '../sql/database.ts';

export interface QueryRequest {
  readonly id: string;
  readonly runId: string;
  /** The queue where a request for a closed run waits. For an open run, the run's own queue is used. */
  readonly queue: string;
  readonly name: string;
  readonly args: Uint8Array;
  readonly timeoutMs: number;
}

/** A request that has no answer yet. */
export interface OpenRequest extends QueryRequest {
  /** Id of the last message sent to the run; 0 when the run is closed. */
  readonly mailSent: number;
  /** Id of the run's first message that is not in the log yet; undefined when all are in the log. */
  readonly mailUnread: number | undefined;
}

/** `rejected`: the workflow did not accept the update. */
export type QueryProblem = 'failed' | 'not_registered' | 'task_failed' | 'rejected';

export interface QueryAnswer {
  readonly payload: Uint8Array;
  /** Undefined when the payload is a result; otherwise the payload is a failure. */
  readonly problem: QueryProblem | undefined;
}

/** Stores a request and returns the queue that it waits in. */
export async function ask(database: Database, request: QueryRequest): Promise<string> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{ queue: string }>({
    name: `reprise_ask_${schema}`,
    text: `insert into ${schema}.requests (id, run_id, queue, name, args, expires_at)
values ($1, $2, coalesce((select queue from ${schema}.ready where run_id = $2), $3), $4, $5,
  clock_timestamp() + make_interval(secs => $6 / 1000.0)) returning queue`,
    values: [request.id, request.runId, request.queue, request.name, Buffer.from(request.args), request.timeoutMs],
  });
  return rows[0]!.queue;
}

/** Reads and deletes the answer to a request; undefined when there is none yet. */
export async function takeAnswer(database: Database, id: string): Promise<QueryAnswer | undefined> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{ answer: Buffer; problem: QueryProblem | null }>({
    name: `reprise_take_answer_${schema}`,
    text: `delete from ${schema}.requests where id = $1 and answered_at is not null returning answer, problem`,
    values: [id],
  });
  const row = rows[0];
  return row === undefined ? undefined : { payload: row.answer, problem: row.problem ?? undefined };
}

/** Reads an answer without deleting it, because another caller waits for it. */
export async function peekAnswer(database: Database, id: string): Promise<QueryAnswer | undefined> {
  const { rows } = await database.pool.query<{ answer: Buffer; problem: QueryAnswer['problem'] | null }>(
    `select answer, problem from ${database.schema}.requests where id = $1 and answered_at is not null`,
    [id],
  );
  const row = rows[0];
  return row === undefined ? undefined : { payload: row.answer, problem: row.problem ?? undefined };
}

export async function withdraw(database: Database, id: string): Promise<void> {
  await database.pool.query(`delete from ${database.schema}.requests where id = $1`, [id]);
}

/**
 * Requests on these queues that this worker may answer: for runs that it owns, for runs without an owner that wait in
 * one of the `open` queues, and for closed runs. The log of a closed run names the version that the run needs.
 */
export async function openRequests(
  database: Database,
  epoch: number,
  { queues, open }: { readonly queues: readonly string[]; readonly open: readonly string[] },
): Promise<OpenRequest[]> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{
    id: string;
    run_id: string;
    queue: string;
    name: string;
    args: Buffer;
    sent: number;
    unread: number | null;
  }>({
    name: `reprise_open_requests_${schema}`,
    text: `select q.id, q.run_id, q.queue, q.name, q.args, coalesce(r.mail, 0) as sent,
  (select min(i.id) from ${schema}.inbox i where i.run_id = r.run_id) as unread
from ${schema}.requests q left join ${schema}.ready r on r.run_id = q.run_id
where q.queue = any($1::text[]) and q.answered_at is null and q.expires_at > clock_timestamp()
  and (r.owner = $2 or r.run_id is null or (r.owner is null and r.queue = any($3::text[]))) limit 100`,
    values: [queues, epoch, open],
  });
  return rows.map(({ id, run_id: runId, queue, name, args, sent: mailSent, unread }) => {
    return { id, runId, queue, name, args, timeoutMs: 0, mailSent, mailUnread: unread ?? undefined };
  });
}

export async function answer(database: Database, id: string, result: QueryAnswer): Promise<void> {
  const { schema, pool } = database;
  await pool.query({
    name: `reprise_answer_${schema}`,
    text: `update ${schema}.requests set answered_at = clock_timestamp(), answer = $2, problem = $3 where id = $1 and answered_at is null`,
    values: [id, Buffer.from(result.payload), result.problem ?? null],
  });
  database.notifier.answered(id);
}

/** Deletes requests whose caller no longer waits. */
export async function expireRequests(database: Database): Promise<void> {
  await database.pool.query(
    `delete from ${database.schema}.requests where expires_at < clock_timestamp() - interval '1 minute'`,
  );
}
