// Reads the log. Copies histories page by page in binary form (COPY … TO STDOUT), so that columns that the reader does
// not need are not parsed, and memory use stays flat for runs of any length. Reads go along the line of a fork: a reader
// that finds the beginning of a history missing asks for the line and reads again.
import type pg from 'pg';
import { type EventType, eventCode, eventTypeOf, type HistoryEvent } from '../../core/log/event.ts';
import { closingTypes, linkTypes } from '../../core/log/event-groups.ts';
import { type LineSegment, seqMax } from '../../core/log/line.ts';
import { besideTasks } from '../../core/run/run-state.ts';
import { CopyOut, type RowReader } from '../codec/copy-out.ts';
import type { Database } from '../sql/database.ts';
import { checkedRunId as checked, lineWithin, readLine, rowsOf } from './line.ts';
import { runIdFromBytes } from '../runs/run-id.ts';
import { withSession } from '../sql/transaction.ts';
import { timeOf } from '../sql/sql-text.ts';

export interface StoredEvent extends HistoryEvent {
  readonly runId: string;
}

export const pageEvents = 2_500;

const allColumns =
  'run_id, seq, at, type, answers, attempt, name, source, source_id, reason, correlation_id, ops, payload, meta, hash';
/** Columns for replay. The arguments of activities are left out, because workflow code computes them again. */
const replayColumns = columnsWith('null');
/** Columns of a history, by what the payload of an ActivityScheduled is. */
export const historyColumns: Readonly<Record<'none' | 'digest' | 'whole', string>> = {
  none: replayColumns,
  digest: columnsWith('sha256(payload)'),
  whole: allColumns,
};

/** All columns, with another expression in place of the arguments of activities. */
function columnsWith(args: string): string {
  const payload = `case when type = ${eventCode.ActivityScheduled} then ${args} else payload end as payload`;
  return allColumns.replace('payload', payload);
}

/**
 * Events of a run after seq `after` up to `upTo`, in order, in pages of at most `pageEvents`. `forReplay` leaves out the
 * arguments of activities, or reads their digests instead.
 */
export async function* readHistory(
  database: Database,
  runId: string,
  options: { after?: number; upTo?: number; forReplay?: boolean | 'digests' } = {},
): AsyncGenerator<StoredEvent[], void, undefined> {
  const { forReplay } = options;
  const columns = historyColumns[forReplay === 'digests' ? 'digest' : forReplay === true ? 'none' : 'whole'];
  const after = Math.trunc(options.after ?? 0);
  const upTo = Math.trunc(options.upTo ?? seqMax);
  // seqs are dense, so a page that is not full is the last page.
  const sizes = { size: pageEvents, least: pageEvents };
  const pagesOf = ({ runId: id, first, last }: LineSegment): AsyncGenerator<StoredEvent[], void, undefined> => {
    const end = Math.min(upTo, last);
    const read = (from: number): Promise<StoredEvent[]> => {
      const where = `run_id = '${checked(id)}' and ${seqRange(from, end, pageEvents)}`;
      return copyEvents(database.pool, `select ${columns} from ${database.schema}.events where ${where} order by seq`);
    };
    return ahead(Math.max(after, first - 1), { upTo: end, ...sizes }, read);
  };
  let isEmpty = true;
  let isWhole = false;
  for await (const page of pagesOf({ runId, first: 1, last: seqMax })) {
    isEmpty = false;
    isWhole ||= page[0]!.seq <= after + 1;
    if (!isWhole) break;
    yield page;
  }
  if (isWhole || after >= upTo) return;
  const line = await readLine(database, runId);
  if (isEmpty && line.length === 1) return;
  for (const segment of line) {
    if (segment.last > after && segment.first <= upTo) yield* pagesOf(segment);
  }
}

/**
 * The seqs of a page, as a range instead of a limit. If a limit exceeds the planner's estimate of the run's length, the
 * planner sorts all remaining events for each page.
 */
function seqRange(after: number, upTo: number, page: number): string {
  return `seq > ${after} and seq <= ${Math.min(after + page, upTo)}`;
}

/**
 * Yields non-empty pages until one has fewer than `least` rows. Reads the next page while the caller uses the present
 * one.
 */
