// Ends a run without an owner, by termination or timeout. That needs no workflow code, so the caller does it in one
// short transaction. The locked ready row keeps claims away, as ownership would.
import type pg from 'pg';
import type { FailedMeta } from '../../core/log/activation.ts';
import { readStartMeta } from '../../core/run/start-meta.ts';
import { chainRules, succession } from '../../core/run/chain.ts';
import { eventCode, type HistoryEvent, type Micros } from '../../core/log/event.ts';
import { newEvent } from '../../core/log/new-event.ts';
import { type LogHead, sealTurn, turnTime } from '../../core/run/seal-turn.ts';
import { type ContinuedRun, continueRun, nextRunOf, placeOfNext } from './continue-run.ts';
import { sha256 } from '../codec/sha256.ts';
import { RunState } from '../../core/run/run-state.ts';
import type { Database } from '../sql/database.ts';
import { transaction } from '../sql/transaction.ts';
import { microsOf, timeOf } from '../sql/sql-text.ts';
import { deleteOpenRows, writeClosed } from './closed-run.ts';
import { readRunVersioning } from '../deployments/deployments.ts';
import { addToOutbox, deliverOutbox } from '../messages/outbox.ts';
import { readEventsAfter } from '../log/history.ts';
import { isTriable } from '../ownership/quarantine.ts';

/**
 * `ended`: the run is closed now. `owned`: a worker owns the run, send it a message instead. `closed`: the run is not
 * open.
 */
export type EndResult = 'ended' | 'owned' | 'closed';

/** Why a run is ended, and who does it. */
interface Ending {
  readonly reason: string | null;
  readonly actor: string | null;
}

export function terminateUnowned(
  database: Database,
  runId: string,
  reason: string | null,
  actor: string | null = null,
): Promise<EndResult> {
  return endUnowned(database, runId, { type: 'WorkflowTerminated', reason, actor });
}

/** Closes runs without an owner whose deadline has passed, in any queue. */
export async function endOverdue(database: Database): Promise<void> {
  const { rows } = await database.pool.query<{ run_id: string }>({
    name: `reprise_overdue_${database.schema}`,
    text: `select run_id from ${database.schema}.ready where deadline <= clock_timestamp() and owner is null
  and ${isTriable(database.schema, 'clock_timestamp()')} order by deadline limit 100`,
  });
  const failures: unknown[] = [];
  for (const { run_id: runId } of rows) {
    // A failure must not keep other runs from ending.
    await endUnowned(database, runId, { type: 'WorkflowTimedOut', reason: null, actor: null }).catch(
      (error: unknown) => {
        failures.push(error);
      },
    );
  }
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} runs could not be ended`);
}

interface End extends Ending {
  readonly type: 'WorkflowTerminated' | 'WorkflowTimedOut';
}

interface Ended {
  readonly event: HistoryEvent;
  /** Queue of the successor; undefined without one. */
  readonly queue: string | undefined;
  /** True if other runs must learn that this run has closed. */
  readonly isTold: boolean;
}

/** @throws lock_not_available when another session holds the run's row */
async function endUnowned(database: Database, runId: string, asked: End): Promise<EndResult> {
  const ended = await transaction(
    database.pool,
    {},
    (client) => endWithin(client, database.schema, runId, asked),
    (result) => typeof result !== 'string',
  );
  if (typeof ended === 'string') return ended;
  const { event, queue, isTold } = ended;
  const { type, reason, correlationId } = event;
  const outcome = { type, payload: null, reason, ...(correlationId === null ? {} : { next: correlationId }) };
  database.local.emit('closed', runId, { ...outcome, ...(JSON.parse(event.meta ?? '{}') as Partial<FailedMeta>) });
  database.notifier.closed(runId);
  if (queue !== undefined) database.notifier.wake(queue);
  // If the delivery fails, the reaper repeats it.
  if (isTold) void deliverOutbox(database, [runId]).catch(() => undefined);
  return 'ended';
}

async function endWithin(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  asked: End,
): Promise<Ended | 'owned' | 'closed'> {
  const { rows } = await client.query<{ owner: number | null; now: string }>(
    `select owner, ${microsOf('clock_timestamp()')} as now from ${schema}.ready where run_id = $1 for no key update ${asked.type === 'WorkflowTimedOut' ? 'skip locked' : ''}`,
    [runId],
  );
  const row = rows[0];
  if (row === undefined) return 'closed';
  if (row.owner !== null) return 'owned';
  const { type, reason, actor } =
    asked.type === 'WorkflowTimedOut' ? await askedByMail(client, schema, runId, asked) : asked;
  const { head, unhashed } = await readHead(client, schema, runId);
  const at = turnTime(head, Number(row.now));
  const followed = type === 'WorkflowTimedOut' ? await timedOut(client, schema, runId, at) : undefined;
  const source = actor !== null && reason !== null ? ('user' as const) : null;
  const columns = {
    source,
    sourceId: actor,
    reason,
    meta: followed?.meta ?? null,
    correlationId: followed?.next?.runId ?? null,
  };
  const { events, status } = sealTurn(head, unhashed, { newEvents: [newEvent(0, type, columns)], at }, sha256);
  const event = events[0]!;
  await client.query(
    `insert into ${schema}.events (run_id, at, seq, type, reason, correlation_id, meta, hash, source, source_id)
