// Reads what verbs of operators need from the log: a verb by its request, an activity by its address, and how an activity ended.
import { type ActivityAddress, asActivityId } from '../../core/recovery/activity-address.ts';
import { verbTypes } from '../../core/recovery/verb.ts';
import { type EventType, eventCode, eventTypeOf } from '../../core/log/event.ts';
import { closingTypes } from '../../core/log/event-groups.ts';
import { readLine, rowsOf } from '../log/line.ts';
import type { Database } from '../sql/database.ts';
import type { Queryable } from '../sql/queryable.ts';

const codesOf = (types: Iterable<EventType>): string => [...types].map((type) => eventCode[type]).join(', ');
const verbCodes = codesOf(verbTypes);

/** The event of a verb in the log. */
export interface LoggedVerb {
  readonly seq: number;
  readonly type: EventType;
  /** retry or skip; null for a pause or a resumption. */
  readonly name: string | null;
  readonly at: Date;
  readonly actor: string | null;
  readonly reason: string | null;
}

interface VerbRow extends Omit<LoggedVerb, 'type'> {
  readonly type: number;
}

const columns = 'seq, type, name, at, source_id as actor, reason';

/** The verb with this request id; undefined when the log does not hold it. */
export async function findVerb(
  client: Queryable,
  schema: string,
  runId: string,
  requestId: string,
): Promise<LoggedVerb | undefined> {
  // The types are part of the text, so that the planner can use the index on them.
  const { rows } = await client.query(
    `select ${columns} from ${schema}.events where correlation_id = $2 and type in (${verbCodes}) and run_id = $1 limit 1`,
    [runId, requestId],
  );
  return logged(rows[0] as VerbRow | undefined);
}

/** Whether the verb is still in the inbox. */
export async function isVerbWaiting(
  client: Queryable,
  schema: string,
  runId: string,
  requestId: string,
): Promise<boolean> {
  const { rows } = await client.query(
    `select 1 from ${schema}.inbox where run_id = $1 and correlation_id = $2 and type in (${verbCodes}) limit 1`,
    [runId, requestId],
  );
  return rows.length > 0;
}

/** What ended or changed an activity after seq `after`: a verb if there is one, else the event that closed it. */
export async function changeOfActivity(
  { pool, schema }: Database,
  runId: string,
  { seq, after }: { readonly seq: number; readonly after: number },
): Promise<LoggedVerb | undefined> {
  const { rows } = await pool.query<VerbRow>(
    `select ${columns} from ${schema}.events where run_id = $1 and seq > greatest($2::int, $3::int) and answers = $2
  and type in (${codesOf(['RecoveryApplied', ...closingTypes])}) order by type <> ${eventCode.RecoveryApplied}, seq limit 1`,
    [runId, seq, after],
  );
  return logged(rows[0]);
}

/** The last activity whose failure or timeout the code of the run has seen, or will see. */
export async function lastFailedActivity(
  { pool, schema }: Database,
  runId: string,
): Promise<{ readonly seq: number; readonly scheduled: number; readonly name: string | null } | undefined> {
  const { rows } = await pool.query<{ seq: number; scheduled: number; name: string | null }>(
    `select seq, answers as scheduled, name from ${schema}.events where run_id = $1
  and type in (${codesOf(['ActivityFailed', 'ActivityTimedOut'])}) order by seq desc limit 1`,
    [runId],
  );
  return rows[0];
}

/** An activity call in the log. */
export interface ActivityCall {
  readonly seq: number;
  readonly type: string;
}

/** The call that an address names; undefined when there is none. */
export async function findActivity(
  database: Database,
  runId: string,
  address: ActivityAddress,
): Promise<ActivityCall | undefined> {
  const { pool, schema } = database;
  const rowsOfLine = rowsOf(schema, await readLine(database, runId));
  const select = async (where: string, values: readonly unknown[]): Promise<ActivityCall | undefined> => {
    const { rows } = await pool.query<ActivityCall>(
      `select seq, name as type from ${rowsOfLine} and type = ${eventCode.ActivityScheduled} and ${where}`,
      [...values],
    );
    return rows[0];
  };
  const bySeq = (seq: number): Promise<ActivityCall | undefined> => select('seq = $1', [seq]);
  if (address.by === 'seq') return bySeq(address.seq);
  if (address.by === 'call') {
    const call = await select('name = $1 order by seq offset $2 limit 1', [address.type, address.n - 1]);
    return call ?? findActivity(database, runId, asActivityId(address));
  }
  const found = address.seq === undefined ? undefined : await bySeq(address.seq);
  // An id may be used again once its activity has ended: the latest one is meant.
  return found ?? select("meta->>'id' = $1 order by seq desc limit 1", [address.id]);
}

function logged(row: VerbRow | undefined): LoggedVerb | undefined {
  return row === undefined ? undefined : { ...row, type: eventTypeOf(row.type) };
}
