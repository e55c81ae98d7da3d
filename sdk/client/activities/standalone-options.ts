// Options of starting a standalone activity, and the run that is built from them.
import { refuseReservedName } from '../../../runtime/core/options/reserved-name.ts';
import type { ScheduledMeta } from '../../../runtime/core/log/activation.ts';
import { startMeta } from '../../../runtime/core/run/start-meta.ts';
import { queueKey } from '../../../runtime/core/run/deployment.ts';
import { type Duration, optionMs } from '../../../runtime/core/options/duration.ts';
import { compileRetryPolicy, type RetryPolicy } from '../../../runtime/core/options/retry-options.ts';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import type { SearchAttributePair, TypedSearchAttributes } from '../../../runtime/core/options/search-attributes.ts';
import { activitiesNamespace } from '../../../runtime/core/activity/standalone.ts';
import { newRunId, newSeed } from '../../../runtime/store/runs/run-id.ts';
import type { Queryable } from '../../../runtime/store/sql/queryable.ts';
import { asInvalidInput } from '../../common/invalid-input.ts';
import { checkName, encodeArguments } from '../encode-arguments.ts';
import { type KyselyTransaction, propertiesOf, type TimedRun } from '../new-run.ts';
import {
  argumentList,
  checkOptions,
  duration,
  notYet,
  oneOf,
  optionTable,
  storableText,
  unchecked,
} from '../../../runtime/core/options/option-table.ts';

/** What a start does when the latest activity with the id is closed. */
export const ActivityIdReusePolicy = {
  /** The default. */
  ALLOW_DUPLICATE: 'ALLOW_DUPLICATE',
  /** Allows a start only if that activity failed, was cancelled or terminated, or timed out. */
  ALLOW_DUPLICATE_FAILED_ONLY: 'ALLOW_DUPLICATE_FAILED_ONLY',
  REJECT_DUPLICATE: 'REJECT_DUPLICATE',
} as const;
export type ActivityIdReusePolicy = (typeof ActivityIdReusePolicy)[keyof typeof ActivityIdReusePolicy];

/** What a start does when an activity with the id is open. */
export const ActivityIdConflictPolicy = {
  /** The start fails. The default. */
  FAIL: 'FAIL',
  /** Returns a handle to the open activity. */
  USE_EXISTING: 'USE_EXISTING',
} as const;
export type ActivityIdConflictPolicy = (typeof ActivityIdConflictPolicy)[keyof typeof ActivityIdConflictPolicy];

/** startToCloseTimeout or scheduleToCloseTimeout is required. */
export interface StandaloneActivityOptions {
  /** The caller's business key. Only one open activity of the namespace can have it. Ids of workflows are separate. */
  id: string;
  /** Workers of this queue execute it. */
  taskQueue: string;
  args?: readonly unknown[];
  /** Limits one attempt, from its start. */
  startToCloseTimeout?: Duration;
  /** Limits all attempts and the waits between them. */
  scheduleToCloseTimeout?: Duration;
  /** Limits the wait for a worker. This timeout is not retried. */
  scheduleToStartTimeout?: Duration;
  /** Limits the time between two heartbeats. */
  heartbeatTimeout?: Duration;
  retry?: RetryPolicy;
  /** Delay before the first attempt. */
  startDelay?: Duration;
  /** One line for people to read. */
  summary?: string;
  typedSearchAttributes?: TypedSearchAttributes | readonly SearchAttributePair[];
  /** Default ALLOW_DUPLICATE. */
  idReusePolicy?: ActivityIdReusePolicy;
  /** Default FAIL. */
  idConflictPolicy?: ActivityIdConflictPolicy;
  /** Starts inside this transaction, as `workflow.start` does. */
  transaction?: Queryable | KyselyTransaction;
}

const startOptions = optionTable<StandaloneActivityOptions>(
  {
    ...unchecked('id', 'taskQueue', 'retry', 'typedSearchAttributes', 'transaction'),
    args: argumentList,
    startToCloseTimeout: duration,
    scheduleToCloseTimeout: duration,
    scheduleToStartTimeout: duration,
    heartbeatTimeout: duration,
    startDelay: duration,
    summary: storableText,
    idReusePolicy: oneOf(ActivityIdReusePolicy),
    idConflictPolicy: oneOf(ActivityIdConflictPolicy),
  },
  { [notYet]: ['priority'] },
);

export const activityTimeouts = [
  ['stc', 'startToCloseTimeout'],
  ['s2c', 'scheduleToCloseTimeout'],
  ['s2s', 'scheduleToStartTimeout'],
  ['hb', 'heartbeatTimeout'],
] as const;

/** @throws INVALID_INPUT, NOT_SERIALISABLE, PAYLOAD_TOO_LARGE */
export function newActivityOf(
  type: string,
  options: StandaloneActivityOptions,
  { namespace, maxPayloadBytes }: { readonly namespace: string; readonly maxPayloadBytes: number },
): TimedRun {
  checkOptions('activity.start', options, startOptions);
  const activityType = checkName('The activity type', type);
  const activityId = checkName('id', options.id);
  const taskQueue = checkName('taskQueue', options.taskQueue);
  refuseReservedName('activity', activityType);
  refuseReservedName('task queue', taskQueue);
  const activity = scheduledMeta(activityId, options);
  const properties = propertiesOf(options, maxPayloadBytes);
  const delayMs = optionMs('startDelay', options.startDelay ?? 0);
  const meta = startMeta({ workflowId: activityId, taskQueue, namespace }, newSeed(), {
    activity,
    ...properties,
    ...(delayMs === 0 ? {} : { startDelayMs: delayMs }),
  });
  // No task exists that could time out until a worker schedules the activity, so the run itself gets a deadline.
  const whole = Math.min(activity.s2c ?? Number.POSITIVE_INFINITY, activity.s2s ?? Number.POSITIVE_INFINITY);
  const place = activitiesNamespace(namespace);
  return {
    timing: { delayMs, ...(Number.isFinite(whole) ? { deadlineMs: delayMs + whole } : {}) },
    runId: newRunId(),
    namespace: place,
    workflowId: activityId,
    workflowType: activityType,
    taskQueue,
    queue: queueKey(place, taskQueue),
    properties: properties === undefined ? null : JSON.stringify(properties),
    args: encodeArguments(`activity ${activityType}`, options.args ?? [], maxPayloadBytes),
    meta: JSON.stringify(meta),
  };
}

function scheduledMeta(id: string, options: StandaloneActivityOptions): ScheduledMeta {
  const meta: ScheduledMeta = { id };
  for (const [key, name] of activityTimeouts) {
    const ms = optionMs(name, options[name] ?? 0);
    if (ms > 0) meta[key] = ms;
  }
  if (meta.stc === undefined && meta.s2c === undefined) {
    throw new RuntimeError('INVALID_INPUT', 'Either scheduleToCloseTimeout or startToCloseTimeout is required.');
  }
  const { retry, summary } = options;
  if (retry !== undefined && retry !== null) meta.retry = asInvalidInput(() => compileRetryPolicy(retry));
  if (summary !== undefined) meta.summary = summary;
  return meta;
}
