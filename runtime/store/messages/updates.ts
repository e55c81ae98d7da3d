// Updates from the sender's point of view: the log says that an update was accepted and how it ended. Only the sender
// gets the answer that rejects an update.
import { hash } from 'node:crypto';
import { eventCode } from '../../core/log/event.ts';
import { lineWithin, rowsOf } from '../log/line.ts';
import type { Database } from '../sql/database.ts';

export interface UpdateState {
  /** The run is closed: an update without an outcome will not get one. */
  readonly closed: boolean;
  readonly accepted: boolean;
  /** True if the message is still in the inbox. */
  readonly waiting: boolean;
  /** The successor of a run that continued as new. It receives the updates that this run has not accepted. */
  readonly next: string | undefined;
  /** The fork that goes on in place of a closed run, also with the updates that this run has accepted. */
  readonly heir: string | undefined;
  /** How the handler ended; undefined while it runs. */
  readonly outcome: { readonly failed: boolean; readonly payload: Uint8Array } | undefined;
}

/** The id for notices about an update and for its rejection: a UUID computed from both ids. */
export function updateKey(runId: string, updateId: string): string {
  return hash('sha256', `${runId} ${updateId}`, 'hex')
    .slice(0, 32)
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** The id for notices about a verb and for its refusal. */
export function verbKey(runId: string, requestId: string): string {
  return updateKey(`verb ${runId}`, requestId);
}

/** Undefined when there is no such run. */
export async function readUpdate(
  database: Database,
  runId: string,
  updateId: string,
): Promise<UpdateState | undefined> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{
    closed: boolean;
    accepted: boolean;
    waiting: boolean;
    next: string | null;
    done: number | null;
    payload: Buffer | null;
    heir: string | null;
    forked: boolean;
  }>({
    name: `reprise_update_${schema}`,
    text: `select r.closed_at is not null as closed, a.seq is not null as accepted, d.type as done, d.payload,
  r.taken_over_by as heir, r.start_run_id is not null as forked,
  exists (select from ${schema}.inbox i where i.run_id = r.run_id and i.correlation_id = $2
    and i.type = ${eventCode.UpdateAccepted}) as waiting,
  case when r.closed_at is not null then
    (select correlation_id from ${schema}.events e where e.run_id = r.run_id and e.seq = r.final_seq) end as next
from ${schema}.runs r
left join ${schema}.events a on a.run_id = r.run_id and a.correlation_id = $2 and a.type = ${eventCode.UpdateAccepted}
left join ${schema}.events d on d.run_id = r.run_id and d.correlation_id = $2
  and d.type in (${eventCode.UpdateCompleted}, ${eventCode.UpdateFailed})
where r.run_id = $1`,
    values: [runId, updateId],
  });
  const [row] = rows;
  if (row === undefined) return undefined;
  const { closed, waiting, next, done, payload, heir, forked } = row;
  const outcome = outcomeOf(done, payload);
  // An ancestor may have accepted what a fork completed.
  const accepted = row.accepted || outcome !== undefined;
  const links = { next: next ?? undefined, heir: heir ?? undefined };
  if (!forked || waiting || outcome !== undefined) return { closed, accepted, waiting, ...links, outcome };
  const before = await readBefore(database, runId, updateId);
  return { closed, accepted: accepted || before.accepted, waiting, ...links, outcome: before.outcome };
}

function outcomeOf(type: number | null, payload: Uint8Array | null): UpdateState['outcome'] {
  if (type === null) return undefined;
  return { failed: type === eventCode.UpdateFailed, payload: payload ?? new Uint8Array() };
}

/** What the whole history of a fork says about the update: an ancestor may have accepted or completed it. */
async function readBefore(
  { pool, schema }: Database,
  runId: string,
  updateId: string,
): Promise<Pick<UpdateState, 'accepted' | 'outcome'>> {
  const rows = rowsOf(schema, await lineWithin(pool, schema, runId));
  const types = [eventCode.UpdateAccepted, eventCode.UpdateCompleted, eventCode.UpdateFailed];
  const found = await pool.query<{ type: number; payload: Buffer | null }>(
    `select type, payload from ${rows} and type in (${types.join(', ')}) and correlation_id = $1 order by seq`,
    [updateId],
  );
  const end = found.rows.find(({ type }) => type !== eventCode.UpdateAccepted);
  return { accepted: found.rows.length > 0, outcome: outcomeOf(end?.type ?? null, end?.payload ?? null) };
}

/** Answers a sender whose update or verb was refused. If the answer is lost, the sender asks again. */
export async function rejectMessage(
  database: Database,
  {
    runId,
    key,
    name,
    failure,
  }: { readonly runId: string; readonly key: string; readonly name: string; readonly failure: Uint8Array },
): Promise<void> {
  const { schema, pool } = database;
  await pool.query({
    name: `reprise_reject_update_${schema}`,
    text: `insert into ${schema}.requests (id, run_id, queue, name, args, expires_at, answered_at, answer, problem)
values ($1, $2, '', $3, '', clock_timestamp() + interval '1 minute', clock_timestamp(), $4, 'rejected')
on conflict (id) do update set expires_at = excluded.expires_at, answered_at = excluded.answered_at, answer = excluded.answer`,
    values: [key, runId, name, Buffer.from(failure)],
  });
  database.notifier.answered(key);
}
