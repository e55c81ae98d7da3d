// Delivers what remains to be sent for closed runs: outcomes for their parents, the parent close policy for their
// children, and messages that the runs asked for. The transaction that closes a run writes its outbox row. The
// transaction that sends deletes the row.
import type pg from 'pg';
import { readStartMeta } from '../../core/run/start-meta.ts';
import { eventCode, type EventType } from '../../core/log/event.ts';
import { commonSeq, type LineSegment } from '../../core/log/line.ts';
import { type OpenChild, RunLinks } from '../../core/run/run-links.ts';
import { type ChildStart, childStart, openRunOfChild, type ParentRun, runExists } from '../runs/child-run.ts';
import { readForkStart, startedText, startRunId } from '../runs/start-facts.ts';
import type { Database } from '../sql/database.ts';
import { readRunVersioning } from '../deployments/deployments.ts';
import { readEventsAfter, readLinkEvents } from '../log/history.ts';
import { lineWithin } from '../log/line.ts';
import type { Message } from './inbox.ts';
import { copiesOf, heirOf } from './heirs.ts';
import { announce, asMail, receiverOf, type Sent, sendTo } from './run-messages.ts';
import { isContention, isDataRefusal } from '../sql/sqlstate.ts';
import { wakenAt } from '../sql/sql-text.ts';
import { type Placed, startWithin } from '../runs/start-with.ts';
import { transaction } from '../sql/transaction.ts';

/** The type of event in the parent's log, by the type of event that closed the child. */
const parentEvents: Partial<Record<EventType, EventType>> = {
  WorkflowCompleted: 'ChildWorkflowCompleted',
  WorkflowFailed: 'ChildWorkflowFailed',
  WorkflowCancelled: 'ChildWorkflowCancelled',
  WorkflowTimedOut: 'ChildWorkflowTimedOut',
  WorkflowTerminated: 'ChildWorkflowTerminated',
};

/**
 * Sends what remains to be sent for these runs, except for runs that another process is working on. Returns runs to try
 * again, because another session holds the row of a receiver.
 */
export async function deliverOutbox(database: Database, runIds: readonly string[]): Promise<string[]> {
  const failures: unknown[] = [];
  const busy: string[] = [];
  const notify = async (some: readonly string[]): Promise<void> => {
    try {
      const told = await notifyParents(database, some);
      announce(database, told.sent);
      busy.push(...told.busy);
    } catch (error) {
      if (!isDataRefusal(error)) throw error;
      // A parent that cannot take its message must not keep the others from theirs: bisect.
      if (some.length === 1) return void failures.push(error);
      const half = some.length >> 1;
      await notify(some.slice(0, half));
      await notify(some.slice(half));
    }
  };
  await notify(runIds);
  for (const runId of await withLinks(database, runIds)) {
    try {
      announce(database, await sendForClosedRun(database, runId));
    } catch (error) {
      // A failure must not stop the delivery for other runs. The reaper tries this run again.
      if (isContention(error)) busy.push(runId);
      else failures.push(error);
    }
  }
  if (failures.length > 0)
    throw new AggregateError(
      failures,
      `The outcome of ${failures.length} closed runs could not be sent; it will be tried again`,
    );
  return busy;
}

/** Returns those of the given runs that had children or messages under way. Each needs its own transaction. */
async function withLinks({ pool, schema }: Database, runIds: readonly string[]): Promise<string[]> {
  const { rows } = await pool.query<{ run_id: string }>({
    name: `reprise_outbox_links_${schema}`,
    text: `select run_id from ${schema}.outbox where run_id = any($1::uuid[]) and links order by run_id`,
    values: [runIds],
  });
  return rows.map((row) => row.run_id);
}

/**
 * Writes the outbox row in a transaction that closes a run without its code. Returns whether there is anything to send.
 */
export async function addToOutbox(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  isLastOfChain: boolean,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `insert into ${schema}.outbox (run_id, parent_run_id, parent_seq, links)
select run_id, parent, seq, links from (
  select r.run_id, case when $2 then (started.meta->'parent'->>'runId')::uuid end as parent,
    case when $2 then (started.meta->'parent'->>'seq')::int end as seq,
    exists (select from ${schema}.events l where l.run_id = $1 and l.type between $3 and $4)
    or r.start_run_id is not null and exists (select from ${schema}.line($1) g join ${schema}.events l
      on l.run_id = g.run_id and l.seq between g.first and g.last where l.type between $3 and $4) as links
  from ${schema}.runs r join ${schema}.events e on e.run_id = ${startRunId('r')} and e.seq = 1
  cross join lateral ${startedText(schema, 'r', 'e')} started where r.run_id = $1 and r.kind is null) o
where links or parent is not null`,
    [runId, isLastOfChain, eventCode.ChildWorkflowInitiated, eventCode.ExternalCancelFailed],
  );
  return rowCount === 1;
}

