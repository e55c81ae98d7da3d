// Reads runs: their rows, their outcomes, and what an open run waits for.
import type { RunRow } from './run-row.ts';
import type { StartedMeta } from '../../core/run/start-meta.ts';
import { type EventType, eventCode, eventTypeOf } from '../../core/log/event.ts';
import { isBegun } from '../../core/activity/pending-activity.ts';
import type { RunVersioning } from '../../core/run/deployment.ts';
import { type Family, familyOf } from '../../core/run/family.ts';
import type { QuarantineInfo } from '../../core/run/quarantine-info.ts';
import { type RunPause, RunState } from '../../core/run/run-state.ts';
import { type TaskFailureInfo, taskFailureInfo } from '../../core/run/task-failure-info.ts';
import { type RemoteTask, tasksOfRun } from '../activities/activity-tasks.ts';
import { readOpenEvents } from '../log/history.ts';
import type { ClosedOutcome, Database } from '../sql/database.ts';
import { readForkStart } from './start-facts.ts';
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

/** The fork that a request made; undefined when no run came of it. */
export async function findFork(database: Database, requestId: string): Promise<RunRow | undefined> {
  const { rows } = await database.pool.query<RunRow>(`select * from ${database.schema}.runs where fork_request = $1`, [
    requestId,
  ]);
  return rows[0];
}

/** `meta` of the run's start. */
export async function readStartedMeta(database: Database, runId: string): Promise<Partial<StartedMeta>> {
  const { rows } = await database.pool.query<{ meta: Partial<StartedMeta> | null }>(
    `select meta from ${database.schema}.events where run_id = $1 and seq = 1`,
    [runId],
  );
  if (rows[0] !== undefined) return rows[0].meta ?? {};
  return (await readForkStart(database.pool, database.schema, runId)) ?? {};
}

const followedTypes: readonly EventType[] = [
  'WorkflowContinuedAsNew',
  'WorkflowCompleted',
  'WorkflowFailed',
  'WorkflowTimedOut',
];

/**
 * The successor of a closed run: the fork that took its place, its continuation, next attempt or next scheduled run;
 * undefined when there is none.
 */
export async function nextRun(database: Database, runId: string): Promise<RunRow | undefined> {
  const { schema, pool } = database;
  const { rows } = await pool.query<RunRow>(
    // Only events of these types hold a run id in this column, so the types are checked before the cast.
    `select n.* from ${schema}.runs r
cross join lateral (select coalesce(r.taken_over_by, case when e.type = any($2::int[]) then e.correlation_id::uuid end) as id
  from ${schema}.events e where e.run_id = r.run_id and e.seq = r.final_seq limit 1) next
join ${schema}.runs n on n.run_id = next.id where r.run_id = $1 and r.closed_at is not null`,
    [runId, followedTypes.map((type) => eventCode[type])],
  );
  return rows[0];
}