async function* ahead<T>(
  from: number,
  { upTo, size, least }: { upTo: number; size: number; least: number },
  read: (after: number) => Promise<T[]>,
): AsyncGenerator<T[], void, undefined> {
  let next = read(from);
  for (let after = from + size; ; after += size) {
    const page = await next;
    const more = after < upTo && page.length >= least;
    if (more) {
      next = read(after);
      next.catch(() => undefined); // no unhandled rejection if the caller stops early; awaiting it still throws
    }
    if (page.length > 0) yield page;
    if (!more) return;
  }
}

/**
 * The first `limit` events of each run, in order within a run. A claim needs them for short runs. Looks up each run in
 * the index, because a join is planned as a scan of the whole log until the log has been analyzed.
 */
export async function readHeads(database: Database, runIds: readonly string[], limit: number): Promise<StoredEvent[]> {
  const list = runIds.map((id) => `'${checked(id)}'`).join(',');
  return copyEvents(
    database.pool,
    `select e.* from unnest(array[${list}]::uuid[]) as given(id) cross join lateral (
       select ${replayColumns} from ${database.schema}.events where run_id = given.id order by seq limit ${Math.trunc(limit)}) e`,
  );
}

/** The last event of a run; undefined when the run has none. A fork always has events of its own. */
export async function readLastEvent(database: Database, runId: string): Promise<StoredEvent | undefined> {
  const events = await copyEvents(
    database.pool,
    `select ${allColumns} from ${database.schema}.events where run_id = '${checked(runId)}' order by seq desc limit 1`,
  );
  return events[0];
}

/** Events of the given types of a run, in order. */
export async function readEventsOfType(
  database: Database,
  runId: string,
  types: readonly EventType[],
  where = '',
): Promise<StoredEvent[]> {
  return eventsOfType(database, await readLine(database, runId), types, where);
}

function eventsOfType(
  { pool, schema }: Database,
  line: readonly LineSegment[],
  types: readonly EventType[],
  where: string,
): Promise<StoredEvent[]> {
  const codes = types.map((type) => eventCode[type]).join(',');
  const rows = rowsOf(schema, line);
  return copyEvents(pool, `select ${allColumns} from ${rows} and type in (${codes}) ${where} order by seq`);
}

/** The rows that the run itself wrote. Unless the run is a fork, they are its whole history. */
function ownRows(runId: string): readonly LineSegment[] {
  return [{ runId, first: 1, last: seqMax }];
}

function copyEvents(pool: pg.Pool, query: string): Promise<StoredEvent[]> {
  return copyRows(pool, query, readEvent);
}

async function copyRows<T>(pool: pg.Pool, query: string, read: (row: RowReader) => T): Promise<T[]> {
  const rows: T[] = [];
  await withSession(pool, (client) => CopyOut.run(client, query, (row) => rows.push(read(row))));
  return rows;
}

let lastRunId = '';
let lastRunKey = '';

export function readEvent(row: RowReader): StoredEvent {
  // Rows of a run follow each other, so the id is formatted once per run.
  const key = row.latin1() ?? '';
  if (key !== lastRunKey) {
    lastRunKey = key;
    lastRunId = runIdFromBytes(Buffer.from(key, 'latin1'));
  }
  return {
    runId: lastRunId,
    seq: row.int4()!,
    at: row.timestamp()!,
    type: eventTypeOf(row.int2()!),
    answers: row.int4(),
    attempt: row.int2(),
    name: row.text(),
    source: row.text() as StoredEvent['source'],
    sourceId: row.text(),
    reason: row.text(),
    correlationId: row.text(),
    ops: row.text(),
    payload: row.bytes(),
    meta: row.text(),
    hash: row.bytes(),
  };
}

/** Arguments of scheduled activities, by seq. */
export async function readArguments(
  database: Database,
  runId: string,
  seqs: readonly number[],
): Promise<Map<number, Uint8Array>> {
  const read = (line: readonly LineSegment[]): Promise<StoredEvent[]> =>
    eventsOfType(database, line, ['ActivityScheduled'], `and seq in (${seqs.map(Math.trunc).join(',')})`);
  let events = await read(ownRows(runId));
  if (events.length < new Set(seqs).size) events = await read(await readLine(database, runId));
  return new Map(events.flatMap((event) => (event.payload === null ? [] : [[event.seq, event.payload] as const])));
}