/** Delivers rows that a crash left behind, and rows whose delivery failed. */
export async function sweepOutbox(database: Database): Promise<void> {
  const { rows } = await database.pool.query<{ run_id: string }>({
    name: `reprise_outbox_${database.schema}`,
    text: `select run_id from ${database.schema}.outbox where made_at < clock_timestamp() - interval '1 second' order by made_at limit 100`,
  });
  if (rows.length > 0) {
    await deliverOutbox(
      database,
      rows.map((row) => row.run_id),
    );
  }
}

interface Told {
  readonly sent: readonly Sent[];
  readonly busy: string[];
}

/**
 * Notifies the parents of runs that had no links of their own, in one statement. Skips parents whose rows another
 * session holds, because waiting for one parent would delay the others.
 */
async function notifyParents(database: Database, runIds: readonly string[]): Promise<Told> {
  const { schema, pool } = database;
  const mailType = Object.entries(parentEvents)
    .map(([closing, told]) => `when ${eventCode[closing as EventType]} then ${eventCode[told]}`)
    .join(' ');
  const { rows } = await pool.query<{ run_id: string; owner: number | null; queue: string | null }>({
    name: `reprise_tell_parents_${schema}`,
    text: `with own as materialized (
  select run_id, parent_run_id as home, parent_seq from ${schema}.outbox where run_id = any($1::uuid[]) and not links
  order by run_id for update skip locked),
mine as materialized (
  select run_id, coalesce(${heirOf(schema, 'home', 'parent_seq')}, home) as parent_run_id, parent_seq from own
  union select own.run_id, w.run_id, own.parent_seq from own cross join lateral (${copiesOf(schema, 'own.home', 'own.parent_seq')}) w),
open as materialized (
  select run_id from ${schema}.ready where run_id = any(array(select parent_run_id from mine))),
parents as materialized (
  select run_id from ${schema}.ready where run_id = any(array(select parent_run_id from mine))
  order by run_id for no key update skip locked),
busy as materialized (
  select m.run_id from mine m join open o on o.run_id = m.parent_run_id
    where not exists (select from parents p where p.run_id = m.parent_run_id)),
gone as (delete from ${schema}.outbox o using mine where o.run_id = any($1::uuid[]) and o.run_id = mine.run_id
  and not exists (select from busy b where b.run_id = o.run_id)),
ends as materialized (
  select m.parent_run_id, m.parent_seq, m.run_id, e.type, e.payload, e.reason, e.meta, r.name,
    row_number() over (partition by m.parent_run_id order by m.run_id) as number
  from (select * from mine where not exists (select from busy b where b.run_id = mine.run_id)) m
  cross join lateral (select final_seq, workflow_type as name from ${schema}.runs where run_id = m.run_id limit 1) r
  cross join lateral (select type, payload, reason, meta from ${schema}.events where run_id = m.run_id and seq = r.final_seq limit 1) e),
told as (
  update ${schema}.ready r set mail = r.mail + c.count,
    wake_at = ${wakenAt}
  from parents p, (select parent_run_id, count(*)::int as count from ends group by parent_run_id) c
  where r.run_id = any(array(select parent_run_id from ends)) and r.run_id = p.run_id and c.parent_run_id = r.run_id
  returning r.run_id, r.mail - c.count as before, r.owner, r.queue),
sent as (
  insert into ${schema}.inbox (run_id, id, owner, type, name, payload, reason, correlation_id, meta, answers)
  select t.run_id, t.before + e.number, t.owner, case e.type ${mailType} end, e.name, e.payload, e.reason, e.run_id::text, e.meta, e.parent_seq
  from told t join ends e on e.parent_run_id = t.run_id)
select run_id, owner, queue from told union all select run_id, null, null from busy`,
    values: [runIds],
  });
  const sent: Sent[] = [];
  const busy: string[] = [];
  for (const { run_id: runId, owner, queue } of rows) {
    if (queue === null) busy.push(runId);
    else sent.push({ runId, delivery: { owner, queue } });
  }
  return { sent, busy };
}

interface Letter {
  readonly runId: string;
  readonly message: Message;
  /** The present receiver, if another run has succeeded the original receiver. */
  resolve(): Promise<string | undefined>;
}

