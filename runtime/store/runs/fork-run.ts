// Makes forks, each in one transaction: the fork's row and its first two turns, the end of an origin that it takes the
// place of, and everything on its way to that origin. A fork copies no event.
import type pg from 'pg';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { type EventType, eventCode, type HistoryEvent, type Micros } from '../../core/log/event.ts';
import { commonSeq, type LogOwner, lineUpTo, type Segment } from '../../core/log/line.ts';
import { newEvent } from '../../core/log/new-event.ts';
import { type ForkPlan, type ForkRequest, planFork } from '../../core/recovery/fork-plan.ts';
import { forkKinds } from '../../core/recovery/fork-verbs.ts';
import { inheritedMeta } from '../../core/run/chain.ts';
import { effectiveVersioning, prefixOf, queueKey } from '../../core/run/deployment.ts';
import { readForkedMeta } from '../../core/run/forked-meta.ts';
import { RunState } from '../../core/run/run-state.ts';
import { type LogHead, sealTurn, turnTime } from '../../core/run/seal-turn.ts';
import { eventColumns, EventRows } from '../codec/event-rows.ts';
import { sha256 } from '../codec/sha256.ts';
import { closingTypes, linkTypes, readOpenEventsWithin, readTail } from '../log/history.ts';
import { lineWithin } from '../log/line.ts';
import { addToOutbox, deliverOutbox } from '../messages/outbox.ts';
import type { Database } from '../sql/database.ts';
import { isUniqueViolation } from '../sql/sqlstate.ts';
import { microsOf, timeOf } from '../sql/sql-text.ts';
import { transaction } from '../sql/transaction.ts';
import { readHead } from './close-run.ts';
import { deleteOpenRows, writeClosed } from './closed-run.ts';
import { forkRunId, newSeed, runIdBytes } from './run-id.ts';
import type { RunRow } from './run-row.ts';

/** `owned`: a worker owns this open run, so its owner must make the fork. */
export type ForkOutcome =
  | { readonly runId: string; readonly isNew: boolean }
  | { readonly owned: string; readonly epoch: number };

interface Made {
  readonly runId: string;
  readonly isNew: boolean;
  /** Queue of the fork. */
  readonly queue?: string;
  /** The open run that the fork took the place of. */
  readonly closed?: { readonly runId: string; readonly event: HistoryEvent; readonly isTold: boolean };
}

/**
 * Makes the fork, unless a worker owns a run that it would close. A repeated request returns the fork that is there.
 * @throws lock_not_available when another session holds a row
 */
export async function forkRun(database: Database, request: ForkRequest): Promise<ForkOutcome> {
  for (let isRepeated = false; ; isRepeated = true) {
    try {
      const made = await transaction(
        database.pool,
        {},
        (client) => forkWithin(client, database.schema, request),
        (outcome) => !('owned' in outcome),
      );
      if ('owned' in made) return made;
      announceFork(database, made);
      return { runId: made.runId, isNew: made.isNew };
    } catch (error) {
      // The same request, or a start of the same workflow id, committed meanwhile: the next try sees it.
      if (isRepeated || !isUniqueViolation(error)) throw error;
    }
  }
}

/** Notifies the fork's workers, and those who wait for the run that the fork took the place of. */
export function announceFork(database: Database, { runId, queue, closed }: Made): void {
  if (closed !== undefined) {
    const { type, reason } = closed.event;
    database.local.emit('closed', closed.runId, { type, payload: null, reason, next: runId });
    database.notifier.closed(closed.runId);
    // If the delivery fails, the reaper repeats it.
    if (closed.isTold) void deliverOutbox(database, [closed.runId]).catch(() => undefined);
  }
  if (queue === undefined) return;
  for (const worker of database.localWorkers.get(queue) ?? []) worker.wake();
  database.notifier.wake(queue);
}

/** What the transaction knows about the origin. */
interface Origin extends LogOwner {
  readonly row: RunRow;
  readonly segments: readonly Segment[];
  /** The open run that the fork takes the place of: the origin, or a run that followed it. */
  readonly open: string | undefined;
}

