// What happened to a run and is not in its log yet. A turn gives it a seq.
import type { NewEvent, EventType } from '../log/event.ts';

export interface Input extends Omit<NewEvent, 'seq'> {
  /** Mail number, when it came through the inbox. */
  readonly mailId?: number;
  /** It leaves no event: it tells of an attempt that is over. */
  readonly isVoid?: boolean;
}

const impatient: ReadonlySet<EventType> = new Set<EventType>([
  'WorkflowTerminated',
  'WorkflowTimedOut',
  'WorkflowCancelRequested',
]);

/** Whether this ends a run's wait for its first task. */
export function endsWait(type: EventType): boolean {
  return impatient.has(type);
}
