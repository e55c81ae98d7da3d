// WorkerLost, the event that lists which activities a run's lost owner may have executed. Their attempts count as lost.
import { newEvent } from '../log/new-event.ts';
import type { HistoryEvent } from '../log/event.ts';
import type { Input } from './input.ts';

export function workerLost(
  epoch: number,
  activities: readonly number[],
  reason = `worker ${epoch} was lost while it owned this run`,
): Input {
  return newEvent(0, 'WorkerLost', { meta: JSON.stringify({ epoch, activities }), reason });
}

/** The seqs of the activities that a WorkerLost lists. */
export function lostActivities(event: Pick<HistoryEvent, 'meta'>): readonly number[] {
  return (JSON.parse(event.meta ?? '{}') as { activities?: number[] }).activities ?? [];
}