/** In the caller's transaction, which must hold no other lock. */
async function forkWithin(
  client: pg.ClientBase,
  schema: string,
  request: ForkRequest,
): Promise<Made | Extract<ForkOutcome, { owned: string }>> {
  const { rows } = await client.query<{ run_id: string }>(`select run_id from ${schema}.runs where fork_request = $1`, [
    request.requestId,
  ]);
  if (rows[0] !== undefined) return { runId: rows[0].run_id, isNew: false };
  const row = await originRow(client, schema, request.runId);
  const takesOver = forkKinds[request.verb].closesWith !== undefined;
  const open = takesOver ? await openRunToClose(client, schema, row) : undefined;
  const owner = open === undefined ? null : await lockOpen(client, schema, open);
  if (open !== undefined && owner !== null) return { owned: open, epoch: owner };
  return createFork(client, schema, { request, row, open });
}

async function originRow(client: pg.ClientBase, schema: string, runId: string): Promise<RunRow> {
  const { rows } = await client.query<RunRow>(`select * from ${schema}.runs where run_id = $1`, [runId]);
  if (rows[0] !== undefined) return rows[0];
  throw new RuntimeError('RUN_NOT_FOUND', `There is no run ${runId}. Check the id, or list the runs.`, { runId });
}

/** Locks the row of an open run and returns its owner. */
async function lockOpen(client: pg.ClientBase, schema: string, runId: string): Promise<number | null> {
  const { rows } = await client.query<{ owner: number | null }>(
    `select owner from ${schema}.ready where run_id = $1 for no key update`,
    [runId],
  );
  return rows[0]?.owner ?? null;
}

/**
 * The open run of the origin's workflow id. Only a run that descends from the origin may be closed.
 * @throws RUN_ALREADY_STARTED
 */
async function openRunToClose(
  client: pg.ClientBase,
  schema: string,
  { run_id: origin, namespace, workflow_id: workflowId, closed_at: closedAt }: RunRow,
): Promise<string | undefined> {
  if (closedAt === null) return origin;
  const { rows } = await client.query<{ run_id: string; descends: boolean }>(
    `with recursive up(run_id, depth) as (
  select run_id, 0 from ${schema}.runs where namespace = $1 and workflow_id = $2 and closed_at is null
  union all
  select coalesce(r.forked_from, (s.meta->>'continuedFrom')::uuid), up.depth + 1
  from up join ${schema}.runs r on r.run_id = up.run_id
  left join ${schema}.events s on r.forked_from is null and s.run_id = r.run_id and s.seq = 1
  where up.run_id <> $3 and up.depth < 10000)
select (select run_id from up where depth = 0) as run_id, exists (select from up where run_id = $3) as descends`,
    [namespace, workflowId, origin],
  );
  const { run_id: open, descends } = rows[0]!;
  if (open === null || descends) return open ?? undefined;
  throw new RuntimeError(
    'RUN_ALREADY_STARTED',
    `Run ${origin} of workflow ${workflowId} cannot be forked in place: run ${open} of the same workflow id is open and does ` +
      'not descend from it. Terminate that run first, or fork under another workflow id.',
    { runId: open },
  );
}

interface Fork {
  readonly request: ForkRequest;
  readonly row: RunRow;
  /** The open run to close; its row is locked. */
  readonly open: string | undefined;
}

async function createFork(client: pg.ClientBase, schema: string, { request, row, open }: Fork): Promise<Made> {
  const origin = await readOrigin(client, schema, row, open);
  const tail = await readTail(client, schema, origin.segments, request.point);
  const { head, unhashed } = await headAt(client, schema, origin, request.point);
  const { runId: forkId, seed, now } = await identityOf(client, schema, request, row);
  const keepsParent = await takesParent(client, schema, origin, request);
  const prefix = await readOpenEventsWithin(client, schema, lineUpTo(origin.segments, request.point));
  const state = RunState.of(forkId, prefix);
  const earlier = prefix.findLast(({ type }) => type === 'WorkflowForked');
  const plan = planFork({
    ...{ request, forkId, seed, state, origin, keepsParent },
    earlier: earlier === undefined ? undefined : readForkedMeta(earlier).start,
    tail: tail.filter(({ type }) => !isEnd(type)),
    claimed: new Set(open === undefined ? [] : await claimedTasks(client, schema, open)),
    isOpen: row.closed_at === null,
  });
  const events = sealed({ ...head, runId: forkId, line: plan.line }, unhashed, plan, now);
  for (const event of events) state.apply(event);
  checkDeadline(state, now);
  const closed = open === undefined ? undefined : await closeRun(client, schema, { request, runId: open, forkId, now });
  const queue = await insertFork(client, schema, { request, origin, state, events, keepsParent });
  const common = open === undefined ? 0 : commonSeq(await lineWithin(client, schema, open), plan.line);
  await moveMail(client, schema, { forkId, updates: plan.updates, open, common });
  await moveTasks(client, schema, { forkId, open, common, begun: plan.begun });
  if (closed !== undefined) await deleteOpenRows(client, schema, closed.runId);
  const replaced = open === undefined || open === row.run_id ? [row.run_id] : [row.run_id, open];
  if (forkKinds[request.verb].closesWith !== undefined) await takeOver(client, schema, replaced, forkId);
  return { runId: forkId, isNew: true, queue, ...(closed === undefined ? {} : { closed }) };
}

