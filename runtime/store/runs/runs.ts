// Reads of runs for people and programs: their rows, how they ended, and what an open one waits for.
import type { RunRow } from './run-row.ts';
import type { StartedMeta } from '../../core/run/start-meta.ts';
import { type EventType, eventCode, eventTypeOf } from '../../core/log/event.ts';
import type { QuarantineInfo } from '../../core/run/quarantine-info.ts';
import { type TaskFailureColumns, type TaskFailureInfo, taskFailureInfo } from '../../core/run/task-failure-info.ts';
import { type RemoteTask, tasksOfRun } from '../activities/activity-tasks.ts';
import type { ClosedOutcome, Database } from '../sql/database.ts';
import { countPollers } from '../ownership/pollers.ts';
import { readQuarantine } from '../ownership/quarantine.ts';

/** The latest run of a workflow id; undefined when there is none. */
export async function findRun(database: Database, namespace: string, workflowId: string): Promise<RunRow | undefined> {
  const { rows } = await database.pool.query<RunRow>(
    `select * from ${database.schema}.runs where namespace = $1 and workflow_id = $2 order by run_id desc limit 1`,
    [namespace, workflowId],
  );
  return rows[0];
}

export async function getRun(database: Database, runId: string): Promise<RunRow | undefined> {
  const { rows } = await database.pool.query<RunRow>(`select * from ${database.schema}.runs where run_id = $1`, [
    runId,
  ]);
  return rows[0];
}

/** `meta` of the run's start. */
export async function readStartedMeta(database: Database, runId: string): Promise<Partial<StartedMeta>> {
  const { rows } = await database.pool.query<{ meta: Partial<StartedMeta> | null }>(
    `select meta from ${database.schema}.events where run_id = $1 and seq = 1`,
    [runId],
  );
  return rows[0]?.meta ?? {};
}

const followedTypes: readonly EventType[] = [
  'WorkflowContinuedAsNew',
  'WorkflowCompleted',
  'WorkflowFailed',
  'WorkflowTimedOut',
];

/** The run that a closed one continued as, or that follows it as its next attempt or time; undefined when there is none. */
export async function nextRun(database: Database, runId: string): Promise<RunRow | undefined> {
  const { schema, pool } = database;
  const { rows } = await pool.query<RunRow>(
    // Only then a uuid: other events have other ids there.
    `select n.* from ${schema}.runs r
cross join lateral (select case when e.type = any($2::int[]) then e.correlation_id::uuid end as id
  from ${schema}.events e where e.run_id = r.run_id and e.seq = r.final_seq limit 1) next
join ${schema}.runs n on n.run_id = next.id where r.run_id = $1 and r.closed_at is not null`,
    [runId, followedTypes.map((type) => eventCode[type])],
  );
  return rows[0];
}

/** How each of these runs ended; open ones are left out. */
export async function readOutcomes(database: Database, runIds: readonly string[]): Promise<Map<string, ClosedOutcome>> {
  const { schema, pool } = database;
  const { rows } = await pool.query<OutcomeRow>({
    name: `reprise_outcomes_${schema}`,
    // One look into each index for each run: a join could be planned as a scan of the whole log.
    text: `select r.run_id, e.type, e.payload, e.reason, e.next, e.retry_state from unnest($1::uuid[]) as given(run_id)
cross join lateral (
  select run_id, final_seq from ${schema}.runs where run_id = given.run_id and closed_at is not null limit 1) r
cross join lateral (
  select type, payload, reason, correlation_id as next, meta->>'retryState' as retry_state
  from ${schema}.events where run_id = r.run_id and seq = r.final_seq limit 1) e`,
    values: [runIds],
  });
  return new Map(
    rows.map(({ run_id, type, payload, reason, next, retry_state: retryState }) => [
      run_id,
      {
        type: eventTypeOf(type),
        payload,
        reason,
        ...(next === null ? {} : { next }),
        ...(retryState === null ? {} : { retryState }),
      },
    ]),
  );
}

interface OutcomeRow {
  run_id: string;
  type: number;
  payload: Buffer | null;
  reason: string | null;
  next: string | null;
  retry_state: string | null;
}

export interface OpenState {
  /** Last event's seq, by the log. */
  readonly historyLength: number;
  /** What `patched` decided for, sorted. */
  readonly changes: readonly string[];
  /** Bytes of its events, about. */
  readonly historySize: number;
  /** Epoch of the worker that has the run in memory. */
  readonly owner: number | null;
  readonly wakeAt: Date | null;
  readonly unreadMail: number;
  /** Live workers that could take the run. */
  readonly pollers: number;
  readonly pendingActivities: readonly {
    seq: number;
    activityId: string;
    type: string;
    attempt: number;
    lastFailure: string | null;
    unknownEffect: boolean;
    /** Of one that the run's owner does not execute itself. */
    remote?: RemoteTask;
  }[];
  /** The failed workflow task that the run stands at, if it does. */
  readonly taskFailure: TaskFailureInfo | undefined;
  /** Why no worker goes on with the run for now, if it is in quarantine: what went wrong in the engine. */
  readonly quarantine: QuarantineInfo | undefined;
}

