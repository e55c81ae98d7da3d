// A standalone activity as callers see it: the summary in lists, and the description.
import { type ActivityControls, activityControls } from '../../../runtime/core/activity/activity-controls.ts';
import { typedAttributes } from '../../../runtime/core/options/attribute-values.ts';
import { decodeFailure } from '../../../runtime/core/failure/failure-info.ts';
import { decodePayload } from '../../../runtime/core/payload/payload.ts';
import type { TypedSearchAttributes } from '../../../runtime/core/options/search-attributes.ts';
import type { RunStatus } from '../../../runtime/core/log/transition.ts';
import { readAttempts } from '../../../runtime/store/activities/activity-heartbeats.ts';
import { type RemoteTask, tasksOfRun } from '../../../runtime/store/activities/activity-tasks.ts';
import type { Database } from '../../../runtime/store/sql/database.ts';
import { readHistory, type StoredEvent } from '../../../runtime/store/log/history.ts';
import type { RunRow } from '../../../runtime/store/runs/run-row.ts';
import { type ActivityExecutionOptions, executionOptions } from './activity-commands.ts';

export const ActivityExecutionStatus = {
  RUNNING: 'RUNNING',
  COMPLETED: 'COMPLETED',
  FAILED: 'FAILED',
  CANCELED: 'CANCELED',
  TERMINATED: 'TERMINATED',
  TIMED_OUT: 'TIMED_OUT',
  PAUSED: 'PAUSED',
} as const;
export type ActivityExecutionStatus = (typeof ActivityExecutionStatus)[keyof typeof ActivityExecutionStatus];

/** The state of an open activity. */
export const PendingActivityState = {
  /** The activity waits for a worker, or for its next attempt. */
  SCHEDULED: 'SCHEDULED',
  STARTED: 'STARTED',
  CANCEL_REQUESTED: 'CANCEL_REQUESTED',
  /** Paused: no attempt starts. */
  PAUSED: 'PAUSED',
  /** Paused while an attempt runs. The attempt learns of the pause through its heartbeats. */
  PAUSE_REQUESTED: 'PAUSE_REQUESTED',
} as const;
export type PendingActivityState = (typeof PendingActivityState)[keyof typeof PendingActivityState];

const statusOf: Partial<Record<RunStatus, ActivityExecutionStatus>> = {
  completed: 'COMPLETED',
  failed: 'FAILED',
  cancelled: 'CANCELED',
  terminated: 'TERMINATED',
  timed_out: 'TIMED_OUT',
  paused: 'PAUSED',
};

export interface ActivityExecutionInfo {
  readonly activityId: string;
  readonly activityRunId: string;
  readonly activityType: string;
  readonly taskQueue: string;
  readonly status: ActivityExecutionStatus;
  readonly scheduleTime: Date;
  readonly closeTime: Date | undefined;
  /** Time from start to close, in ms; undefined while the activity is open. */
  readonly executionDurationMs: number | undefined;
  readonly typedSearchAttributes: TypedSearchAttributes;
}

/** The description adds attempts, progress and options. */
export interface ActivityExecutionDescription extends ActivityExecutionInfo, ActivityExecutionOptions {
  /** Undefined for a closed activity. */
  readonly runState: PendingActivityState | undefined;
  /** Number of the present attempt; for a closed activity, of the last attempt. */
  readonly attempt: number;
  readonly summary: string | undefined;
  readonly lastStartedTime: Date | undefined;
  readonly lastHeartbeatTime: Date | undefined;
  readonly lastWorkerIdentity: string | undefined;
  readonly lastAttemptCompleteTime: Date | undefined;
  /** Set while the activity waits for its next attempt. */
  readonly nextAttemptScheduleTime: Date | undefined;
  readonly currentRetryIntervalMs: number | undefined;
  /** When the activity's scheduleToCloseTimeout expires. */
  readonly expirationTime: Date | undefined;
  readonly canceledReason: string | undefined;
  /** Set while the activity is paused: since when, why, and by whom. */
  readonly pauseInfo:
    | { readonly pausedTime: Date; readonly reason: string | undefined; readonly identity: string | undefined }
    | undefined;
  /** Number of live workers of the activity's queue that can execute it. */
  readonly pollers: number | undefined;
  getHeartbeatDetails<T = unknown>(): Promise<T | undefined>;
  getLastFailure(): Promise<Error | undefined>;
}

