// Makes forks, each in one transaction: the fork's row and its first two turns, the end of an origin that it takes the
// place of, and everything on its way to that origin. A fork copies no event.
import type pg from 'pg';
import { type ErrorCode, RuntimeError } from '../../core/failure/runtime-error.ts';
import { eventCode, type EventType, type HistoryEvent, type Micros } from '../../core/log/event.ts';
import { commonSeq, lineUpTo } from '../../core/log/line.ts';
import { newEvent } from '../../core/log/new-event.ts';
import { closesRun } from '../../core/log/transition.ts';
import { checkUnsafeEffects, effectsIn } from '../../core/recovery/effects.ts';
import { type ForkGround, type ForkPlan, type ForkRequest, planFork } from '../../core/recovery/fork-plan.ts';
import { forkKinds } from '../../core/recovery/fork-verbs.ts';
import { planReplay } from '../../core/recovery/replay-plan.ts';
import { sealFork } from '../../core/recovery/seal-fork.ts';
import { inheritedMeta } from '../../core/run/chain.ts';
import { readForkedMeta } from '../../core/run/forked-meta.ts';
import { RunState } from '../../core/run/run-state.ts';
import { sealTurn, turnTime } from '../../core/run/seal-turn.ts';
import { sha256 } from '../codec/sha256.ts';
import { readOpenEventsWithin, readTail } from '../log/history.ts';
import { lineWithin } from '../log/line.ts';
import { childEnds } from '../messages/child-ends.ts';
import { addToOutbox, deliverOutbox } from '../messages/outbox.ts';
import type { Database } from '../sql/database.ts';
import { isUniqueViolation } from '../sql/sqlstate.ts';
import { microsOf } from '../sql/sql-text.ts';
import { transaction } from '../sql/transaction.ts';
import { readHead } from './close-run.ts';
import { deleteOpenRows, writeClosed } from './closed-run.ts';
import { checkFree, headAt, type Origin, readOrigin } from './fork-origin.ts';
import { begunTasks, insertEvents, insertFork, moveMail, moveTasks, takeOver } from './fork-rows.ts';
import { forkRunId, newSeed } from './run-id.ts';
import type { RunRow } from './run-row.ts';

/** `owned`: a worker owns this open run, so its owner must make the fork. */
export type ForkOutcome =
  | { readonly runId: string; readonly isNew: boolean }
  | { readonly owned: string; readonly epoch: number };

/** True when nobody can make this fork, or somebody has: the run is as it was. */
export function isRefusedFork(error: unknown): boolean {
  return isUniqueViolation(error) || (error instanceof RuntimeError && refusals.has(error.code));
}

const refusals: ReadonlySet<string> = new Set<ErrorCode>([
  'INVALID_INPUT',
  'RUN_NOT_FOUND',
  'RUN_ALREADY_STARTED',
  'UNSAFE_EFFECTS',
]);

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

/**
 * Fails as making the fork would, and changes nothing. `open`: the run that the fork takes the place of.
 * @throws RuntimeError
 */
export async function checkFork({ pool, schema }: Database, request: ForkRequest, open: string): Promise<void> {
  await transaction(
    pool,
    {},
    async (client) => {
      const row = await originRow(client, schema, request.runId);
      await prepareFork(client, schema, { request, row, open, isClosed: true });
    },
    () => false,
  );
}

/** Whether the owner of the run has not handled the request yet. */
export async function isForkWaiting({ pool, schema }: Database, runId: string, requestId: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `select from ${schema}.inbox where run_id = $1 and correlation_id = $2 and type in (${eventCode.WorkflowRolledBack}, ${eventCode.WorkflowRecovered})`,
    [runId, requestId],
  );
  return rowCount !== 0;
}

