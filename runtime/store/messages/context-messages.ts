// A person's patch of a run's context, from the sender's point of view: it waits in the inbox, is in the log, or was
// refused. Only the sender gets a refusal (`rejectUpdate`).
import { eventCode } from '../../core/log/event.ts';
import type { Database } from '../sql/database.ts';

export interface PatchState {
  readonly closed: boolean;
  /** True if the message is still in the inbox. */
  readonly waiting: boolean;
  /** The seq of the patch in the log; undefined if the log does not hold it. */
  readonly seq: number | undefined;
  /** The successor of a closed run, which receives the messages that the run has not read. */
  readonly next: string | undefined;
}

/** `after`: a seq before the patch, which limits the search. Undefined when there is no such run. */
export async function readPatchState(
  database: Database,
  { runId, requestId, after }: { readonly runId: string; readonly requestId: string; readonly after: number },
): Promise<PatchState | undefined> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{ closed: boolean; waiting: boolean; seq: number | null; next: string | null }>({
    name: `reprise_patch_state_${schema}`,
    text: `select r.closed_at is not null as closed,
  exists (select from ${schema}.inbox i where i.run_id = r.run_id and i.correlation_id = $2
    and i.type = ${eventCode.ContextPatched}) as waiting,
  (select e.seq from ${schema}.events e where e.run_id = r.run_id and e.seq > $3 and e.correlation_id = $2
    and e.type = ${eventCode.ContextPatched} limit 1) as seq,
  case when r.closed_at is not null then
    (select correlation_id from ${schema}.events e where e.run_id = r.run_id and e.seq = r.final_seq) end as next
from ${schema}.runs r where r.run_id = $1`,
    values: [runId, requestId, after],
  });
  const [row] = rows;
  if (row === undefined) return undefined;
  return { closed: row.closed, waiting: row.waiting, seq: row.seq ?? undefined, next: row.next ?? undefined };
}
