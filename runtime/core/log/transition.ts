// The status of a run and the events that may happen to it: a total table, and the check of a turn before its append.
// Pure: says what is legal, changes nothing.
//
//                 WorkflowStarted
//                        │
//                        ▼        WorkflowCompleted          completed
//                     running ──┬─ WorkflowFailed ──────────► failed
//    WorkflowResumed ▲   │      ├─ WorkflowCancelled ───────► cancelled
//                    │   ▼ WorkflowPaused
//                    │   │      ├─ WorkflowContinuedAsNew ──► continued_as_new
//                    │   │      ├─ WorkflowTerminated ──────► terminated
//                    │   │      ├─ WorkflowRolledBack ──────► rolled_back
//                    │   │      ├─ WorkflowRecovered ───────► recovered
//                     paused ───┴─ WorkflowTimedOut ────────► timed_out
//
// paused: no event of workflow code is legal, so the run ends only by an event that needs no code: terminated, timed
// out, or taken over by a fork (rolled back, recovered). A closed run accepts no event except PayloadErased.
import { type NewEvent, type EventType, isOutput } from './event.ts';
import { RuntimeError } from '../failure/runtime-error.ts';

export const runStatuses = [
  'running',
  'paused',
  'completed',
  'failed',
  'cancelled',
  'terminated',
  'timed_out',
  'continued_as_new',
  'rolled_back',
  'recovered',
] as const;
export type RunStatus = (typeof runStatuses)[number];

type Row = Readonly<Record<EventType, RunStatus | 'refused'>>;

const whenRunning: Row = {
  WorkflowStarted: 'refused',
  WorkflowCompleted: 'completed',
  WorkflowFailed: 'failed',
  WorkflowCancelled: 'cancelled',
  WorkflowTerminated: 'terminated',
  WorkflowTimedOut: 'timed_out',
  WorkflowContinuedAsNew: 'continued_as_new',
  WorkflowCancelRequested: 'running',
  WorkflowTaskFailed: 'running',
  WorkflowTaskCompleted: 'running',
  WorkflowTaskDeferred: 'running',
  WorkflowPaused: 'paused',
  WorkflowResumed: 'refused',
  WorkflowForked: 'running',
  WorkflowRolledBack: 'rolled_back',
  WorkflowRecovered: 'recovered',
  RecoveryApplied: 'running',
  PayloadErased: 'running',
  WorkerLost: 'running',
  ActivityScheduled: 'running',
  ActivityAttemptStarted: 'running',
  ActivityAttemptFailed: 'running',
  ActivityCancelRequested: 'running',
  ActivityCompleted: 'running',
  ActivityFailed: 'running',
  ActivityTimedOut: 'running',
  ActivityCancelled: 'running',
  TimerStarted: 'running',
  TimerFired: 'running',
  TimerCancelled: 'running',
  SignalReceived: 'running',
  UpdateAccepted: 'running',
  UpdateCompleted: 'running',
  UpdateFailed: 'running',
  ContextPatched: 'running',
  CheckpointSaved: 'running',
  VersionMarked: 'running',
  ChildWorkflowInitiated: 'running',
  ChildWorkflowStarted: 'running',
  ChildWorkflowStartFailed: 'running',
  ChildWorkflowCompleted: 'running',
  ChildWorkflowFailed: 'running',
  ChildWorkflowCancelled: 'running',
  ChildWorkflowTimedOut: 'running',
  ChildWorkflowTerminated: 'running',
  ExternalSignalInitiated: 'running',
  ExternalSignalDelivered: 'running',
  ExternalSignalFailed: 'running',
  ExternalCancelInitiated: 'running',
  ExternalCancelDelivered: 'running',
  ExternalCancelFailed: 'running',
  SearchAttributesUpserted: 'running',
  MemoUpserted: 'running',
  ActivityPaused: 'running',
  ActivityUnpaused: 'running',
  ActivityOptionsUpdated: 'running',
};

