// Which other runs must learn that a run is closed. Pure: links/ tells them.
import type { EventType, HistoryEvent } from '../../core/log/event.ts';
import type { RunState } from '../../core/run/run-state.ts';
import type { OutboxEntry } from '../../store/log/append.ts';

const startsLink: ReadonlySet<EventType> = new Set<EventType>([
  'ChildWorkflowInitiated',
  'ExternalSignalInitiated',
  'ExternalCancelInitiated',
]);

/** `hasSuccessor`: the parent waits for the end of the run that goes on. Undefined when there is nobody to tell. */
export function outboxEntry(
  state: RunState,
  events: readonly HistoryEvent[],
  hasSuccessor: boolean,
): OutboxEntry | undefined {
  // A replay has no parent, and the children in its history are those of its origin.
  if (state.replay !== undefined) return undefined;
  const parent = hasSuccessor ? undefined : state.parent;
  const links = state.links?.isEmpty === false || events.some(({ type }) => startsLink.has(type));
  return parent === undefined && !links ? undefined : { parent, links };
}
