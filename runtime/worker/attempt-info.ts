// What an attempt is told about itself.
import type { Micros } from '../history/event.ts';
import { encodeTaskToken } from '../history/task-token.ts';
import type { ActivityInfo } from './activity-context.ts';
import type { DatabaseClock } from './clock.ts';
import type { LiveRun, PendingActivity } from './live-run.ts';

export function attemptInfo(
  run: Pick<LiveRun, 'runId' | 'workflowId' | 'workflowType'>,
  activity: Pick<PendingActivity, 'seq' | 'type' | 'options' | 'scheduledAt'>,
  attempt: number,
  worker: { readonly clock: DatabaseClock; readonly namespace: string; readonly taskQueue: string },
  heartbeatDetails: unknown,
  attemptScheduledAt: Micros = worker.clock.now(),
): ActivityInfo {
  const { options } = activity;
  const { namespace } = worker;
  return {
    activityId: options.id ?? String(activity.seq),
    activityType: activity.type,
    attempt,
    idempotencyKey: `${run.runId}:${activity.seq}`,
    isLocal: false,
    inWorkflow: true,
    workflowExecution: { workflowId: run.workflowId, runId: run.runId },
    workflowType: run.workflowType,
    workflowNamespace: namespace,
    activityNamespace: namespace,
    namespace,
    taskQueue: worker.taskQueue,
    scheduledTimestampMs: Math.floor(activity.scheduledAt / 1000),
    currentAttemptScheduledTimestampMs: Math.floor(attemptScheduledAt / 1000),
    startToCloseTimeoutMs: options.stc ?? options.s2c ?? 0,
    scheduleToCloseTimeoutMs: options.s2c ?? 0,
    heartbeatTimeoutMs: options.hb,
    heartbeatDetails,
    // Made when asked for, which most activities never do.
    get taskToken() {
      return encodeTaskToken({ runId: run.runId, seq: activity.seq, attempt });
    },
    get base64TaskToken() {
      return Buffer.from(this.taskToken).toString('base64');
    },
  };
}
