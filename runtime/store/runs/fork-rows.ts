// The rows of a fork, and what moves to it from the run that it takes the place of. All in the transaction that makes
// the fork.
import type pg from 'pg';
import type { PendingActivity } from '../../core/activity/pending-activity.ts';
import { closingTypes, linkTypes } from '../../core/log/event-groups.ts';
import { type EventType, eventCode, type HistoryEvent, type NewEvent } from '../../core/log/event.ts';
import type { LineSegment } from '../../core/log/line.ts';
import type { ForkRequest } from '../../core/recovery/fork-plan.ts';
import { replayQueuePrefix } from '../../core/recovery/replay-plan.ts';
import { effectiveVersioning, prefixOf, queueKey } from '../../core/run/deployment.ts';
import { longestMs } from '../../core/options/duration.ts';
import type { RunState } from '../../core/run/run-state.ts';
import { eventColumns, EventRows } from '../codec/event-rows.ts';
import { timestampArray } from '../codec/pg-binary.ts';
import { rowsOf } from '../log/line.ts';
import { timeOf } from '../sql/sql-text.ts';
import type { Origin } from './fork-origin.ts';
import { runIdBytes } from './run-id.ts';

export async function insertEvents(
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

export interface NewFork {
  readonly request: ForkRequest;
  readonly origin: Origin;
  readonly state: RunState;
  readonly events: readonly HistoryEvent[];
  readonly keepsParent: boolean;
}

/** Inserts the rows and events of the fork, and returns the queue that it waits in. */
export async function insertFork(client: pg.ClientBase, schema: string, fork: NewFork): Promise<string> {
  const { request, origin, state, events, keepsParent } = fork;
  const { row, segments } = origin;
  const { runId, namespace, workflowId, workflowType, taskQueue, properties, chain, versioning } = state;
  const { memo, searchAttributes, searchAttributeTypes } = properties;
  const isReplay = state.replay !== undefined;
  const queue =
    (isReplay ? replayQueuePrefix : '') + prefixOf(effectiveVersioning(versioning)) + queueKey(namespace, taskQueue);
  await client.query(
    `insert into ${schema}.runs (run_id, namespace, workflow_id, workflow_type, task_queue, status, started_at, parent_run_id,
  forked_from, forked_seq, start_run_id, fork_request, kind, memo, search_attributes, search_attribute_types)
values ($1, $2, $3, $4, $5, 'running', ${timeOf('$6')}, $7, $8, $9, $10, $11, $12, $13::jsonb, nullif($14::jsonb, '{}'), nullif($15::jsonb, '{}'))`,
    [
      ...[runId, namespace, workflowId, workflowType, taskQueue, events[0]!.at],
      ...[keepsParent ? row.parent_run_id : null, row.run_id, request.point, segments[0]!.runId, request.requestId],
      isReplay ? 'replay' : null,
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

const messageCodes = [eventCode.SignalReceived, eventCode.UpdateAccepted, eventCode.ContextPatched].join(', ');

interface Moved {
  readonly forkId: string;
  readonly again: readonly NewEvent[];
  /** The line of the origin. */
  readonly history: readonly LineSegment[];
  /** The open run that the fork takes the place of. */
  readonly open: string | undefined;
  /** The last event that the histories of both have in common. */
  readonly common: number;
}

/**
 * Gives the fork the messages to apply again, and then the unread mail of the run that it takes the place of. What that
 * run was to apply again from the same history is left out.
 */
export async function moveMail(
  client: pg.ClientBase,
  schema: string,
  { forkId, again, open, common, history }: Moved,
): Promise<void> {
  for (const [index, { type, name, payload, ops, source, sourceId, reason, correlationId, meta }] of again.entries()) {
    await client.query(
      `insert into ${schema}.inbox (run_id, id, type, name, payload, correlation_id, meta, ops, source, source_id, reason)
values ($1, $2, $3, $4, $5, $6, $7::json, $8::json, $9, $10, $11)`,
      [
        ...[forkId, index + 1, eventCode[type], name, payload === null ? null : Buffer.from(payload), correlationId],
        ...[meta, ops, source, sourceId, reason],
      ],
    );
  }
  // Answers to what the fork has not done are deleted with the rows of the other run.
  await client.query(
    `with unread as materialized (
  select id, $3::int + row_number() over (order by id) as number from ${schema}.inbox i
  where i.run_id = $2::uuid and i.type not in (${endingCodes})
    and (i.type not in (${answerCodes}) or coalesce(i.answers, (i.meta->>'seq')::int) <= $4::int)
    and (i.meta->'from' is null or not exists (select from ${rowsOf(schema, history)} and events.type in (${messageCodes})
      and ((events.run_id = (i.meta->'from'->>'runId')::uuid and events.seq = (i.meta->'from'->>'seq')::int)
        or events.meta->>'from' = i.meta->>'from')))),
moved as (
  update ${schema}.inbox i set run_id = $1::uuid, id = u.number, owner = null from unread u where i.run_id = $2::uuid and i.id = u.id)
update ${schema}.ready set mail = $3::int + (select count(*) from unread) where run_id = $1::uuid`,
    [forkId, open ?? null, again.length, common],
  );
}

interface MovedTasks extends Omit<Moved, 'again' | 'history'> {
  readonly begun: readonly number[];
  /** The fork's pending activities, whose time limits start again. */
  readonly pending: Iterable<PendingActivity>;
}

/**
 * Gives the fork the tasks of activities that it has in common with the run that it takes the place of. An attempt that
 * a worker runs is offered once more; an activity that a client completes keeps its attempt, so its token stays valid.
 * Arguments that a person edited behind the point are dropped.
 */
export async function moveTasks(
  client: pg.ClientBase,
  schema: string,
  { forkId, open, common, begun, pending }: MovedTasks,
): Promise<void> {
  if (open === undefined) return;
  const limited = [...pending].filter(({ options }) => options.s2c !== undefined && options.s2c <= longestMs);
  const closeBy = limited.map(({ limitsFrom, options }) => limitsFrom + options.s2c! * 1000);
  await client.query(
    `with limits as materialized (select * from unnest($5::int[], $6::timestamptz[]) as l(seq, close_by)),
tasks as (
  update ${schema}.activity_tasks t set run_id = $1, attempt = attempt + (worker is not null)::int, worker = null,
    args_seq = case when args_seq <= $3 then args_seq end,
    due_at = case when worker is not null then clock_timestamp() else due_at end,
    started_at = case when worker is not null then null else started_at end,
    beat_at = case when worker is not null then null else beat_at end,
    close_by = (select l.close_by from limits l where l.seq = t.seq),
    deadline = least((select l.close_by from limits l where l.seq = t.seq),
      case when worker is null then nullif(deadline, close_by) end)
  where run_id = $2 and seq <= $3 and not (seq = any ($4::int[])))
update ${schema}.activity_heartbeats set run_id = $1 where run_id = $2 and seq <= $3`,
    [forkId, open, common, begun, limited.map(({ seq }) => seq), timestampArray(closeBy)],
  );
}

/** `unsafe` activities that have begun on another worker, so that their effect is unknown once the task is gone. */
export async function begunTasks(client: pg.ClientBase, schema: string, runId: string): Promise<number[]> {
  const { rows } = await client.query<{ seq: number }>(
    `select seq from ${schema}.activity_tasks where run_id = $1 and unsafe order by seq`,
    [runId],
  );
  return rows.map(({ seq }) => seq);
}

/** The fork is from now on the answer to who goes on in place of these runs, and of all that they had taken over. */
export async function takeOver(
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