const whenPaused: Row = {
  WorkflowStarted: 'refused',
  WorkflowCompleted: 'refused',
  WorkflowFailed: 'refused',
  WorkflowCancelled: 'refused',
  WorkflowTerminated: 'terminated',
  WorkflowTimedOut: 'timed_out',
  WorkflowContinuedAsNew: 'refused',
  WorkflowCancelRequested: 'paused',
  WorkflowTaskFailed: 'refused',
  WorkflowTaskCompleted: 'refused',
  WorkflowTaskDeferred: 'paused',
  WorkflowPaused: 'refused',
  WorkflowResumed: 'running',
  WorkflowForked: 'running',
  WorkflowRolledBack: 'rolled_back',
  WorkflowRecovered: 'recovered',
  RecoveryApplied: 'paused',
  PayloadErased: 'paused',
  WorkerLost: 'paused',
  ActivityScheduled: 'refused',
  ActivityAttemptStarted: 'paused',
  ActivityAttemptFailed: 'paused',
  ActivityCancelRequested: 'refused',
  ActivityCompleted: 'paused',
  ActivityFailed: 'paused',
  ActivityTimedOut: 'paused',
  ActivityCancelled: 'paused',
  TimerStarted: 'refused',
  TimerFired: 'paused',
  TimerCancelled: 'refused',
  SignalReceived: 'paused',
  UpdateAccepted: 'refused',
  UpdateCompleted: 'refused',
  UpdateFailed: 'refused',
  ContextPatched: 'paused',
  CheckpointSaved: 'refused',
  VersionMarked: 'refused',
  ChildWorkflowInitiated: 'refused',
  ChildWorkflowStarted: 'paused',
  ChildWorkflowStartFailed: 'paused',
  ChildWorkflowCompleted: 'paused',
  ChildWorkflowFailed: 'paused',
  ChildWorkflowCancelled: 'paused',
  ChildWorkflowTimedOut: 'paused',
  ChildWorkflowTerminated: 'paused',
  ExternalSignalInitiated: 'refused',
  ExternalSignalDelivered: 'paused',
  ExternalSignalFailed: 'paused',
  ExternalCancelInitiated: 'refused',
  ExternalCancelDelivered: 'paused',
  ExternalCancelFailed: 'paused',
  SearchAttributesUpserted: 'refused',
  MemoUpserted: 'refused',
  ActivityPaused: 'paused',
  ActivityUnpaused: 'paused',
  ActivityOptionsUpdated: 'paused',
};

const whenClosed: Row = {
  WorkflowStarted: 'refused',
  WorkflowCompleted: 'refused',
  WorkflowFailed: 'refused',
  WorkflowCancelled: 'refused',
  WorkflowTerminated: 'refused',
  WorkflowTimedOut: 'refused',
  WorkflowContinuedAsNew: 'refused',
  WorkflowCancelRequested: 'refused',
  WorkflowTaskFailed: 'refused',
  WorkflowTaskCompleted: 'refused',
  WorkflowTaskDeferred: 'refused',
  WorkflowPaused: 'refused',
  WorkflowResumed: 'refused',
  WorkflowForked: 'refused',
  WorkflowRolledBack: 'refused',
  WorkflowRecovered: 'refused',
  RecoveryApplied: 'refused',
  PayloadErased: 'refused',
  WorkerLost: 'refused',
  ActivityScheduled: 'refused',
  ActivityAttemptStarted: 'refused',
  ActivityAttemptFailed: 'refused',
  ActivityCancelRequested: 'refused',
  ActivityCompleted: 'refused',
  ActivityFailed: 'refused',
  ActivityTimedOut: 'refused',
  ActivityCancelled: 'refused',
  TimerStarted: 'refused',
  TimerFired: 'refused',
  TimerCancelled: 'refused',
  SignalReceived: 'refused',
  UpdateAccepted: 'refused',
  UpdateCompleted: 'refused',
  UpdateFailed: 'refused',
  ContextPatched: 'refused',
  CheckpointSaved: 'refused',
  VersionMarked: 'refused',
  ChildWorkflowInitiated: 'refused',
  ChildWorkflowStarted: 'refused',
  ChildWorkflowStartFailed: 'refused',
  ChildWorkflowCompleted: 'refused',
  ChildWorkflowFailed: 'refused',
  ChildWorkflowCancelled: 'refused',
  ChildWorkflowTimedOut: 'refused',
  ChildWorkflowTerminated: 'refused',
  ExternalSignalInitiated: 'refused',
  ExternalSignalDelivered: 'refused',
  ExternalSignalFailed: 'refused',
  ExternalCancelInitiated: 'refused',
  ExternalCancelDelivered: 'refused',
  ExternalCancelFailed: 'refused',
  SearchAttributesUpserted: 'refused',
  MemoUpserted: 'refused',
  ActivityPaused: 'refused',
  ActivityUnpaused: 'refused',
  ActivityOptionsUpdated: 'refused',
};