/** The outcomes of closed runs. Open runs are left out. */
export async function readOutcomes(database: Database, runIds: readonly string[]): Promise<Map<string, ClosedOutcome>> {
  const { schema, pool } = database;
  const { rows } = await pool.query<OutcomeRow>({
    name: `reprise_outcomes_${schema}`,
    // Looks up each run in the indexes: a join may be planned as a scan of the whole log.
    text: `select r.run_id, e.type, e.payload, e.reason, coalesce(r.taken_over_by::text, e.next) as next, e.retry_state from unnest($1::uuid[]) as given(run_id)
cross join lateral (
  select run_id, final_seq, taken_over_by from ${schema}.runs where run_id = given.run_id and closed_at is not null limit 1) r
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

/** A person's intervention: when, why and by whom. */
interface PauseInfo {
  /** Seq of its event. */
  readonly seq: number;
  readonly at: Date;
  readonly reason: string | null;
  readonly actor: string | null;
}

interface RecoveryInfo extends PauseInfo {
  readonly name: string;
  /** True if the retry has changed the arguments. */
  readonly editedInput: boolean;
}

function interventionOf({ seq, at, reason, actor }: RunPause): PauseInfo {
  return { seq, at: new Date(at / 1000), reason, actor };
}

/** A person keeps the run from retention. */
interface HoldInfo {
  readonly at: Date;
  readonly reason: string;
  readonly actor: string;
}

export interface OpenState extends Family {
  /** seq of the last event in the log. */
  readonly historyLength: number;
  /** Undefined for an unversioned run. */
  readonly versioning: RunVersioning | undefined;
  /** The change ids that `patched` returned true for, sorted. */
  readonly changes: readonly string[];
  /** Approximate size of its events in bytes. */
  readonly historySize: number;
  /** Epoch of the worker that has the run in memory. */
  readonly owner: number | null;
  /** Identity of that worker. */
  readonly ownerIdentity: string | undefined;
  /** Set while a person keeps the run from retention. */
  readonly hold: HoldInfo | undefined;
  readonly wakeAt: Date | null;
  readonly unreadMail: number;
  /** Live workers that could take the run. */
  readonly pollers: number;
  /** Set while the run is paused. */
  readonly paused: PauseInfo | undefined;
  readonly pendingActivities: readonly {
    seq: number;
    activityId: string;
    type: string;
    attempt: number;
    lastFailure: string | null;
    unknownEffect: boolean;
    /** Set in a fork whose origin executes the activity: it waits until a person retries or skips it. */
    held?: true;
    /** When the next attempt is due, if the last one failed and no worker has begun the next. */
    nextAttemptTime?: Date;
    /** Whether an operator may skip the activity and supply its result, as far as the log knows. */
    skippable: boolean;
    /** The last retry by a person. */
    recovery?: RecoveryInfo;
    /** Set for an activity that the run's owner does not execute itself. */
    remote?: RemoteTask;
  }[];
  /** The failed workflow task that the run retries. */
  readonly taskFailure: TaskFailureInfo | undefined;
  /** The engine error because of which no worker continues the run for now. */
  readonly quarantine: QuarantineInfo | undefined;
}

/** Approximate size in bytes of a row of the log without its contents. */
const eventRowBytes = 120;

/**
 * The state as far as the log can be read and folded. If it cannot, the quarantine says why, and `describe` still
 * works.
 */
export async function readRunState(
  database: Database,
  { run_id: runId, workflow_id: workflowId }: Pick<RunRow, 'run_id' | 'workflow_id'>,
): Promise<RunState> {
  const state = new RunState(runId);
  state.workflowId = workflowId;
  try {
    for (const event of await readOpenEvents(database, runId)) state.apply(event);
  } catch (error) {
    if (!isFaultOfRun(error)) throw error;
  }
  return state;
}

/** The maximum number of pending activities that a description contains. */
const pendingMax = 100;

type HeadRow = {
  seq: number | null;
  owner: number | null;
  identity: string | null;
  wake_at: Date | null;
  unread: string;
  bytes: string;
} & ({ held_at: null } | { held_at: Date; hold_reason: string; held_by: string });

/** What an open run waits for, computed from the log and the ready row. */
export async function readOpenState(database: Database, run: RunRow): Promise<OpenState> {
  const { schema, pool } = database;
  const [state, pollers, { rows: heads }, quarantine, tasks] = await Promise.all([
    readRunState(database, run),
    countPollers(database, run),
    pool.query<HeadRow>(
      `select (select seq from ${schema}.events where run_id = $1 order by seq desc limit 1) as seq, r.owner, r.wake_at, (select identity from ${schema}.workers where epoch = r.owner) as identity,
  h.at as held_at, h.reason as hold_reason, h.actor as held_by, (select count(*) from ${schema}.inbox where run_id = $1) as unread,
  (select sum(${eventRowBytes} + coalesce(octet_length(payload), 0) + coalesce(pg_column_size(ops), 0)
    + coalesce(pg_column_size(meta), 0)) from ${schema}.events where run_id = $1) as bytes
from (select 1) one left join ${schema}.ready r on r.run_id = $1 left join ${schema}.run_holds h on h.run_id = $1`,
      [run.run_id],
    ),
    readQuarantine(database, run.run_id),
    tasksOfRun(database, run),
  ]);
  const head = heads[0]!;
  // No attempt that began before a fork is an attempt of the fork.
  const lostUpTo = Math.max(state.workerLostSeq, state.line === undefined ? 0 : state.line.at(-1)!.last + 2);
  const pending = run.closed_at === null ? [...state.activities.values()].slice(0, pendingMax) : [];
  return {
    ...familyOf(state),
    historyLength: head.seq ?? 0,
    versioning: state.versioning,
    changes: [...(state.versionMarkers ?? [])].sort(),
    historySize: Number(head.bytes),
    owner: head.owner,
    ownerIdentity: head.identity ?? undefined,
    hold: head.held_at === null ? undefined : { at: head.held_at, reason: head.hold_reason, actor: head.held_by },
    wakeAt: head.wake_at,
    unreadMail: Number(head.unread),
    pollers,
    paused: state.paused && interventionOf(state.paused),
    pendingActivities: pending.map((activity) => {
      const { seq, options, type, failedAttempts, earlierAttempts, lastFailureMessage, skippable, recovery } = activity;
      const remote = tasks.get(seq);
      const isLost = isBegun(activity) && (head.owner === null || activity.startedSeq < lostUpTo);
      return {
        seq,
        activityId: options.id ?? String(seq),
        type,
        attempt: remote?.attempt ?? failedAttempts + earlierAttempts + 1,
        lastFailure: lastFailureMessage,
        unknownEffect: remote?.unknownEffect ?? isLost,
        skippable,
        ...(activity.isHeld ? { held: true as const } : {}),
        ...(activity.nextAttemptAt === 0 ? {} : { nextAttemptTime: new Date(activity.nextAttemptAt / 1000) }),
        ...(recovery === null
          ? {}
          : { recovery: { ...interventionOf(recovery), name: recovery.name, editedInput: activity.argsSeq > 0 } }),
        ...(remote === undefined ? {} : { remote }),
      };
    }),
    taskFailure: state.taskFailure && taskFailureInfo(state.taskFailure),
    quarantine,
  };
}