/** What a row of the log takes beside its contents, about. */
const eventRowBytes = 120;

/** What an open run waits for. Derived from the log and the ready row; nothing is stored for it. */
export async function readOpenState(database: Database, run: RunRow): Promise<OpenState> {
  const { schema, pool } = database;
  const closing: EventType[] = ['ActivityCompleted', 'ActivityFailed', 'ActivityTimedOut', 'ActivityCancelled'];
  const [pollers, { rows: heads }, { rows: pending }, taskFailure, quarantine, tasks] = await Promise.all([
    countPollers(database, run),
    pool.query<{
      seq: number | null;
      lost: number | null;
      owner: number | null;
      wake_at: Date | null;
      unread: string;
      bytes: string;
      changes: string[];
    }>(
      `select (select seq from ${schema}.events where run_id = $1 order by seq desc limit 1) as seq, r.owner, r.wake_at,
  (select max(seq) from ${schema}.events where run_id = $1 and type = ${eventCode.WorkerLost}) as lost,
  (select count(*) from ${schema}.inbox where run_id = $1) as unread,
  (select coalesce(array_agg(distinct name order by name), '{}') from ${schema}.events
    where run_id = $1 and type = ${eventCode.VersionMarked}) as changes,
  (select sum(${eventRowBytes} + coalesce(octet_length(payload), 0) + coalesce(pg_column_size(ops), 0)
    + coalesce(pg_column_size(meta), 0)) from ${schema}.events where run_id = $1) as bytes
from (select 1) one left join ${schema}.ready r on r.run_id = $1`,
      [run.run_id],
    ),
    pool.query<{
      seq: number;
      id: string | null;
      name: string;
      failures: string;
      last: string | null;
      started: number | null;
    }>(
      `select s.seq, (array_agg(s.meta->>'id'))[1] as id, s.name, count(f.seq) filter (where f.type = ${eventCode.ActivityAttemptFailed}) as failures,
  (array_agg(f.reason order by f.seq desc) filter (where f.type = ${eventCode.ActivityAttemptFailed}))[1] as last,
  case when max(f.attempt) filter (where f.type = ${eventCode.ActivityAttemptStarted})
    > count(f.seq) filter (where f.type = ${eventCode.ActivityAttemptFailed})
    then max(f.seq) filter (where f.type = ${eventCode.ActivityAttemptStarted}) end as started
from ${schema}.events s left join ${schema}.events f on f.run_id = s.run_id and f.answers = s.seq
where s.run_id = $1 and s.type = ${eventCode.ActivityScheduled} and $2 group by s.seq, s.name
having not coalesce(bool_or(f.type in (${closing.map((type) => eventCode[type]).join(', ')})), false) order by s.seq limit 100`,
      [run.run_id, run.closed_at === null],
    ),
    readTaskFailure(database, run.run_id),
    readQuarantine(database, run.run_id),
    tasksOfRun(database, run),
  ]);
  const head = heads[0]!;
  return {
    historyLength: head.seq ?? 0,
    changes: head.changes,
    historySize: Number(head.bytes),
    owner: head.owner,
    wakeAt: head.wake_at,
    unreadMail: Number(head.unread),
    pollers,
    pendingActivities: pending.map((row) => {
      const remote = tasks.get(row.seq);
      const isLost = row.started !== null && (head.owner === null || row.started < (head.lost ?? 0));
      return {
        seq: row.seq,
        activityId: row.id ?? String(row.seq),
        type: row.name,
        attempt: remote?.attempt ?? Number(row.failures) + 1,
        lastFailure: row.last,
        unknownEffect: remote?.unknownEffect ?? isLost,
        ...(remote === undefined ? {} : { remote }),
      };
    }),
    taskFailure,
    quarantine,
  };
}

/** Turns that say nothing of how workflow code fares. */
const beside: readonly EventType[] = [
  'ActivityAttemptStarted',
  'ActivityAttemptFailed',
  'WorkerLost',
  'WorkflowTaskDeferred',
];

async function readTaskFailure(database: Database, runId: string): Promise<TaskFailureInfo | undefined> {
  const events = `${database.schema}.events`;
  const { rows } = await database.pool.query<Omit<TaskFailureColumns, 'at'> & { at: Date }>(
    `select name, reason, attempt, at, payload from ${events} where run_id = $1 and type = ${eventCode.WorkflowTaskFailed}
  and seq = (select max(seq) from ${events} where run_id = $1 and hash is not null
    and type not in (${beside.map((type) => eventCode[type]).join(', ')}))`,
    [runId],
  );
  const [failed] = rows;
  return failed && taskFailureInfo({ ...failed, at: failed.at.getTime() * 1000 });
}
