// What an attempt is told about itself.
import type { RetryMeta } from '../history/activation.ts';
import { retryWithDefaults } from '../history/retry-policy.ts';
import type { ActivityInfo, RetryPolicy } from './activity-context.ts';
import type { DatabaseClock } from './clock.ts';
import type { LiveRun, PendingActivity } from './live-run.ts';

export function attemptInfo(
  run: LiveRun,
  activity: PendingActivity,
  attempt: number,
  worker: { readonly clock: DatabaseClock; readonly namespace: string; readonly taskQueue: string },
  heartbeatDetails: unknown,
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
    currentAttemptScheduledTimestampMs: Math.floor(worker.clock.now() / 1000),
    startToCloseTimeoutMs: Math.min(stc ?? s2c ?? 0, s2c ?? stc ?? 0),
    scheduleToCloseTimeoutMs: s2c ?? 0,
    heartbeatTimeoutMs: options.hb,
    heartbeatDetails,
    retryPolicy: options.retry === undefined ? defaultPolicy : policyOf(options.retry),
  };
}

function policyOf(retry: RetryMeta): RetryPolicy {
  const { initial, coefficient, max, attempts } = retryWithDefaults(retry);
  return {
    initialInterval: initial,
    backoffCoefficient: coefficient,
    maximumInterval: max,
    ...(attempts === undefined ? {} : { maximumAttempts: attempts }),
    nonRetryableErrorTypes: retry.fatal ?? [],
  };
}

const defaultPolicy = Object.freeze(policyOf({}));
