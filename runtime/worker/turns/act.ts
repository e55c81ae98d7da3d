// What follows from events that are durable: activities start and stop, timers run, other runs are reached. The same for
// a turn that just committed and for one that a new owner finds in the log.
import type { HistoryEvent } from '../../core/log/event.ts';
import type { ActivityDispatcher } from '../activities/activity-dispatcher.ts';
import type { LiveRun } from './live-run.ts';
import type { Outgoing } from '../links/outgoing.ts';
import type { RunTimers } from '../cache/run-timers.ts';

export interface Actors {
  readonly activities: ActivityDispatcher;
  readonly timers: RunTimers;
  readonly outgoing: Outgoing;
}

export function act(run: LiveRun, event: HistoryEvent, { activities, timers, outgoing }: Actors): void {
  switch (event.type) {
    case 'ActivityScheduled':
      activities.start(run, run.state.activities.get(event.seq)!);
      return;
    case 'ActivityCancelRequested':
      activities.cancel(run, event.answers!);
      return;
    case 'ActivityAttemptFailed':
      activities.attemptFailed(run, event);
      return;
    case 'TimerStarted':
      timers.start(run, event.seq, run.state.timers.get(event.seq)!);
      return;
    case 'TimerCancelled':
      timers.cancel(run, event.answers!);
      return;
    case 'WorkerLost':
      activities.workerLost(run, event);
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
