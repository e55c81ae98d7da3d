// Which activities the worker has: workflow code is told of a local one that is missing, since no other worker may run it.
import type { ScheduledMeta } from '../../core/log/activation.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import type { Turn } from '../run/turn.ts';

export type IsRegistered = (activityType: string) => boolean;

let isRegistered: IsRegistered | undefined;

/** To be called once a context; undefined: nobody knows, as where a history is replayed. */
export function installRegistered(lookup: IsRegistered | undefined): void {
  isRegistered = lookup;
}

/**
 * On replay an activity that the record has is not asked for; one that it does not have was refused when it happened.
 * @throws ReferenceError when the worker has no such activity. Source: Temporal (spec/sdk.md behavior 46).
 */
export function refuseUnregistered(turn: Turn, activityType: string): void {
  if (isRegistered === undefined || isRegistered(activityType)) return;
  if (turn.recordHas((event) => isLocalSchedule(event, activityType))) return;
  throw new ReferenceError(`Local activity of type '${activityType}' not registered on worker`);
}

function isLocalSchedule({ type, name, meta }: HistoryEvent, activityType: string): boolean {
  return (
    type === 'ActivityScheduled' && name === activityType && (JSON.parse(meta ?? '{}') as ScheduledMeta).local === true
  );
}
