// Reads of runs for people and programs: their rows, how they ended, and what an open one waits for.
import type { RunRow } from './run-row.ts';
import type { StartedMeta } from '../../core/run/start-meta.ts';
import { type EventType, eventCode, eventTypeOf } from '../../core/log/event.ts';
import { isBegun } from '../../core/activity/pending-activity.ts';
import type { RunVersioning } from '../../core/run/deployment.ts';
import { type Family, familyOf } from '../../core/run/family.ts';
import type { QuarantineInfo } from '../../core/run/quarantine-info.ts';
import { RunState } from '../../core/run/run-state.ts';
import { type TaskFailureInfo, taskFailureInfo } from '../../core/run/task-failure-info.ts';
import { type RemoteTask, tasksOfRun } from '../activities/activity-tasks.ts';
import { readOpenEvents } from '../log/history.ts';
import type { ClosedOutcome, Database } from '../sql/database.ts';
import { countPollers } from '../ownership/pollers.ts';
import { isFaultOfRun, readQuarantine } from '../ownership/quarantine.ts';

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

export interface OpenState extends Family {
  /** Last event's seq, by the log. */
  readonly historyLength: number;
  /** Undefined for a run that has nothing to do with versions. */
  readonly versioning: RunVersioning | undefined;
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

/**
 * As much of the fold as the log gives. A run whose log cannot be read, or folded to its end, is described too: its
 * quarantine says why.
 */
async function readRunState(database: Database, { run_id: runId, workflow_id: workflowId }: RunRow): Promise<RunState> {
  const state = new RunState(runId);
  state.workflowId = workflowId;
  try {
    for (const event of await readOpenEvents(database, runId)) state.apply(event);
  } catch (error) {
    if (!isFaultOfRun(error)) throw error;
  }
  return state;
}

/** As many pending activities as are told of. */
const pendingMax = 100;

/** What an open run waits for. Derived from the log and the ready row; nothing is stored for it. */
export async function readOpenState(database: Database, run: RunRow): Promise<OpenState> {
  const { schema, pool } = database;
  const [state, pollers, { rows: heads }, quarantine, tasks] = await Promise.all([
    readRunState(database, run),
    countPollers(database, run),
    pool.query<{ seq: number | null; owner: number | null; wake_at: Date | null; unread: string; bytes: string }>(
      `select (select seq from ${schema}.events where run_id = $1 order by seq desc limit 1) as seq, r.owner, r.wake_at, (select count(*) from ${schema}.inbox where run_id = $1) as unread,
  (select sum(${eventRowBytes} + coalesce(octet_length(payload), 0) + coalesce(pg_column_size(ops), 0)
    + coalesce(pg_column_size(meta), 0)) from ${schema}.events where run_id = $1) as bytes
from (select 1) one left join ${schema}.ready r on r.run_id = $1`,
      [run.run_id],
    ),
    readQuarantine(database, run.run_id),
    tasksOfRun(database, run),
  ]);
  const head = heads[0]!;
  const pending = run.closed_at === null ? [...state.activities.values()].slice(0, pendingMax) : [];
  return {
    ...familyOf(state),
    historyLength: head.seq ?? 0,
    versioning: state.versioning,
    changes: [...(state.versionMarkers ?? [])].sort(),
    historySize: Number(head.bytes),
    owner: head.owner,
    wakeAt: head.wake_at,
    unreadMail: Number(head.unread),
    pollers,
    pendingActivities: pending.map((activity) => {
      const { seq, options, type, failedAttempts, lastFailureMessage } = activity;
      const remote = tasks.get(seq);
      const isLost = isBegun(activity) && (head.owner === null || activity.startedSeq < state.workerLostSeq);
      return {
        seq,
        activityId: options.id ?? String(seq),
        type,
        attempt: remote?.attempt ?? failedAttempts + 1,
        lastFailure: lastFailureMessage,
        unknownEffect: remote?.unknownEffect ?? isLost,
        ...(remote === undefined ? {} : { remote }),
      };
    }),
    taskFailure: state.taskFailure && taskFailureInfo(state.taskFailure),
    quarantine,
  };
}