/** Sends everything for a run that had children or messages under way, in one transaction. */
function sendForClosedRun({ pool, schema }: Database, runId: string): Promise<readonly Sent[]> {
  return transaction(pool, {}, async (client) => {
    const { rows } = await client.query<{ parent_run_id: string | null; parent_seq: number | null }>(
      `delete from ${schema}.outbox where run_id = $1 and links returning parent_run_id, parent_seq`,
      [runId],
    );
    return rows[0] === undefined ? [] : sendWithin(client, schema, runId, rows[0]);
  });
}

async function sendWithin(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  entry: { parent_run_id: string | null; parent_seq: number | null },
): Promise<readonly Sent[]> {
  const run = await closedRun(client, schema, runId);
  const letters: Letter[] = [];
  const started: Sent[] = [];
  for (const child of run.links.children.values()) {
    if (child.seq <= run.adoptedUpTo || child.seq <= run.watchedUpTo) continue;
    const { parentClose = 'TERMINATE' } = child.meta;
    if (parentClose === 'ABANDON') {
      if (!child.isStarted) started.push(...(await startLate(client, schema, run, child.seq)));
      continue;
    }
    const target = await openRunOfChild(client, schema, run, child);
    const resolve = (): Promise<string | undefined> => openRunOfChild(client, schema, run, child);
    if (target !== undefined) letters.push({ runId: target, message: farewell(parentClose), resolve });
  }
  for (const message of run.links.messages.values()) {
    if (message.seq <= run.adoptedUpTo) continue;
    const target = await receiverOf(client, schema, run, message);
    if (target === undefined) continue;
    const mail = asMail(message, await payloadAt(client, schema, runId, message.seq));
    letters.push({ runId: target, message: mail, resolve: () => receiverOf(client, schema, run, message) });
  }
  if (entry.parent_run_id !== null) {
    const message = await howItEnded(client, schema, runId, entry.parent_seq!);
    const parent = entry.parent_run_id;
    const resolve = async (): Promise<string | undefined> => {
      const { rows } = await client.query<{ heir: string | null }>(`select ${schema}.heir($1, $2) as heir`, [
        parent,
        entry.parent_seq,
      ]);
      return rows[0]?.heir ?? undefined;
    };
    letters.push({ runId: parent, message, resolve });
    const heir = await resolve();
    const { rows: copies } = await client.query<{ run_id: string }>(copiesOf(schema, '$1::uuid', '$2::int'), [
      parent,
      entry.parent_seq,
    ]);
    const nobody = async (): Promise<undefined> => undefined;
    for (const { run_id: copy } of copies) if (copy !== heir) letters.push({ runId: copy, message, resolve: nobody });
  }
  // Sorted by run id, so that two runs that write to each other lock their rows in the same order.
  letters.sort((a, b) => (a.runId < b.runId ? -1 : a.runId > b.runId ? 1 : 0));
  const sent: Sent[] = [];
  for (const { runId: target, message, resolve } of letters) {
    const received = await sendTo(client, schema, target, message, resolve);
    if (received === undefined) continue;
    sent.push(received);
    if (message.type === 'WorkflowTerminated') await endWithoutWorker(client, schema, received);
  }
  return [...started, ...sent];
}

/** Sets a deadline, so that the reaper terminates the child if no live worker polls its queue. */
async function endWithoutWorker(client: pg.ClientBase, schema: string, { runId, delivery }: Sent): Promise<void> {
  if (delivery.owner !== null) return;
  await client.query(`update ${schema}.ready set deadline = clock_timestamp() where run_id = $1`, [runId]);
}

function farewell(policy: 'TERMINATE' | 'REQUEST_CANCEL'): Message {
  if (policy === 'REQUEST_CANCEL') return { type: 'WorkflowCancelRequested' };
  return { type: 'WorkflowTerminated', reason: 'by parent close policy' };
}

interface ClosedRun extends Omit<ParentRun, 'versioning'> {
  readonly links: RunLinks;
  /** A fork that took the place of the run goes on with its children and messages up to this seq. */
  readonly adoptedUpTo: number;
  /** The children up to this seq are those of a run beside this one, of which it is a copy. */
  readonly watchedUpTo: number;
}

async function closedRun(client: pg.ClientBase, schema: string, runId: string): Promise<ClosedRun> {
  const [start] = await readEventsAfter(client, schema, runId, 0, 1);
  const isFork = start !== undefined && start.runId !== runId;
  const forked = isFork ? await readForkStart(client, schema, runId) : undefined;
  const { workflowId, namespace, taskQueue, root } = forked ?? readStartMeta(start);
  const links = new RunLinks();
  const line = isFork ? await lineWithin(client, schema, runId) : undefined;
  for (const event of await readLinkEvents(client, schema, runId, line)) links.record(event);
  const adoptedUpTo = await adoptedSeq(client, schema, runId);
  const watchedUpTo = line === undefined ? 0 : await watchedSeq(client, schema, runId, line);
  return { runId, line: line?.slice(0, -1), workflowId, namespace, taskQueue, root, links, adoptedUpTo, watchedUpTo };
}

