// Which events workflow code sees, and which turns activate it. A turn without visible events activates nothing.
import { type EventType, type HistoryEvent, isOutput } from './event.ts';

/** Turns that end with one of these were not activated. Their inputs join the next activation. */
export const notActivated: ReadonlySet<EventType> = new Set<EventType>([
  'WorkflowTaskFailed',
  'WorkflowTaskDeferred',
  'WorkflowTerminated',
  'WorkflowTimedOut',
  'WorkflowPaused',
  'WorkflowResumed',
  'WorkflowForked',
  'WorkflowRolledBack',
  'WorkflowRecovered',
  'RecoveryApplied',
  'PayloadErased',
]);

const invisible: ReadonlySet<EventType> = new Set<EventType>([
  ...notActivated,
  'ActivityAttemptStarted',
  'ActivityAttemptFailed',
  'WorkerLost',
  'WorkflowTaskCompleted',
]);

/** False for events that mean nothing to workflow code. A turn with only such events causes no activation. */
export function isVisible(type: EventType): boolean {
  return !invisible.has(type);
}

/** The events of a turn that workflow code sees. */
export function visibleInputs(events: readonly HistoryEvent[]): HistoryEvent[] {
  return events.filter((event) => !isOutput(event) && isVisible(event.type));
}
