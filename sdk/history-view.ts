// The log as people and other tools read it: our own events decoded, or Temporal's shape.
import type { HistoryEvent } from '../runtime/history/event.ts';
import { failureInfo } from '../runtime/history/failure-info.ts';
import { decodePayload } from '../runtime/history/payload.ts';
import { taskFailureCause } from '../runtime/history/task-failure-info.ts';
import type { Database } from '../runtime/store/database.ts';
import { readHistory } from '../runtime/store/history.ts';

export interface HistoryRecord extends Omit<HistoryEvent, 'at' | 'ops' | 'payload' | 'meta' | 'hash'> {
  readonly at: Date;
  readonly ops: unknown;
  /** Arguments, result or failure. */
  readonly payload: unknown;
  readonly meta: unknown;
  /** Hex; on the last event of a turn. */
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

/** Retries leave no history in Temporal, and nor do our own kinds of facts. */
const notInTemporal = new Set<string>([
  'ActivityAttemptFailed',
  'ActivityAttemptStarted',
  'WorkerLost',
  'ContextPatched',
  'WorkflowTaskCompleted',
  'WorkflowTaskDeferred',
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
  SignalReceived: 'WorkflowExecutionSignaled',
  ActivityScheduled: 'ActivityTaskScheduled',
  ActivityCompleted: 'ActivityTaskCompleted',
  ActivityFailed: 'ActivityTaskFailed',
  ActivityTimedOut: 'ActivityTaskTimedOut',
  ActivityCancelled: 'ActivityTaskCanceled',
  ActivityCancelRequested: 'ActivityTaskCancelRequested',
  TimerCancelled: 'TimerCanceled',
  UpdateAccepted: 'WorkflowExecutionUpdateAccepted',
  UpdateCompleted: 'WorkflowExecutionUpdateCompleted',
  UpdateFailed: 'WorkflowExecutionUpdateCompleted',
  VersionMarked: 'MarkerRecorded',
};

export async function temporalHistory(database: Database, runId: string): Promise<TemporalHistory> {
  const events: Record<string, unknown>[] = [];
  for (const record of await decodedHistory(database, runId)) {
    if (notInTemporal.has(record.type)) continue;
    const eventType = temporalNames[record.type] ?? record.type;
    const key = `${eventType[0]!.toLowerCase()}${eventType.slice(1)}EventAttributes`;
    const detail = record.type === 'WorkflowTaskFailed' ? taskFailureAttributes(record) : attributes(record);
    events.push({ eventId: record.seq, eventTime: record.at.toISOString(), eventType, [key]: detail });
  }
  return { events };
}

const followable: ReadonlySet<string> = new Set([
  'WorkflowContinuedAsNew',
  'WorkflowCompleted',
  'WorkflowFailed',
  'WorkflowTimedOut',
]);

function taskFailureAttributes({ name, reason, payload }: HistoryRecord): Record<string, unknown> {
  const failure = { message: reason ?? '', ...(payload === null ? {} : { stackTrace: String(payload) }) };
  return { cause: `WORKFLOW_TASK_FAILED_CAUSE_${taskFailureCause(name)}`, failure };
}

function attributes(record: HistoryRecord): Record<string, unknown> {
  const all: Record<string, unknown> = { ...(record.meta as Record<string, unknown> | null) };
  if (record.name !== null)
    all[
      record.type === 'ActivityScheduled' ? 'activityType' : record.type === 'WorkflowStarted' ? 'workflowType' : 'name'
    ] = { name: record.name };
  if (record.answers !== null)
    all[record.type.startsWith('Timer') ? 'startedEventId' : 'scheduledEventId'] = record.answers;
  if (record.attempt !== null) all['attempt'] = record.attempt;
  if (record.reason !== null) all['reason'] = record.reason;
  if (followable.has(record.type) && record.correlationId !== null) all['newExecutionRunId'] = record.correlationId;
  if (record.type.startsWith('Update')) all['updateId'] = record.correlationId;
  if (record.payload !== null)
    all[payloadKey(record.type)] = record.payload instanceof Error ? failureInfo(record.payload) : record.payload;
  return all;
}

function payloadKey(type: string): string {
  if (type.endsWith('Completed')) return 'result';
  return /Failed|TimedOut|Cancelled/.test(type) ? 'failure' : 'input';
}

function parsed(text: string | null): unknown {
  return text === null ? null : JSON.parse(text);
}