/** @throws INVALID_INPUT */
function checkDeadline({ runId, chain }: RunState, now: Micros): void {
  const { executionDeadline } = inheritedMeta(chain);
  if (executionDeadline === undefined || executionDeadline > now) return;
  const when = new Date(executionDeadline / 1000).toISOString();
  throw new RuntimeError(
    'INVALID_INPUT',
    `The execution deadline of the run passed at ${when}, so a fork would time out at once. Give it a new one with executionTimeout.`,
    { runId },
  );
}

const ends: ReadonlySet<EventType> = new Set<EventType>([
  'WorkflowRolledBack',
  'WorkflowRecovered',
  'WorkflowCompleted',
  'WorkflowFailed',
  'WorkflowCancelled',
  'WorkflowTerminated',
  'WorkflowTimedOut',
  'WorkflowContinuedAsNew',
  'PayloadErased',
]);

function isEnd(type: EventType): boolean {
  return ends.has(type);
}

async function readOrigin(
  client: pg.ClientBase,
  schema: string,
  row: RunRow,
  open: string | undefined,
): Promise<Origin> {
  const segments = await lineWithin(client, schema, row.run_id);
  // No run of the line may be deleted while a fork refers to it.
  await client.query(`select from ${schema}.runs where run_id = any($1::uuid[]) order by run_id for key share`, [
    segments.map(({ runId }) => runId),
  ]);
  const line = segments.slice(0, -1);
  return { runId: row.run_id, line: line.length === 0 ? undefined : line, row, segments, open };
}

/**
 * The end of the fork's line: a turn's end, or the end of what a start writes before the first turn.
 * @throws INVALID_INPUT when the history cannot be forked there
 */
async function headAt(
  client: pg.ClientBase,
  schema: string,
  { segments, runId }: Origin,
  point: number,
): Promise<{ head: LogHead; unhashed: HistoryEvent[] }> {
  const upTo = lineUpTo(segments, point);
  const events = await readTail(client, schema, upTo, point - 1);
  const last = events[0];
  if (last?.hash) return { head: { runId, seq: point, at: last.at, hash: last.hash }, unhashed: [] };
  const start = point > 2 ? [] : await readTail(client, schema, lineUpTo(segments, 3), 0);
  const next = start[point];
  const isStart = start.length >= point && start.slice(0, point).every(({ hash }) => hash === null);
  // The context that a start hands over belongs to the start.
  const isWhole = next === undefined || !(next.type === 'ContextPatched' && next.answers === 1 && next.hash === null);
  if (last !== undefined && isStart && isWhole && isOfStart(start.slice(0, point))) {
    return { head: { runId, seq: point, at: last.at, hash: new Uint8Array(0) }, unhashed: start.slice(0, point) };
  }
  throw new RuntimeError(
    'INVALID_INPUT',
    `Run ${runId} cannot be forked after event ${point}: a fork begins at the end of a turn. Nothing was written.`,
    { runId },
  );
}

function isOfStart([started, inherited]: readonly HistoryEvent[]): boolean {
  if (started?.type !== 'WorkflowStarted') return false;
  return inherited === undefined || (inherited.type === 'ContextPatched' && inherited.answers === 1);
}

async function identityOf(
  client: pg.ClientBase,
  schema: string,
  { requestId, runId }: ForkRequest,
  { namespace, workflow_id: workflowId }: RunRow,
): Promise<{ runId: string; seed: string; now: Micros }> {
  const { rows } = await client.query<{ now: string; latest: string | null }>(
    `select ${microsOf('clock_timestamp()')} as now, (select run_id from ${schema}.runs where namespace = $1 and workflow_id = $2 order by run_id desc limit 1) as latest`,
    [namespace, workflowId],
  );
  const { latest } = rows[0]!;
  const now = Number(rows[0]!.now);
  return { runId: forkRunId(requestId, runId, { after: latest ?? runId, nowMs: now / 1000 }), seed: newSeed(), now };
}

/**
 * Whether the fork reports to the origin's parent: only if the parent has not heard of the origin's end, and will not.
 * The undelivered message is dropped.
 */
