// Compares the commands of replayed code with the log. Pure; knows nothing about runs. Compared: type, activity type
// and id, whether an activity is local, the answered event, context operations and their origin, names of checkpoints.
// Not compared: activity arguments, timer durations, options.
// Source: Temporal's command matching (behavior 58 in docs/behaviors.md).
import type { Divergence, DivergenceKind, ScheduledMeta, VersionMeta } from '../../core/log/activation.ts';
import type { NewEvent, HistoryEvent } from '../../core/log/event.ts';

/** `meta` of the marker that `deprecatePatch` records. */
export const deprecatedMeta: string = JSON.stringify({ deprecated: true } satisfies VersionMeta);

export function isDeprecatedMarker(event: Pick<NewEvent, 'type' | 'meta'>): boolean {
  return event.type === 'VersionMarked' && event.meta === deprecatedMeta;
}

/** Number of characters of context operations that a message shows. */
const opsShownMax = 200;

function scheduledMeta(event: NewEvent): Partial<ScheduledMeta> {
  return event.meta === null ? {} : (JSON.parse(event.meta) as ScheduledMeta);
}

/** Outcomes of local activities are handled last, so a local activity cannot match a remote one. */
function sameActivity(recorded: NewEvent, produced: NewEvent): boolean {
  if (recorded.name !== produced.name) return false;
  if (recorded.meta === produced.meta) return true;
  const [before, now] = [scheduledMeta(recorded), scheduledMeta(produced)];
  return before.id === now.id && before.local === now.local;
}

function matches(recorded: NewEvent, produced: NewEvent): boolean {
  if (recorded.type !== produced.type) return false;
  switch (recorded.type) {
    case 'ActivityScheduled':
      return sameActivity(recorded, produced);
    case 'ActivityCancelRequested':
    case 'TimerCancelled':
    case 'UpdateCompleted':
    case 'UpdateFailed':
      return recorded.answers === produced.answers;
    case 'VersionMarked':
    case 'CheckpointSaved':
      return recorded.name === produced.name;
    case 'ChildWorkflowInitiated':
      return recorded.name === produced.name && recorded.correlationId === produced.correlationId;
    case 'ExternalSignalInitiated':
    case 'ExternalCancelInitiated':
      // The event's meta only names the receiver.
      return (
        recorded.name === produced.name &&
        recorded.correlationId === produced.correlationId &&
        recorded.meta === produced.meta
      );
    case 'ContextPatched':
      return (
        recorded.ops === produced.ops && recorded.source === produced.source && recorded.sourceId === produced.sourceId
      );
    default:
      return true;
  }
}

/** The event as messages describe it. */
export function describe(event: NewEvent): string {
  switch (event.type) {
    case 'ActivityScheduled': {
      const { id, local } = scheduledMeta(event);
      return `ActivityScheduled of ${local === true ? 'local ' : ''}activity '${event.name}' with id '${id}'`;
    }
    case 'ActivityCancelRequested':
    case 'TimerCancelled':
    case 'UpdateCompleted':
    case 'UpdateFailed':
      return `${event.type} of event ${event.answers}`;
    case 'VersionMarked':
    case 'CheckpointSaved':
      return `${event.type} '${event.name}'`;
    case 'ChildWorkflowInitiated':
      return `${event.type} of workflow '${event.name}' with id '${event.correlationId}'`;
    case 'ExternalSignalInitiated':
      return `${event.type} of signal '${event.name}' to workflow '${event.correlationId}'`;
    case 'ExternalCancelInitiated':
      return `${event.type} of workflow '${event.correlationId}'`;
    case 'ContextPatched': {
      const ops = event.ops ?? '';
      const shown = ops.length > opsShownMax ? `${ops.slice(0, opsShownMax)}…` : ops;
      return `ContextPatched by ${event.source} '${event.sourceId}' with ${shown}`;
    }
    default:
      return event.type;
  }
}

/**
 * True when both look like the same command: a person would say that the command moved, not that another one replaced
 * it.
 */
function areAlike(recorded: NewEvent, produced: NewEvent): boolean {
  return recorded.type === produced.type && recorded.name === produced.name && recorded.answers === produced.answers;
}

function kindOf(recorded: readonly NewEvent[], produced: readonly NewEvent[], index: number): DivergenceKind {
  const event = recorded[index];
  const command = produced[index];
  if (command === undefined) return 'removed';
  if (event === undefined) return 'added';
  if (event.type === 'ContextPatched' && command.type === 'ContextPatched') return 'patch';
  if (areAlike(event, command)) return 'id';
  const comesLater = produced.slice(index + 1).some((later) => areAlike(event, later));
  const wasLater = recorded.slice(index + 1).some((later) => areAlike(later, command));
  if (comesLater && wasLater) return 'order';
  if (comesLater) return 'added';
  if (wasLater) return 'removed';
  if (event.type !== command.type) return 'type';
  return event.name === command.name ? 'answers' : 'name';
}

/** The first difference between a turn's recorded outputs and those that the code produced; undefined if none. */
export function compareOutputs(
  recorded: readonly HistoryEvent[],
  produced: readonly NewEvent[],
): Divergence | undefined {
  const length = Math.max(recorded.length, produced.length);
  for (let index = 0; index < length; index += 1) {
    const event = recorded[index];
    const command = produced[index];
    if (event !== undefined && command !== undefined && matches(event, command)) continue;
    return { index, kind: kindOf(recorded, produced, index), recorded: event, produced: command };
  }
  return undefined;
}