/** The end of the part of the line whose runs the fork has not taken the place of. */
async function watchedSeq(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  line: readonly LineSegment[],
): Promise<number> {
  const ancestors = line.slice(0, -1);
  const { rows } = await client.query<{ run_id: string }>(
    `select run_id from ${schema}.runs where run_id = any($1::uuid[]) and taken_over_by = $2`,
    [ancestors.map((segment) => segment.runId), runId],
  );
  const taken = new Set(rows.map((row) => row.run_id));
  return ancestors.findLast((segment) => !taken.has(segment.runId))?.last ?? 0;
}

async function adoptedSeq(client: pg.ClientBase, schema: string, runId: string): Promise<number> {
  const { rows } = await client.query<{ heir: string | null }>(
    `select taken_over_by as heir from ${schema}.runs where run_id = $1`,
    [runId],
  );
  const heir = rows[0]?.heir ?? null;
  if (heir === null) return 0;
  return commonSeq(await lineWithin(client, schema, runId), await lineWithin(client, schema, heir));
}

/** Starts an abandoned child that its parent had requested but that was not started before the parent closed. */
async function startLate(client: pg.ClientBase, schema: string, run: ClosedRun, seq: number): Promise<readonly Sent[]> {
  const args = await payloadAt(client, schema, run.runId, seq);
  const child = run.links.children.get(seq)!;
  const parent = { ...run, versioning: await readRunVersioning(client, schema, run.runId) };
  const start = await childStart(client, schema, parent, { child, args: args ?? new Uint8Array() });
  if (await runExists(client, schema, start.run.runId)) return [];
  const placed = await startOrRefuse(client, schema, start);
  return typeof placed === 'string' ? [] : [{ runId: placed.runId, delivery: { owner: null, queue: start.run.queue } }];
}

/** Returns a reason when the database refuses the start. The parent is closed, so nobody needs to be told. */
async function startOrRefuse(client: pg.ClientBase, schema: string, start: ChildStart): Promise<Placed | string> {
  await client.query('savepoint reprise_late');
  try {
    return await startWithin(client, schema, start.run, { ...start, useExisting: false });
  } catch (error) {
    if (!isDataRefusal(error)) throw error;
    await client.query('rollback to savepoint reprise_late');
    return 'refused';
  }
}

/** Applies the parent close policy to a child that started after its parent had closed. */
export async function endOrphan(database: Database, parent: ParentRun, child: OpenChild): Promise<void> {
  const { schema, pool } = database;
  const { parentClose = 'TERMINATE' } = child.meta;
  if (parentClose === 'ABANDON') return;
  const { rows } = await pool.query<{ closed: boolean }>(
    `select closed_at is not null as closed from ${schema}.runs where run_id = $1`,
    [parent.runId],
  );
  if (rows[0]?.closed !== true) return;
  const sent = await transaction(pool, {}, async (client) => {
    const resolve = (): Promise<string | undefined> => openRunOfChild(client, schema, parent, child);
    const target = await resolve();
    const received = target && (await sendTo(client, schema, target, farewell(parentClose), resolve));
    if (received && parentClose === 'TERMINATE') await endWithoutWorker(client, schema, received);
    return received;
  });
  if (sent) announce(database, [sent]);
}

async function payloadAt(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  seq: number,
): Promise<Uint8Array | null> {
  const [event] = await readEventsAfter(client, schema, runId, seq - 1, seq);
  return event?.payload ?? null;
}

/** The end of a child, as its parent hears of it. */
export async function howItEnded(
  client: pg.ClientBase,
  schema: string,
  runId: string,
  answers: number,
): Promise<Message> {
  const { rows } = await client.query<{ final_seq: number; workflow_type: string }>(
    `select final_seq, workflow_type from ${schema}.runs where run_id = $1`,
    [runId],
  );
  const { final_seq: seq, workflow_type: name } = rows[0]!;
  const [last] = await readEventsAfter(client, schema, runId, seq - 1, seq);
  const { type, payload, reason, meta } = last!;
  return {
    type: parentEvents[type]!,
    name,
    answers,
    correlationId: runId,
    ...(payload === null ? {} : { payload }),
    ...(reason === null ? {} : { reason }),
    ...(meta === null ? {} : { meta }),
  };
}