async function takesParent(
  client: pg.ClientBase,
  schema: string,
  { row, open }: Origin,
  { verb }: ForkRequest,
): Promise<boolean> {
  if (forkKinds[verb].closesWith === undefined || row.parent_run_id === null) return false;
  if (open !== undefined) return true;
  const { rows } = await client.query<{ told: boolean }>(
    `update ${schema}.outbox set parent_run_id = null, parent_seq = null
where run_id = $1 and parent_run_id is not null returning true as told`,
    [row.run_id],
  );
  return rows.length > 0;
}

/** The fork's first two turns: the fork itself, and what it carries over. */
function sealed(head: LogHead, unhashed: readonly HistoryEvent[], plan: ForkPlan, now: Micros): HistoryEvent[] {
  const first = sealTurn(head, unhashed, { newEvents: [plan.forked], at: turnTime(head, now) }, sha256);
  if (plan.carried.length === 0) return first.events;
  const { seq, at, hash } = first.events[0]!;
  const second: LogHead = { ...head, seq, at, hash: hash! };
  const newEvents = [...plan.carried, newEvent(0, 'WorkflowTaskDeferred')];
  return [...first.events, ...sealTurn(second, [], { newEvents, at: turnTime(second, now) }, sha256).events];
}

/** Ends the open run that the fork takes the place of. */
async function closeRun(
  client: pg.ClientBase,
  schema: string,
  { request, runId, forkId, now }: { request: ForkRequest; runId: string; forkId: string; now: Micros },
): Promise<NonNullable<Made['closed']>> {
  const { head, unhashed } = await readHead(client, schema, runId);
  const type = forkKinds[request.verb].closesWith!;
  const columns = { ...whoAndWhy(request), correlationId: forkId };
  const at = turnTime(head, now);
  const { events, status } = sealTurn(head, unhashed, { newEvents: [newEvent(0, type, columns)], at }, sha256);
  const event = events[0]!;
  await insertEvents(client, schema, runId, events);
  await writeClosed(client, schema, runId, status, event);
  // The fork reports to the parent.
  const isTold = await addToOutbox(client, schema, runId, false);
  return { runId, event, isTold };
}

/** The columns of an event that a person caused. */
function whoAndWhy({ reason, actor }: ForkRequest): Pick<HistoryEvent, 'reason' | 'source' | 'sourceId'> {
  return { reason, source: reason === null ? null : 'user', sourceId: actor };
}

async function insertEvents(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  events: readonly HistoryEvent[],
): Promise<void> {
  const rows = await EventRows.open(client, schema);
  for (const event of events) rows.add(runIdBytes(runId), event);
  await client.query(
    `insert into ${schema}.events (${eventColumns}) select ${eventColumns} from unnest($1::${schema}.new_event[]) as e`,
    [rows.take()],
  );
}

interface NewFork {
  readonly request: ForkRequest;
  readonly origin: Origin;
  readonly state: RunState;
  readonly events: readonly HistoryEvent[];
  readonly keepsParent: boolean;
}

/** Inserts the rows and events of the fork, and returns the queue that it waits in. */
async function insertFork(client: pg.ClientBase, schema: string, fork: NewFork): Promise<string> {
  const { request, origin, state, events, keepsParent } = fork;
  const { row, segments } = origin;
  const { runId, namespace, workflowId, workflowType, taskQueue, properties, chain, versioning } = state;
  const { memo, searchAttributes, searchAttributeTypes } = properties;
  const queue = prefixOf(effectiveVersioning(versioning)) + queueKey(namespace, taskQueue);
  await client.query(
    `insert into ${schema}.runs (run_id, namespace, workflow_id, workflow_type, task_queue, status, started_at, parent_run_id,
  forked_from, forked_seq, start_run_id, fork_request, memo, search_attributes, search_attribute_types)
values ($1, $2, $3, $4, $5, 'running', ${timeOf('$6')}, $7, $8, $9, $10, $11, $12::jsonb, nullif($13::jsonb, '{}'), nullif($14::jsonb, '{}'))`,
    [
      ...[runId, namespace, workflowId, workflowType, taskQueue, events[0]!.at],
      ...[keepsParent ? row.parent_run_id : null, row.run_id, request.point, segments[0]!.runId, request.requestId],
      memo === undefined || Object.keys(memo).length === 0 ? null : JSON.stringify(memo),
      ...[JSON.stringify(searchAttributes), JSON.stringify(searchAttributeTypes)],
    ],
  );
  await insertEvents(client, schema, runId, events);
  const deadline = chain?.deadline ?? null;
  // A claim must read the line, so it must not take the row for a new run.
  await client.query(
    `insert into ${schema}.ready (run_id, wake_at, queue, claimed, deadline)
values ($1, clock_timestamp(), $2, true, ${timeOf('$3')})`,
    [runId, queue, deadline],
  );
  return queue;
}

