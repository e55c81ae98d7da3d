// The log in the form that people and other tools read: our events decoded, or Temporal's format.
import type { ExternalMeta, ScheduledMeta } from '../../runtime/core/log/activation.ts';
import type { HistoryEvent } from '../../runtime/core/log/event.ts';
import { failureInfo } from '../../runtime/core/failure/failure-info.ts';
import { decodePayload } from '../../runtime/core/payload/payload.ts';
import { taskFailureCause } from '../../runtime/core/run/task-failure-info.ts';
import type { Database } from '../../runtime/store/sql/database.ts';
import type { HistorySource } from '../../runtime/core/log/history-source.ts';
import { readHistory } from '../../runtime/store/log/history.ts';
import { StoredHistory } from '../../runtime/store/log/stored-history.ts';

export interface HistoryRecord extends Omit<HistoryEvent, 'at' | 'ops' | 'payload' | 'meta' | 'hash'> {
  readonly at: Date;
  readonly ops: unknown;
  /** Arguments, result or failure. */
  readonly payload: unknown;
  readonly meta: unknown;
  /** Hex; set on the last event of a turn. */
  readonly hash: string | null;
}

export async function decodedHistory(
  database: Database,
  runId: string,
  range: { after?: number; upTo?: number } = {},
): Promise<HistoryRecord[]> {
  const records: HistoryRecord[] = [];
  for await (const page of readHistory(database, runId, range)) {
    for (const { runId: _, ...event } of page) {
      records.push({
        ...event,
        at: new Date(event.at / 1000),
        ops: parsed(event.ops),
        payload: event.payload === null ? null : decodePayload(event.payload),
        meta: parsed(event.meta),
        hash: event.hash === null ? null : Buffer.from(event.hash).toString('hex'),
      });
    }
  }
  return records;
}

export interface TemporalHistory {
  readonly events: readonly Record<string, unknown>[];
}

/** Events of these types are left out, because Temporal's histories contain nothing like them. */
const notInTemporal = new Set<string>([
  'ActivityAttemptFailed',
  'ActivityAttemptStarted',
  'WorkerLost',
  'ContextPatched',
  'WorkflowTaskCompleted',
  'WorkflowTaskDeferred',
  'WorkflowForked',
  'WorkflowRolledBack',
  'WorkflowRecovered',
  'RecoveryApplied',
  'PayloadErased',
  'CheckpointSaved',
  'ActivityPaused',
  'ActivityUnpaused',
  'ActivityOptionsUpdated',
]);
const temporalNames: Record<string, string> = {
  WorkflowStarted: 'WorkflowExecutionStarted',
  WorkflowCompleted: 'WorkflowExecutionCompleted',
  WorkflowFailed: 'WorkflowExecutionFailed',
  WorkflowCancelled: 'WorkflowExecutionCanceled',
  WorkflowTerminated: 'WorkflowExecutionTerminated',
  WorkflowTimedOut: 'WorkflowExecutionTimedOut',
  WorkflowContinuedAsNew: 'WorkflowExecutionContinuedAsNew',
  WorkflowCancelRequested: 'WorkflowExecutionCancelRequested',
  WorkflowPaused: 'WorkflowExecutionPaused',
  WorkflowResumed: 'WorkflowExecutionUnpaused',
  SignalReceived: 'WorkflowExecutionSignaled',
  ActivityScheduled: 'ActivityTaskScheduled',
  ActivityCompleted: 'ActivityTaskCompleted',
  ActivityFailed: 'ActivityTaskFailed',
  ActivityTimedOut: 'ActivityTaskTimedOut',
  ActivityCancelled: 'ActivityTaskCanceled',
  ActivityCancelRequested: 'ActivityTaskCancelRequested',
  TimerCancelled: 'TimerCanceled',
  ChildWorkflowInitiated: 'StartChildWorkflowExecutionInitiated',
  ChildWorkflowStarted: 'ChildWorkflowExecutionStarted',
  ChildWorkflowStartFailed: 'StartChildWorkflowExecutionFailed',
  ChildWorkflowCompleted: 'ChildWorkflowExecutionCompleted',
  ChildWorkflowFailed: 'ChildWorkflowExecutionFailed',
  ChildWorkflowCancelled: 'ChildWorkflowExecutionCanceled',
  ChildWorkflowTimedOut: 'ChildWorkflowExecutionTimedOut',
  ChildWorkflowTerminated: 'ChildWorkflowExecutionTerminated',
  ExternalSignalInitiated: 'SignalExternalWorkflowExecutionInitiated',
  ExternalSignalDelivered: 'ExternalWorkflowExecutionSignaled',
  ExternalSignalFailed: 'SignalExternalWorkflowExecutionFailed',
  ExternalCancelInitiated: 'RequestCancelExternalWorkflowExecutionInitiated',
  ExternalCancelDelivered: 'ExternalWorkflowExecutionCancelRequested',
  ExternalCancelFailed: 'RequestCancelExternalWorkflowExecutionFailed',
  UpdateAccepted: 'WorkflowExecutionUpdateAccepted',
  UpdateCompleted: 'WorkflowExecutionUpdateCompleted',
  UpdateFailed: 'WorkflowExecutionUpdateCompleted',
  VersionMarked: 'MarkerRecorded',
  SearchAttributesUpserted: 'UpsertWorkflowSearchAttributes',
  MemoUpserted: 'WorkflowPropertiesModified',
};

/** Where the histories of this process come from. Temporal's format lacks what a replay needs. */
const sources = new WeakMap<TemporalHistory, () => Promise<HistorySource>>();