/** Events of these segments after seq `after`, without the arguments of activities, in the caller's transaction. */
export function readTail(
  client: pg.ClientBase,
  schema: string,
  line: readonly LineSegment[],
  after: number,
): Promise<StoredEvent[]> {
  return copyWithin(
    client,
    `select ${replayColumns} from ${rowsOf(schema, line)} and seq > ${Math.trunc(after)} order by seq`,
  );
}

async function copyWithin(client: pg.ClientBase, query: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  await CopyOut.run(client, query, (row) => events.push(readEvent(row)));
  return events;
}

/** Events after seq `after`, read in the caller's transaction. Meant for a few events at the end of a run. */
export async function readEventsAfter(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  after: number,
  upTo: number = seqMax,
): Promise<StoredEvent[]> {
  const read = async (line: readonly LineSegment[]): Promise<StoredEvent[]> => {
    const events: StoredEvent[] = [];
    const range = `seq > ${Math.trunc(after)} and seq <= ${Math.trunc(upTo)}`;
    const query = `select ${allColumns} from ${rowsOf(schema, line)} and ${range} order by seq`;
    await CopyOut.run(client, query, (row) => events.push(readEvent(row)));
    return events;
  };
  const events = await read(ownRows(runId));
  const first = events[0]?.seq ?? seqMax;
  if (first <= Math.max(after, 0) + 1 || after >= upTo) return events;
  const line = await lineWithin(client, schema, runId);
  return line.length === 1 ? events : read(line);
}

/**
 * Events about a run's children and its messages to other runs, without arguments, read in the caller's transaction.
 * `line`: the run's line, if it is a fork.
 */
export async function readLinkEvents(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  line: readonly LineSegment[] = ownRows(runId),
): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  const codes = linkTypes.map((type) => eventCode[type]).join(', ');
  await CopyOut.run(
    client,
    `select run_id, seq, at, type, answers, attempt, name, null::text, null::text, null::text, correlation_id,
  null::text, null::bytea, meta, null::bytea from ${rowsOf(schema, line)} and type in (${codes}) order by seq`,
    (row) => events.push(readEvent(row)),
  );
  return events;
}

/** Where to begin (`after`: exclusive) and to stop reading (inclusive). Times are inclusive, in µs since 1970. */
export interface PatchLimit {
  readonly after?: number;
  readonly upTo?: number;
  readonly fromTime?: number;
  readonly upToTime?: number;
}

/** Context patches of a run, in order, in pages. */
export function readPatches(
  database: Database,
  runId: string,
  limit: PatchLimit,
): AsyncGenerator<StoredEvent[], void, undefined> {
  return patchPages(database, runId, limit, { columns: allColumns, page: pageEvents, read: readEvent });
}

/** Only the operations of context patches, as JSON text, to be folded. */
export function readPatchOps(
  database: Database,
  runId: string,
  limit: PatchLimit,
): AsyncGenerator<{ seq: number; ops: string }[], void, undefined> {
  const read = (row: RowReader): { seq: number; ops: string } => ({ seq: row.int4()!, ops: row.text() ?? '[]' });
  return patchPages(database, runId, limit, { columns: 'seq, ops', page: 4 * pageEvents, read });
}

async function* patchPages<T>(
  database: Database,
  runId: string,
  limit: PatchLimit,
  { columns, page, read }: { columns: string; page: number; read: (row: RowReader) => T },
): AsyncGenerator<T[], void, undefined> {
  const { pool, schema } = database;
  const { rows } = await pool.query<{ first: number | null; head: number | null }>(
    `select min(seq) as first, max(seq) as head from ${schema}.events where run_id = $1`,
    [runId],
  );
  const { first, head } = rows[0]!;
  const upTo = Math.min(head ?? 0, Math.trunc(limit.upTo ?? seqMax));
  const from = limit.fromTime === undefined ? '' : ` and at >= ${timeOf(String(Math.trunc(limit.fromTime)))}`;
  const until = limit.upToTime === undefined ? '' : ` and at <= ${timeOf(String(Math.trunc(limit.upToTime)))}`;
  const time = `${from}${until}`;
  const begin = Math.trunc(limit.after ?? 0);
  for (const segment of (first ?? 1) === 1 ? ownRows(runId) : await readLine(database, runId)) {
    const end = Math.min(upTo, segment.last);
    const where = `run_id = '${checked(segment.runId)}' and type = ${eventCode.ContextPatched}${time}`;
    const readPage = (after: number): Promise<T[]> =>
      copyRows(
        pool,
        `select ${columns} from ${schema}.events where ${where} and ${seqRange(after, end, page)} order by seq`,
        read,
      );
    const start = Math.max(begin, segment.first - 1);
    if (start < end) yield* ahead(start, { upTo: end, size: page, least: 0 }, readPage);
  }
}

