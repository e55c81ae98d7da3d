// What follows from events that are durable: activities start and stop, timers run, other runs are reached. The same for
// a turn that just committed and for one that a new owner finds in the log.
import type { HistoryEvent } from '../history/event.ts';
import type { ActivityExecutor } from './activity-executor.ts';
import type { LiveRun } from './live-run.ts';
import type { Outgoing } from './outgoing.ts';
import type { RunTimers } from './run-timers.ts';

export interface Actors {
  readonly executor: ActivityExecutor;
  readonly timers: RunTimers;
  readonly outgoing: Outgoing;
}

export function act(run: LiveRun, event: HistoryEvent, { executor, timers, outgoing }: Actors): void {
  switch (event.type) {
    case 'ActivityScheduled':
      executor.start(run, run.activities.get(event.seq)!);
      return;
    case 'ActivityCancelRequested':
      executor.cancel(run, event.answers!);
      return;
    case 'TimerStarted':
      timers.start(run, event.seq, run.timers.get(event.seq)!);
      return;
    case 'TimerCancelled':
      timers.cancel(run, event.answers!);
      return;
    case 'WorkerLost':
      startActivities(run, executor);
      return;
    case 'ChildWorkflowInitiated':
    case 'ExternalSignalInitiated':
    case 'ExternalCancelInitiated':
      outgoing.act(run, event);
      return;
    default:
      return;
  }
}

/** Starts everything that is scheduled and not closed, after the run came into this process. */
export function startActivities(run: LiveRun, executor: ActivityExecutor): void {
  for (const activity of run.activities.values()) executor.start(run, activity, run.progress?.get(activity.seq));
  run.progress = undefined;
}