/** The id that a fork made now would have. */
export async function proposedForkId({ pool, schema }: Database, request: ForkRequest): Promise<string> {
  const session = await pool.connect();
  try {
    return (await identityOf(session, schema, request, await originRow(session, schema, request.runId))).runId;
  } finally {
    session.release();
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
  // The id that an owner would use may be too old by now.
  const { forkId: _forkId, ...anew } = request;
  return createFork(client, schema, { request: anew, row, open, isClosed: false });
}

/**
 * Makes the fork in the transaction in which the owner has just closed the run that the fork takes the place of.
 * Returns the queue of the fork. @throws RuntimeError when the fork is not possible
 */
export async function forkClosed(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  request: ForkRequest,
): Promise<string> {
  const row = await originRow(client, schema, request.runId);
  const { queue } = await createFork(client, schema, { request, row, open: runId, isClosed: true });
  await deleteOpenRows(client, schema, runId);
  return queue!;
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
  /** The caller closes `open` itself. */
  readonly isClosed: boolean;
}

/** A fork that is possible and not written yet. */
interface Prepared {
  readonly origin: Origin;
  readonly forkId: string;
  readonly now: Micros;
  readonly plan: ForkPlan;
  readonly state: RunState;
  readonly events: readonly HistoryEvent[];
  readonly keepsParent: boolean;
}

/** Plans the fork and checks all that may forbid it. @throws RuntimeError when the fork is not possible */
async function prepareFork(client: pg.ClientBase, schema: string, { request, row, open }: Fork): Promise<Prepared> {
  const origin = await readOrigin(client, schema, row, open);
  const tail = await readTail(client, schema, origin.segments, request.point);
  const { replay } = request;
  // A replay enters no call again without permission.
  if (replay === undefined) checkUnsafeEffects(row.run_id, effectsIn(tail), request.allowEffects);
  const { head, unhashed } = await headAt(client, schema, origin, request.point);
  const { runId: forkId, seed, now } = await identityOf(client, schema, request, row);
  const keepsParent = await takesParent(client, schema, origin, request);
  const upTo = lineUpTo(origin.segments, request.point);
  const prefix = await readOpenEventsWithin(client, schema, upTo);
  const state = RunState.of(forkId, prefix);
  const earlier = [...prefix, ...tail].findLast(({ type }) => type === 'WorkflowForked');
  const ground: ForkGround = {
    ...{ request, forkId, seed, state, origin, keepsParent },
    earlier: earlier === undefined ? undefined : readForkedMeta(earlier).start,
    tail: tail.filter(({ type }) => !isEnd(type)),
    ...(request.verb === 'fork' ? { childEnds: await childEnds(client, schema, origin, state) } : {}),
    begunTasks: open === undefined ? [] : await begunTasks(client, schema, open),
    isOpen: row.closed_at === null,
  };
  const plan = replay === undefined ? planFork(ground) : planReplay(ground, replay);
  const base = { head: { ...head, runId: forkId, line: plan.line }, unhashed };
  // A replay lives in the time of its record.
  const events = sealFork(base, plan, replay === undefined ? now : head.at, sha256);
  for (const event of events) state.apply(event);
  checkDeadline(state, now);
  if (request.verb === 'fork') await checkFree(client, schema, state);
  return { origin, forkId, now, plan, state, events, keepsParent };
}

async function createFork(client: pg.ClientBase, schema: string, fork: Fork): Promise<Made> {
  const { request, row, open, isClosed } = fork;
  const { origin, forkId, now, plan, state, events, keepsParent } = await prepareFork(client, schema, fork);
  const closed =
    open === undefined || isClosed ? undefined : await closeRun(client, schema, { request, runId: open, forkId, now });
  const queue = await insertFork(client, schema, { request, origin, state, events, keepsParent });
  const common = open === undefined ? 0 : commonSeq(await lineWithin(client, schema, open), plan.line);
  await moveMail(client, schema, { forkId, again: plan.again, open, common, history: origin.segments });
  await moveTasks(client, schema, { forkId, open, common, begun: plan.begun, pending: state.activities.values() });
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

function isEnd(type: EventType): boolean {
  return type === 'PayloadErased' || closesRun(type);
}

async function identityOf(
  client: pg.ClientBase,
  schema: string,
  { requestId, runId, forkId: given }: ForkRequest,
  { namespace, workflow_id: workflowId }: RunRow,
): Promise<{ runId: string; seed: string; now: Micros }> {
  const { rows } = await client.query<{ now: string; latest: string | null }>(
    `select ${microsOf('clock_timestamp()')} as now, (select run_id from ${schema}.runs where namespace = $1 and workflow_id = $2 order by run_id desc limit 1) as latest`,
    [namespace, workflowId],
  );
  const { latest } = rows[0]!;
  const now = Number(rows[0]!.now);
  const forkId = given ?? forkRunId(requestId, runId, { after: latest ?? runId, nowMs: now / 1000 });
  return { runId: forkId, seed: newSeed(), now };
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