/** Events that leave something pending until another event answers them, and intermediate events about pending work. */
const openable: readonly EventType[] = [
  ...(['ActivityScheduled', 'ActivityAttemptStarted', 'ActivityAttemptFailed', 'ActivityCancelRequested'] as const),
  'RecoveryApplied',
  'TimerStarted',
  ...linkTypes,
];
const answering: readonly EventType[] = [
  ...closingTypes,
  'TimerFired',
  'TimerCancelled',
  ...linkTypes.filter((type) => type !== 'ChildWorkflowStarted' && !type.endsWith('Initiated')),
];
/** Events that stay relevant for the whole run. */
const lasting: readonly EventType[] = [
  'WorkflowPaused',
  'WorkflowResumed',
  'WorkflowForked',
  'WorkflowCancelRequested',
  'WorkerLost',
  'UpdateAccepted',
  'UpdateCompleted',
  'UpdateFailed',
  'VersionMarked',
  'SearchAttributesUpserted',
  'MemoUpserted',
];

/**
 * The part of a run's log that folds (`RunState`) to the same state as the whole log: the start, events without an
 * answer, events that stay relevant, the last context patch, the failed workflow task if the run retries one, and the
 * last event. Whatever the planner estimates, this takes one pass over the index, a sort of numbers, and one index
 * lookup per returned event. Reads no payloads except those of failures.
 */
export async function readOpenEvents(database: Database, runId: string): Promise<StoredEvent[]> {
  const read = (line: readonly LineSegment[]): Promise<StoredEvent[]> =>
    withSession(database.pool, (client) => readOpenEventsWithin(client, database.schema, line));
  const own = await read(ownRows(runId));
  if (own[0] === undefined || own[0].seq === 1) return own;
  return read(await readLine(database, runId));
}

/** Like `readOpenEvents`, in the caller's transaction, of the part of a history that these segments are. */
export async function readOpenEventsWithin(
  client: pg.ClientBase,
  schema: string,
  line: readonly LineSegment[],
): Promise<StoredEvent[]> {
  const rows = rowsOf(schema, line);
  const codes = (types: readonly EventType[]): string => types.map((type) => eventCode[type]).join(', ');
  const payload = `case when type in (${codes(['ActivityAttemptFailed', 'WorkflowTaskFailed', 'RecoveryApplied'])}) then payload end as payload`;
  const actor = `case when type in (${codes(['WorkflowPaused', 'RecoveryApplied'])}) then source_id end as source_id`;
  const columns = `run_id, seq, at, type, answers, attempt, name, null::text as source, ${actor},
    reason, correlation_id, null::text as ops, ${payload}, meta, hash`;
  const completed = `type = ${eventCode.WorkflowTaskCompleted} and meta is not null`;
  const events = await copyWithin(
    client,
    `select e.* from (
       select seq, type, bool_or(type in (${codes(answering)})) over (partition by coalesce(answers, seq)) as answered
       from ${rows} and (type in (${codes([...openable, ...answering, ...lasting])}) or ${completed})) open
     cross join lateral (select ${columns} from ${rows} and seq = open.seq limit 1) e
     where not answered or open.type in (${codes(lasting)})
     union all (select ${columns} from ${rows} and seq = 1)
     union all (select ${columns} from ${rows} and type = ${eventCode.ContextPatched}
       order by seq desc limit 1)
     union all (select * from (select ${columns} from ${rows} and hash is not null
       and type not in (${codes(besideTasks)}) order by seq desc limit 1) task where type = ${eventCode.WorkflowTaskFailed})
     union all (select ${columns} from ${rows} order by seq desc limit 1)
     order by seq`,
  );
  return events.filter((event, i) => event.seq !== events[i - 1]?.seq);
}
