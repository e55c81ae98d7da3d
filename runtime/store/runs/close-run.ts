// Ends a run without an owner, by termination or timeout. That needs no workflow code, so the caller does it in one
// short transaction. The locked ready row keeps claims away, as ownership would.
import { setTimeout } from 'node:timers/promises';
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
import { isLockTimeout } from '../sql/sqlstate.ts';
import { transaction } from '../sql/transaction.ts';
import { microsOf, timeOf } from '../sql/sql-text.ts';
import { deleteOpenRows, writeClosed } from './closed-run.ts';
import { readRunVersioning } from '../deployments/deployments.ts';
import { addToOutbox, deliverOutbox } from '../messages/outbox.ts';
import { readEventsAfter } from '../log/history.ts';
import { declareDead } from '../ownership/lease.ts';
import { isTriable } from '../ownership/quarantine.ts';

/**
 * `ended`: the run is closed now. `owned`: a worker owns the run, send it a message instead. `closed`: the run is not
 * open.
 */
export type EndResult = 'ended' | 'owned' | 'closed';

export function terminateUnowned(database: Database, runId: string, reason: string | null): Promise<EndResult> {
  return endUnowned(database, runId, { type: 'WorkflowTerminated', reason });
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
    await endUnowned(database, runId, { type: 'WorkflowTimedOut', reason: null }).catch((error: unknown) => {
      failures.push(error);
    });
  }
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} runs could not be ended`);
}

interface End {
  readonly type: 'WorkflowTerminated' | 'WorkflowTimedOut';
  readonly reason: string | null;
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
  const { type, reason } = asked.type === 'WorkflowTimedOut' ? await askedByMail(client, schema, runId, asked) : asked;
  const { head, unhashed } = await readHead(client, schema, runId);
  const at = turnTime(head, Number(row.now));
  const followed = type === 'WorkflowTimedOut' ? await timedOut(client, schema, runId, at) : undefined;
  const columns = { reason, meta: followed?.meta ?? null, correlationId: followed?.next?.runId ?? null };
  const { events, status } = sealTurn(head, unhashed, { newEvents: [newEvent(0, type, columns)], at }, sha256);
  const event = events[0]!;
  await client.query(
    `insert into ${schema}.events (run_id, at, seq, type, reason, correlation_id, meta, hash)
values ($1, ${timeOf('$2')}, $3, ${eventCode[type]}, $4, $5, $6, $7)`,
    [runId, at, event.seq, event.reason, event.correlationId, event.meta, Buffer.from(event.hash!)],
  );
  await writeClosed(client, schema, runId, status, event);
  const queue = followed?.next === undefined ? undefined : await continueRun(client, schema, runId, followed.next);
  const isTold = await addToOutbox(client, schema, runId, queue === undefined);
  await deleteOpenRows(client, schema, runId);
  return { event, queue, isTold };
}

/** The mail of a due run may hold a termination by the parent close policy, which takes precedence over a timeout. */
async function askedByMail(client: pg.ClientBase, schema: string, runId: string, otherwise: End): Promise<End> {
  const { rows } = await client.query<{ reason: string | null }>(
    `select reason from ${schema}.inbox where run_id = $1 and type = ${eventCode.WorkflowTerminated} order by id limit 1`,
    [runId],
  );
  return rows[0] === undefined ? otherwise : { type: 'WorkflowTerminated', reason: rows[0].reason };
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

/** The end of a run's log, in the caller's transaction. */
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

const orphanPollMs = 500;
/** Wait after a lease has expired before declaring the owner dead, because a stalled database also stops heartbeats. */
const orphanSilenceMs = 5_000;

/**
 * Terminates a run if its owner has died. Waits until `signal` aborts, or until the owner's lease has been expired for
 * `orphanSilenceMs`. Then it declares the owner dead itself, because there may be no worker to do so.
 */
export async function terminateOrphan(
  database: Database,
  runId: string,
  reason: string | null,
  signal: AbortSignal,
): Promise<void> {
  let silentSince: { epoch: number; beat: string; at: number } | undefined;
  while (!signal.aborted) {
    const { rows } = await database.pool.query<{ epoch: number; beat: string | null; over: boolean }>(
      `select r.owner as epoch, l.beat_at::text as beat, coalesce(l.expires_at < clock_timestamp(), true) as over
       from ${database.schema}.ready r left join ${database.schema}.leases l on l.epoch = r.owner where r.run_id = $1`,
      [runId],
    );
    const [row] = rows;
    if (row === undefined) return;
    const beat = row.beat ?? '';
    if (row.epoch === null || !row.over) silentSince = undefined;
    else if (silentSince?.epoch !== row.epoch || silentSince.beat !== beat) {
      silentSince = { epoch: row.epoch, beat, at: performance.now() };
    } else if (performance.now() - silentSince.at > orphanSilenceMs) {
      await declareDead(database, row.epoch, 'lease expired');
    }
    if (row.epoch === null || performance.now() - (silentSince?.at ?? Number.POSITIVE_INFINITY) > orphanSilenceMs) {
      // If another session holds the row, the next round tries again.
      const result = await terminateUnowned(database, runId, reason).catch((error: unknown) => {
        if (!isLockTimeout(error)) throw error;
      });
      if (result === 'ended' || result === 'closed') return;
    }
    await setTimeout(orphanPollMs, undefined, { signal }).catch(() => undefined);
  }
}
