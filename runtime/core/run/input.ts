// Something that happened to a run and is not in its log yet. A turn assigns its seq.
import type { NewEvent, EventType } from '../log/event.ts';

export interface Input extends Omit<NewEvent, 'seq'> {
  /** Message number, when it came from the inbox. */
  readonly mailId?: number;
  /** Consume it without an event: it concerns an attempt that is already closed. */
  readonly isVoid?: boolean;
}

const waitEnders: ReadonlySet<EventType> = new Set<EventType>([
  'WorkflowTerminated',
  'WorkflowTimedOut',
  'WorkflowCancelRequested',
]);

/** True when the event ends a run's wait for its first task. */
export function endsWait(type: EventType): boolean {
  return waitEnders.has(type);
}