values ($1, ${timeOf('$2')}, $3, ${eventCode[type]}, $4, $5, $6, $7, $8, $9)`,
    [runId, at, event.seq, event.reason, event.correlationId, event.meta, Buffer.from(event.hash!), source, actor],
  );
  await writeClosed(client, schema, runId, status, event);
  const queue = followed?.next === undefined ? undefined : await continueRun(client, schema, runId, followed.next);
  const isTold = await addToOutbox(client, schema, runId, queue === undefined);
  await deleteOpenRows(client, schema, runId);
  return { event, queue, isTold };
}

/** The mail of a due run may hold a termination by the parent close policy, which takes precedence over a timeout. */
async function askedByMail(client: pg.ClientBase, schema: string, runId: string, otherwise: End): Promise<End> {
  const { rows } = await client.query<Ending>(
    `select reason, source_id as actor from ${schema}.inbox where run_id = $1 and type = ${eventCode.WorkflowTerminated} order by id limit 1`,
    [runId],
  );
  return rows[0] === undefined ? otherwise : { type: 'WorkflowTerminated', ...rows[0] };
}

/** The successor of a run that timed out: the next attempt, or the next run of the schedule. */
async function timedOut(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  at: Micros,
): Promise<{ meta: string | null; next: ContinuedRun | undefined } | undefined> {
  const [started] = await readEventsAfter(client, schema, runId, 0, 1);
  const rules =
    started!.runId === runId
      ? chainRules(readStartMeta(started), started!.at)
      : RunState.of(runId, await readEventsAfter(client, schema, runId, 0)).chain;
  if (rules === undefined) return undefined;
  const { next, failed } = succession(rules, { type: 'WorkflowTimedOut', payload: null, at });
  const versioning = next === undefined ? undefined : await readRunVersioning(client, schema, runId);
  return {
    meta: failed === undefined ? null : JSON.stringify(failed),
    next: next === undefined ? undefined : nextRunOf(started!.name ?? '', next, placeOfNext(next, versioning)),
  };
}

/** The end of a run's log, and the events that no hash covers yet, in the caller's transaction. */
export async function readHead(
  client: pg.ClientBase,
  schema: string,
  runId: string,
): Promise<{ head: LogHead; unhashed: HistoryEvent[] }> {
  const { rows } = await client.query<{ seq: number | null }>(
    `select max(seq) as seq from ${schema}.events where run_id = $1 and hash is not null`,
    [runId],
  );
  const hashed = rows[0]?.seq ?? 0;
  const events = await readEventsAfter(client, schema, runId, hashed - 1);
  const hash = hashed === 0 ? new Uint8Array(0) : events[0]!.hash!;
  const { seq, at } = events.at(-1) ?? { seq: 0, at: 0 };
  return { head: { runId, seq, at, hash }, unhashed: hashed === 0 ? events : events.slice(1) };
}
