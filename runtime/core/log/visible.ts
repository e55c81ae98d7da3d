// Which events workflow code sees: a turn with none of them activates nothing.
import { type EventType, type HistoryEvent, isOutput } from './event.ts';

const invisible: ReadonlySet<EventType> = new Set<EventType>([
  'ActivityAttemptStarted',
  'ActivityAttemptFailed',
  'WorkerLost',
  'WorkflowTaskFailed',
  'WorkflowTaskCompleted',
  'WorkflowTaskDeferred',
  'WorkflowTerminated',
  'WorkflowTimedOut',
]);

/** False for events that say nothing to workflow code: alone they cause no activation. */
export function isVisible(type: EventType): boolean {
  return !invisible.has(type);
}

/** The events of a turn that workflow code is to see. */
export function visibleInputs(events: readonly HistoryEvent[]): HistoryEvent[] {
  return events.filter((event) => !isOutput(event) && isVisible(event.type));
}
