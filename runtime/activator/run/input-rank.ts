// The order in which an activation handles its inputs: patches of the context (RunContext applies them, so they have no
// rank), the start, messages, then everything else, each group in the order of the log. Outcomes of local activities
// come last.
// Source: Temporal's activation.
import type { EventType } from '../../core/log/event.ts';

/** Group of an input within an activation; undefined: no handler or promise gets the input. Covers every event type. */
export const inputRank: Readonly<Record<EventType, 0 | 1 | 2 | undefined>> = {
  WorkflowStarted: 0,
  SignalReceived: 1,
  UpdateAccepted: 1,
  WorkflowCancelRequested: 2,
  ActivityCompleted: 2,
  ActivityFailed: 2,
  ActivityTimedOut: 2,
  ActivityCancelled: 2,
  TimerFired: 2,
  ChildWorkflowStarted: 2,
  ChildWorkflowStartFailed: 2,
  ChildWorkflowCompleted: 2,
  ChildWorkflowFailed: 2,
  ChildWorkflowCancelled: 2,
  ChildWorkflowTimedOut: 2,
  ChildWorkflowTerminated: 2,
  ExternalSignalDelivered: 2,
  ExternalSignalFailed: 2,
  ExternalCancelDelivered: 2,
  ExternalCancelFailed: 2,
  WorkflowCompleted: undefined,
  WorkflowFailed: undefined,
  WorkflowCancelled: undefined,
  WorkflowTerminated: undefined,
  WorkflowTimedOut: undefined,
  WorkflowContinuedAsNew: undefined,
  WorkflowPaused: undefined,
  WorkflowResumed: undefined,
  WorkflowForked: undefined,
  WorkflowRolledBack: undefined,
  WorkflowRecovered: undefined,
  RecoveryApplied: undefined,
  PayloadErased: undefined,
  ContextPatched: undefined,
  CheckpointSaved: undefined,
  WorkflowTaskCompleted: undefined,
  WorkflowTaskDeferred: undefined,
  WorkflowTaskFailed: undefined,
  WorkerLost: undefined,
  ActivityScheduled: undefined,
  ActivityAttemptStarted: undefined,
  ActivityAttemptFailed: undefined,
  ActivityCancelRequested: undefined,
  TimerStarted: undefined,
  TimerCancelled: undefined,
  UpdateCompleted: undefined,
  UpdateFailed: undefined,
  VersionMarked: undefined,
  ChildWorkflowInitiated: undefined,
  ExternalSignalInitiated: undefined,
  ExternalCancelInitiated: undefined,
  SearchAttributesUpserted: undefined,
  MemoUpserted: undefined,
  ActivityPaused: undefined,
  ActivityUnpaused: undefined,
  ActivityOptionsUpdated: undefined,
};
/** Outcomes of local activities. They have the event types of all activities. */
export const localRank = 3;
export const ranks: readonly (0 | 1 | 2)[] = [0, 1, 2];
export const ranksWithLocal: readonly (0 | 1 | 2 | typeof localRank)[] = [...ranks, localRank];
