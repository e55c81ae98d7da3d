// What an attempt is told about itself.
import type { Micros } from '../../core/log/event.ts';
import { resolvedPolicy } from '../../core/activity/retry-policy.ts';
import { encodeTaskToken } from '../../core/activity/task-token.ts';
import type { ActivityInfo } from './activity-context.ts';
import type { PendingActivity } from '../../core/activity/pending-activity.ts';
import type { RunState } from '../../core/run/run-state.ts';

export function attemptInfo(
  run: Pick<RunState, 'runId' | 'workflowId' | 'workflowType'>,
  activity: Pick<PendingActivity, 'seq' | 'type' | 'options' | 'scheduledAt'>,
  attempt: number,
  worker: { readonly namespace: string; readonly taskQueue: string },
  heartbeatDetails: unknown,
  attemptScheduledAt: Micros,
): ActivityInfo {
  const { options } = activity;
  const { stc, s2c } = options;
  const { namespace } = worker;
  return {
    activityId: options.id ?? String(activity.seq),
    activityType: activity.type,
    attempt,
    idempotencyKey: `${run.runId}:${activity.seq}`,
    isLocal: options.local === true,
    inWorkflow: true,
    workflowExecution: { workflowId: run.workflowId, runId: run.runId },
    workflowType: run.workflowType,
    workflowNamespace: namespace,
    activityNamespace: namespace,
    namespace,
    taskQueue: worker.taskQueue,
    scheduledTimestampMs: Math.floor(activity.scheduledAt / 1000),
    currentAttemptScheduledTimestampMs: Math.floor(attemptScheduledAt / 1000),
    startToCloseTimeoutMs: Math.min(stc ?? s2c ?? 0, s2c ?? stc ?? 0),
    scheduleToCloseTimeoutMs: s2c ?? 0,
    heartbeatTimeoutMs: options.hb,
    heartbeatDetails,
    retryPolicy: options.retry === undefined ? defaultPolicy : resolvedPolicy(options.retry),
    // Made when asked for, which most activities never do.
    get taskToken() {
      return encodeTaskToken({ runId: run.runId, seq: activity.seq, attempt });
    },
    get base64TaskToken() {
      return Buffer.from(this.taskToken).toString('base64');
    },
  };
}

/** The same of an activity that belongs to no workflow. */
export function standaloneInfo(info: ActivityInfo, activityRunId: string): ActivityInfo {
  // By their descriptors, or the tokens would be made.
  const {
    workflowExecution: _execution,
    workflowType: _type,
    workflowNamespace: _namespace,
    ...kept
  } = Object.getOwnPropertyDescriptors(info);
  const own = {
    inWorkflow: { value: false, enumerable: true },
    activityRunId: { value: activityRunId, enumerable: true },
  };
  return Object.defineProperties({}, { ...kept, ...own }) as ActivityInfo;
}

const defaultPolicy = Object.freeze(resolvedPolicy(undefined));
