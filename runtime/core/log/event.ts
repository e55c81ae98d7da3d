// The vocabulary of the log: every event type with its stored number, and the shape of one event. Numbers are
// permanent: a type may be added, but never renumbered, and no number is reused.

import { RuntimeError } from '../failure/runtime-error.ts';

/** Stored number of each event type (column `events.type`, smallint). */
export const eventCode = {
  WorkflowStarted: 1,
  WorkflowCompleted: 2,
  WorkflowFailed: 3,
  WorkflowCancelled: 4,
  WorkflowTerminated: 5,
  WorkflowTimedOut: 6,
  WorkflowContinuedAsNew: 7,
  WorkflowCancelRequested: 8,
  WorkflowTaskFailed: 9,
  WorkerLost: 10,
  WorkflowTaskCompleted: 11,
  WorkflowTaskDeferred: 12,
  WorkflowPaused: 13,
  WorkflowResumed: 14,
  WorkflowForked: 15,
  WorkflowRolledBack: 16,
  WorkflowRecovered: 17,
  RecoveryApplied: 18,
  PayloadErased: 19,
  ActivityScheduled: 20,
  ActivityAttemptStarted: 21,
  ActivityAttemptFailed: 22,
  ActivityCancelRequested: 23,
  ActivityCompleted: 24,
  ActivityFailed: 25,
  ActivityTimedOut: 26,
  ActivityCancelled: 27,
  TimerStarted: 30,
  TimerFired: 31,
  TimerCancelled: 32,
  SignalReceived: 40,
  UpdateAccepted: 41,
  UpdateCompleted: 42,
  UpdateFailed: 43,
  ContextPatched: 50,
  CheckpointSaved: 51,
  VersionMarked: 60,
  ChildWorkflowInitiated: 70,
  ChildWorkflowStarted: 71,
  ChildWorkflowStartFailed: 72,
  ChildWorkflowCompleted: 73,
  ChildWorkflowFailed: 74,
  ChildWorkflowCancelled: 75,
  ChildWorkflowTimedOut: 76,
  ChildWorkflowTerminated: 77,
  ExternalSignalInitiated: 80,
  ExternalSignalDelivered: 81,
  ExternalSignalFailed: 82,
  ExternalCancelInitiated: 83,
  ExternalCancelDelivered: 84,
  ExternalCancelFailed: 85,
  SearchAttributesUpserted: 90,
  MemoUpserted: 91,
  ActivityPaused: 100,
  ActivityUnpaused: 101,
  ActivityOptionsUpdated: 102,
} as const;

export type EventType = keyof typeof eventCode;

const typeByCode = new Map<number, EventType>(
  Object.entries(eventCode).map(([type, code]) => [code, type as EventType]),
);

/** The event type of a stored number. @throws when the number is unknown, because a newer version wrote the log */
export function eventTypeOf(code: number): EventType {
  const type = typeByCode.get(code);
  if (type === undefined) {
    throw new RuntimeError(
      'UNSUPPORTED_ENGINE',
      `Event type code ${code} is unknown to this version of reprise: a newer version wrote it. Upgrade the package of this process.`,
    );
  }
  return type;
}

/** Microseconds since 1970-01-01T00:00:00Z, an integer (exact up to the year 2255). */
export type Micros = number;

export const contextSources = ['tool', 'agent', 'llm', 'system', 'user'] as const;
export type ContextSource = (typeof contextSources)[number];

/**
 * One fact of a run. `payload` holds the user's data (arguments, results, failures; see payload.ts). `meta` holds the
 * engine's data (options, durations, usage), as JSON text that SQL can read.
 */
export interface HistoryEvent {
  /** Position in the run: 1-based, dense. */
  readonly seq: number;
  readonly type: EventType;
  /** Database clock. All events of a turn have the same time. */
  readonly at: Micros;
  /** Workflow type (also of a child), activity type, name of a signal or update, id of a version marker. */
  readonly name: string | null;
  /** Seq of the event that this event answers: an ActivityScheduled, TimerStarted, … */
  readonly answers: number | null;
  /** Attempt number of an activity, from 1. */
  readonly attempt: number | null;
  readonly source: ContextSource | null;
  readonly sourceId: string | null;
  readonly reason: string | null;
  /**
   * Id of an update. For a child or a message to another run: the other run's workflow id, in later events its run id.
   */
  readonly correlationId: string | null;
  /** JSON text of RFC 6902 operations (ContextPatched only). */
  readonly ops: string | null;
  readonly payload: Uint8Array | null;
  readonly meta: string | null;
  /** Chain hash. Only the last event of a turn has one, so it marks the end of the turn. */
  readonly hash: Uint8Array | null;
}

/** An event before the append adds its time and its hash. */
export type NewEvent = Omit<HistoryEvent, 'at' | 'hash'>;

/**
 * Outputs are the events that workflow code caused; inputs are all others. In a turn all inputs precede all outputs. A
 * ContextPatched is an input when it answers another event.
 */
const outputTypes: ReadonlySet<EventType> = new Set<EventType>([
  'WorkflowCompleted',
  'WorkflowFailed',
  'WorkflowCancelled',
  'WorkflowContinuedAsNew',
  'ActivityScheduled',
  'ActivityCancelRequested',
  'TimerStarted',
  'TimerCancelled',
  'ContextPatched',
  'CheckpointSaved',
  'UpdateCompleted',
  'UpdateFailed',
  'VersionMarked',
  'ChildWorkflowInitiated',
  'ExternalSignalInitiated',
  'ExternalCancelInitiated',
  'SearchAttributesUpserted',
  'MemoUpserted',
]);

export function isOutput(event: Pick<HistoryEvent, 'type' | 'answers'>): boolean {
  return outputTypes.has(event.type) && !(event.type === 'ContextPatched' && event.answers !== null);
}