/** Only an erasure may follow the end of a run. */
function closed(status: RunStatus): Row {
  return { ...whenClosed, PayloadErased: status };
}

export const transition: Readonly<Record<RunStatus, Row>> = {
  running: whenRunning,
  paused: whenPaused,
  completed: closed('completed'),
  failed: closed('failed'),
  cancelled: closed('cancelled'),
  terminated: closed('terminated'),
  timed_out: closed('timed_out'),
  continued_as_new: closed('continued_as_new'),
  rolled_back: closed('rolled_back'),
  recovered: closed('recovered'),
};

export function isClosed(status: RunStatus): boolean {
  return status !== 'running' && status !== 'paused';
}

/** Whether the event ends an open run. */
export function closesRun(type: EventType): boolean {
  const status = transition.running[type];
  return status !== 'refused' && isClosed(status);
}

/** `status` undefined: the run does not exist yet, and only WorkflowStarted is legal. */
export function statusAfter(status: RunStatus | undefined, type: EventType): RunStatus | 'refused' {
  if (status !== undefined) return transition[status][type];
  return type === 'WorkflowStarted' ? 'running' : 'refused';
}

/**
 * Checks the rules for every appended turn: seqs are dense, inputs precede outputs, answers point backwards, and no
 * event follows the one that closes the run. `status` (undefined: no run yet) and `lastSeq` (then 0) are the values
 * before the turn. Returns the status after it.
 * @throws ASSERTION_FAILED: a fault of the engine; nothing of the turn may be written
 */
export function assertTurn(
  status: RunStatus | undefined,
  lastSeq: number,
  events: readonly Pick<NewEvent, 'seq' | 'type' | 'answers'>[],
): RunStatus {
  let current = status;
  let seq = lastSeq + 1;
  let outputSeen = false;
  for (const event of events) {
    if (event.seq !== seq) throw illegal(`${event.type} has seq ${event.seq}, expected ${seq}`);
    const next = statusAfter(current, event.type);
    if (next === 'refused') {
      throw illegal(`${event.type} (seq ${seq}) is not legal when the run is ${current ?? 'not started'}`);
    }
    if (event.answers !== null && !(event.answers >= 1 && event.answers < seq)) {
      throw illegal(`${event.type} (seq ${seq}) answers ${event.answers}, expected an earlier seq`);
    }
    const output = isOutput(event);
    if (outputSeen && !output)
      throw illegal(`input ${event.type} (seq ${seq}) stands behind an output of the same turn`);
    outputSeen ||= output;
    current = next;
    seq += 1;
  }
  if (current === undefined) throw illegal('the first turn of a run has no event');
  return current;
}

function illegal(problem: string): RuntimeError {
  return new RuntimeError('ASSERTION_FAILED', `A turn breaks the rules of the log: ${problem}. It was not written.`);
}