const answerCodes = [...closingTypes, 'ActivityAttemptStarted', ...linkTypes]
  .map((type) => eventCode[type as EventType])
  .join(', ');
/** Requests that end a run are settled with the run that they were sent to. */
const endingCodes = [eventCode.WorkflowRolledBack, eventCode.WorkflowRecovered, eventCode.WorkerLost].join(', ');

interface Moved {
  readonly forkId: string;
  readonly updates: readonly HistoryEvent[];
  /** The open run that the fork takes the place of. */
  readonly open: string | undefined;
  /** The last event that the histories of both have in common. */
  readonly common: number;
}

/** Gives the fork the updates to apply again, and then the unread mail of the run that it takes the place of. */
async function moveMail(
  client: pg.ClientBase,
  schema: string,
  { forkId, updates, open, common }: Moved,
): Promise<void> {
  for (const [index, { name, payload, correlationId, meta }] of updates.entries()) {
    await client.query(
      `insert into ${schema}.inbox (run_id, id, type, name, payload, correlation_id, meta)
values ($1, $2, ${eventCode.UpdateAccepted}, $3, $4, $5, $6::json)`,
      [forkId, index + 1, name, payload === null ? null : Buffer.from(payload), correlationId, meta],
    );
  }
  // Answers to what the fork has not done are deleted with the rows of the other run.
  await client.query(
    `with unread as materialized (
  select id, $3::int + row_number() over (order by id) as number from ${schema}.inbox
  where run_id = $2::uuid and type not in (${endingCodes})
    and (type not in (${answerCodes}) or coalesce(answers, (meta->>'seq')::int) <= $4::int)),
moved as (
  update ${schema}.inbox i set run_id = $1::uuid, id = u.number, owner = null from unread u where i.run_id = $2::uuid and i.id = u.id)
update ${schema}.ready set mail = $3::int + (select count(*) from unread) where run_id = $1::uuid`,
    [forkId, open ?? null, updates.length, common],
  );
}

/**
 * Gives the fork the tasks of activities that it has in common with the run that it takes the place of. An attempt that
 * a worker runs is offered once more; an activity that a client completes keeps its attempt, so its token stays valid.
 */
async function moveTasks(
  client: pg.ClientBase,
  schema: string,
  { forkId, open, common, begun }: Omit<Moved, 'updates'> & { readonly begun: readonly number[] },
): Promise<void> {
  if (open === undefined) return;
  await client.query(
    `with tasks as (
  update ${schema}.activity_tasks set run_id = $1, attempt = attempt + (worker is not null)::int, worker = null,
    due_at = case when worker is not null then clock_timestamp() else due_at end,
    started_at = case when worker is not null then null else started_at end,
    beat_at = case when worker is not null then null else beat_at end,
    deadline = case when worker is not null then close_by else deadline end
  where run_id = $2 and seq <= $3 and not (seq = any ($4::int[])))
update ${schema}.activity_heartbeats set run_id = $1 where run_id = $2 and seq <= $3`,
    [forkId, open, common, begun],
  );
}

/** `unsafe` activities that a worker has claimed, so that their effect is unknown once the claim is gone. */
async function claimedTasks(client: pg.ClientBase, schema: string, runId: string): Promise<number[]> {
  const { rows } = await client.query<{ seq: number }>(
    `select seq from ${schema}.activity_tasks where run_id = $1 and worker is not null order by seq`,
    [runId],
  );
  return rows.map(({ seq }) => seq);
}

/** The fork is from now on the answer to who goes on in place of these runs, and of all that they had taken over. */
async function takeOver(
  client: pg.ClientBase,
  schema: string,
  runIds: readonly string[],
  forkId: string,
): Promise<void> {
  await client.query(
    `with recursive up(run_id) as (
  select unnest($1::uuid[]) union select r.forked_from from up join ${schema}.runs r on r.run_id = up.run_id where r.forked_from is not null)
update ${schema}.runs r set taken_over_by = $2 from up
where r.run_id = up.run_id and (r.run_id = any ($1::uuid[]) or r.taken_over_by = any ($1::uuid[]))`,
    [runIds, forkId],
  );
}
