// Something that happened to a run and is not in its log yet. The turn that logs the input assigns its seq.
import type { AskedPatch } from '../context/patch-trial.ts';
import type { NewEvent, EventType } from '../log/event.ts';

export interface Input extends Omit<NewEvent, 'seq'> {
  /** Message number, when it came from the inbox. */
  readonly mailId?: number;
  /** ActivityCompleted: patches that the activity staged. They are logged behind the result if all of them apply. */
  readonly staged?: readonly AskedPatch[];
  /** Consume the message without an event, because it concerns an attempt that is already closed. */
  readonly isVoid?: boolean;
  /** The encoded failure that answers the sender of a void message. */
  readonly refusal?: Uint8Array;
}

const runEnders: ReadonlySet<EventType> = new Set<EventType>([
  'WorkflowTerminated',
  'WorkflowTimedOut',
  'WorkflowRolledBack',
  'WorkflowRecovered',
]);

/** True for an input that closes the run, whatever its code says. */
export function endsRun(type: EventType): boolean {
  return runEnders.has(type);
}

/** True when the event ends a run's wait for its first task. */
export function endsWait(type: EventType): boolean {
  return runEnders.has(type) || type === 'WorkflowCancelRequested';
}
