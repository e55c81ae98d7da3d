// The event that says which activities a run's lost owner may have executed: their attempts count as lost.
import { newEvent } from '../log/new-event.ts';
import type { HistoryEvent } from '../log/event.ts';
import type { Input } from './input.ts';

/** `epoch`: of the owner; `activities`: their seqs. */
export function workerLost(
  epoch: number,
  activities: readonly number[],
  reason = `worker ${epoch} was lost while it owned this run`,
): Input {
  return newEvent(0, 'WorkerLost', { meta: JSON.stringify({ epoch, activities }), reason });
}

/** The seqs of the activities that a WorkerLost names. */
export function lostActivities(event: Pick<HistoryEvent, 'meta'>): readonly number[] {
  return (JSON.parse(event.meta ?? '{}') as { activities?: number[] }).activities ?? [];
}