export function activityInfoOf(row: RunRow): ActivityExecutionInfo {
  const { closed_at: closedAt, started_at: startedAt } = row;
  return {
    activityId: row.workflow_id,
    activityRunId: row.run_id,
    activityType: row.workflow_type,
    taskQueue: row.task_queue,
    status: statusOf[row.status] ?? 'RUNNING',
    scheduleTime: startedAt,
    closeTime: closedAt ?? undefined,
    executionDurationMs: closedAt === null ? undefined : closedAt.getTime() - startedAt.getTime(),
    typedSearchAttributes: typedAttributes({
      searchAttributes: row.search_attributes ?? {},
      searchAttributeTypes: row.search_attribute_types ?? {},
    }),
  };
}

export async function describeActivity(database: Database, row: RunRow): Promise<ActivityExecutionDescription> {
  const [tasks, attempts] = await Promise.all([tasksOfRun(database, row), readAttempts(database, row.run_id)]);
  const events: StoredEvent[] = [];
  for await (const page of readHistory(database, row.run_id)) events.push(...page);
  const [task] = [...tasks.values()];
  const [progress] = [...attempts.progress.values()];
  const controls = activityControls(events);
  const { options, notBefore } = controls;
  const failed = events.filter(({ type }) => type === 'ActivityAttemptFailed');
  const ended = events.findLast(({ type }) => ['ActivityFailed', 'ActivityTimedOut'].includes(type));
  const failure = (ended ?? failed.at(-1))?.payload ?? null;
  return {
    ...activityInfoOf(row),
    ...executionOptions(controls),
    summary: options.summary,
    ...attemptOf(row, events, task, controls),
    expirationTime: options.s2c === undefined ? undefined : new Date(notBefore / 1000 + options.s2c),
    pauseInfo: row.closed_at === null ? pauseInfoOf(controls) : undefined,
    canceledReason: events.find(({ type }) => type === 'WorkflowCancelRequested')?.reason ?? undefined,
    pollers: task?.pollers,
    getHeartbeatDetails: async <T>() => (progress === undefined ? undefined : (decodePayload(progress) as T)),
    getLastFailure: async () => (failure === null ? undefined : decodeFailure(failure)),
  };
}

type Attempt = Pick<
  ActivityExecutionDescription,
  | 'runState'
  | 'attempt'
  | 'lastStartedTime'
  | 'lastHeartbeatTime'
  | 'lastWorkerIdentity'
  | 'lastAttemptCompleteTime'
  | 'nextAttemptScheduleTime'
  | 'currentRetryIntervalMs'
>;

function pauseInfoOf({ paused }: ActivityControls): ActivityExecutionDescription['pauseInfo'] {
  if (paused === undefined) return undefined;
  const { at, reason, by } = paused;
  return { pausedTime: new Date(at / 1000), reason: reason ?? undefined, identity: by ?? undefined };
}

function attemptOf(
  row: RunRow,
  events: readonly StoredEvent[],
  task: RemoteTask | undefined,
  controls: ActivityControls,
): Attempt {
  const told = events.findLast(({ attempt }) => attempt !== null);
  const failed = events.findLast(({ type }) => type === 'ActivityAttemptFailed');
  const isOpen = row.closed_at === null;
  const delayMs = (JSON.parse(failed?.meta ?? '{}') as { delayMs?: number }).delayMs ?? 0;
  const nextAt = controls.dueAt ?? (failed?.at ?? 0) + delayMs * 1000;
  const waits = isOpen && failed !== undefined && task?.state === 'SCHEDULED';
  const { identity } = JSON.parse(told?.meta ?? '{}') as { identity?: string };
  return {
    runState: isOpen ? stateOf(events, task, controls) : undefined,
    attempt: task?.attempt ?? told?.attempt ?? 1,
    lastStartedTime: task?.startedAt,
    lastHeartbeatTime: task?.heartbeatAt,
    lastWorkerIdentity: task?.worker ?? identity,
    lastAttemptCompleteTime: told === undefined ? undefined : new Date(told.at / 1000),
    nextAttemptScheduleTime: waits ? new Date(nextAt / 1000) : undefined,
    currentRetryIntervalMs: waits ? Math.round((nextAt - failed.at) / 1000) : undefined,
  };
}

function stateOf(
  events: readonly StoredEvent[],
  task: RemoteTask | undefined,
  { paused }: ActivityControls,
): PendingActivityState {
  if (events.some(({ type }) => type === 'WorkflowCancelRequested')) return 'CANCEL_REQUESTED';
  const isAtWork = task?.state === 'STARTED' || task?.state === 'WAITING';
  if (paused !== undefined) return isAtWork ? 'PAUSE_REQUESTED' : 'PAUSED';
  return isAtWork ? 'STARTED' : 'SCHEDULED';
}