/** The log of a history that `fetchHistory` or `intoHistories` of this process returned; undefined for any other. */
export function sourceOf(history: TemporalHistory): (() => Promise<HistorySource>) | undefined {
  return sources.get(history);
}

export async function temporalHistory(database: Database, runId: string): Promise<TemporalHistory> {
  const events: Record<string, unknown>[] = [];
  const local = new Map<number, HistoryRecord>();
  for (const record of await decodedHistory(database, runId)) {
    if (notInTemporal.has(record.type)) continue;
    if (isLocalSchedule(record)) {
      local.set(record.seq, record);
      continue;
    }
    const scheduled = record.answers === null ? undefined : local.get(record.answers);
    if (scheduled !== undefined) {
      if (record.type !== 'ActivityCancelRequested') events.push(localActivityMarker(scheduled, record));
      continue;
    }
    const eventType = temporalNames[record.type] ?? record.type;
    const key = `${eventType[0]!.toLowerCase()}${eventType.slice(1)}EventAttributes`;
    const detail = record.type === 'WorkflowTaskFailed' ? taskFailureAttributes(record) : attributes(record);
    const userMetadata = userMetadataOf(record);
    events.push({
      eventId: record.seq,
      eventTime: record.at.toISOString(),
      eventType,
      ...(userMetadata === undefined ? {} : { userMetadata }),
      [key]: detail,
    });
  }
  const history: TemporalHistory = { events };
  sources.set(history, () => StoredHistory.open(database, runId));
  return history;
}

const followable: ReadonlySet<string> = new Set([
  'WorkflowContinuedAsNew',
  'WorkflowCompleted',
  'WorkflowFailed',
  'WorkflowTimedOut',
]);

/** Texts about a run, an activity or a timer for people to read. */
interface UserMetadata {
  readonly summary?: string;
  readonly details?: string;
}

function userMetadataOf({ meta }: HistoryRecord): UserMetadata | undefined {
  const {
    summary,
    staticSummary = summary,
    staticDetails: details,
  } = (meta ?? {}) as Record<string, string | undefined>;
  if (staticSummary === undefined && details === undefined) return undefined;
  return {
    ...(staticSummary === undefined ? {} : { summary: staticSummary }),
    ...(details === undefined ? {} : { details }),
  };
}

function isLocalSchedule({ type, meta }: HistoryRecord): boolean {
  return type === 'ActivityScheduled' && (meta as ScheduledMeta | null)?.local === true;
}

/** In Temporal's histories, a local activity appears only as the marker of its end. */
function localActivityMarker(scheduled: HistoryRecord, ended: HistoryRecord): Record<string, unknown> {
  const data = {
    activity_id: (scheduled.meta as ScheduledMeta).id,
    activity_type: scheduled.name,
    attempt: ended.attempt,
  };
  const isCompleted = ended.type === 'ActivityCompleted';
  return {
    eventId: ended.seq,
    eventTime: ended.at.toISOString(),
    eventType: 'MarkerRecorded',
    markerRecordedEventAttributes: {
      markerName: 'core_local_activity',
      details: isCompleted ? { data, result: ended.payload } : { data },
      ...(isCompleted ? {} : { failure: ended.payload }),
    },
  };
}

function taskFailureAttributes({ name, reason, payload }: HistoryRecord): Record<string, unknown> {
  const failure = { message: reason ?? '', ...(payload === null ? {} : { stackTrace: String(payload) }) };
  return { cause: `WORKFLOW_TASK_FAILED_CAUSE_${taskFailureCause(name)}`, failure };
}

function attributes(record: HistoryRecord): Record<string, unknown> {
  const {
    summary: _,
    staticSummary: _2,
    staticDetails: _3,
    ...all
  } = { ...(record.meta as Record<string, unknown> | null) };
  if (record.name !== null) all[nameKey(record.type)] = { name: record.name };
  if (record.answers !== null) all[answersKey(record.type)] = record.answers;
  if (isLink.test(record.type)) Object.assign(all, otherExecution(record));
  if (record.attempt !== null) all['attempt'] = record.attempt;
  if (record.reason !== null) all['reason'] = record.reason;
  if (followable.has(record.type) && record.correlationId !== null) all['newExecutionRunId'] = record.correlationId;
  if (record.type.startsWith('Update')) all['updateId'] = record.correlationId;
  if (record.payload !== null)
    all[payloadKey(record.type)] = record.payload instanceof Error ? failureInfo(record.payload) : record.payload;
  return all;
}

const isLink = /^(ChildWorkflow|External)/;

/** The other run that a child event or a message event refers to. */
function otherExecution({ type, correlationId, meta }: HistoryRecord): Record<string, unknown> {
  if (correlationId === null) return {};
  if (type === 'ChildWorkflowInitiated') return { workflowId: correlationId };
  if (!type.endsWith('Initiated')) return { workflowExecution: { runId: correlationId } };
  const { runId } = (meta ?? {}) as ExternalMeta;
  return { workflowExecution: { workflowId: correlationId, ...(runId === undefined ? {} : { runId }) } };
}

function nameKey(type: string): string {
  if (type === 'ActivityScheduled') return 'activityType';
  return type === 'WorkflowStarted' || type.startsWith('ChildWorkflow') ? 'workflowType' : 'name';
}

function answersKey(type: string): string {
  if (type.startsWith('Timer')) return 'startedEventId';
  return isLink.test(type) ? 'initiatedEventId' : 'scheduledEventId';
}

function payloadKey(type: string): string {
  if (type.endsWith('Completed')) return 'result';
  return /Failed|TimedOut|Cancelled/.test(type) ? 'failure' : 'input';
}

function parsed(text: string | null): unknown {
  return text === null ? null : JSON.parse(text);
}
