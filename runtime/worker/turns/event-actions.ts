// Acts on durable events, whether their turn has just been committed or a new owner finds them in the log: starts and
// stops activities, sets timers, and contacts other runs. For a new turn, it also writes log lines for operators and
// answers the turn's senders.
import { eventCode, type HistoryEvent } from '../../core/log/event.ts';
import { closingTypes } from '../../core/log/event-groups.ts';
import { rejectMessage, updateKey, verbKey } from '../../store/messages/updates.ts';
import { verbTypes } from '../../core/recovery/verb.ts';
import type { ActivityDispatcher } from '../activities/activity-dispatcher.ts';
import type { RunTimers } from '../cache/run-timers.ts';
import type { RunWorker } from '../life/run-worker.ts';
import type { Links } from '../links/links.ts';
import type { LiveRun } from './live-run.ts';
import type { BuiltTurn } from './turn-builder.ts';

/** Events whose correlation id names the message that a client waits for. */
const awaitedCodes: ReadonlySet<number> = new Set([
  eventCode.ContextPatched,
  eventCode.UpdateAccepted,
  eventCode.UpdateCompleted,
  eventCode.UpdateFailed,
]);

const attemptCodes: ReadonlySet<number> = new Set(
  ([...closingTypes, 'ActivityAttemptFailed'] as const).map((type) => eventCode[type]),
);

export class EventActions {
  readonly #worker: RunWorker;
  readonly #activities: ActivityDispatcher;
  readonly #timers: RunTimers;
  readonly #links: Links;

  constructor(worker: RunWorker, activities: ActivityDispatcher, timers: RunTimers, links: Links) {
    this.#worker = worker;
    this.#activities = activities;
    this.#timers = timers;
    this.#links = links;
  }

  act(run: LiveRun, event: HistoryEvent): void {
    switch (event.type) {
      case 'ActivityScheduled':
        // A run that is leaving starts no activity here; its next owner starts it.
        if (!run.isLeaving) this.#activities.start(run, run.state.activities.get(event.seq)!);
        return;
      case 'ActivityCancelRequested':
        this.#activities.cancel(run, event.answers!);
        return;
      case 'ActivityAttemptFailed':
        this.#activities.attemptFailed(run, event);
        return;
      case 'TimerStarted':
        this.#timers.start(run, event.seq, run.state.timers.get(event.seq)!);
        return;
      case 'TimerCancelled':
        this.#timers.cancel(run, event.answers!);
        return;
      case 'WorkflowPaused':
        this.#timers.pause(run);
        this.#activities.paused(run);
        return;
      case 'WorkflowResumed':
        this.#timers.startAll(run);
        this.#activities.resumed(run);
        return;
      case 'RecoveryApplied':
        this.#activities.recovered(run, event);
        return;
      case 'WorkerLost':
        this.#activities.workerLost(run, event);
        return;
      case 'ChildWorkflowInitiated':
      case 'ExternalSignalInitiated':
      case 'ExternalCancelInitiated':
        this.#links.act(run, event);
        return;
      default:
        return;
    }
  }

  /** Writes the log lines of a new turn's code, and why its task failed. */
  log({ state: { runId, workflowId } }: LiveRun, { failure, logs }: BuiltTurn): void {
    const { logger } = this.#worker;
    if (failure !== undefined) logger.warn({ runId, workflowId, ...failure }, 'workflow task failed');
    for (const line of logs) logger[line.level]({ runId, workflowId, ...line.attributes }, line.message);
  }

  /**
   * Notifies senders of updates, patches and verbs, and clients that completed activities, of the outcomes in a new
   * turn.
   */
  answer({ runId }: LiveRun, { events, refused }: BuiltTurn): void {
    const { database } = this.#worker;
    for (const { type, correlationId } of events) {
      if (correlationId === null) continue;
      const code = eventCode[type];
      if (awaitedCodes.has(code)) database.notifier.answered(updateKey(runId, correlationId));
      else if (attemptCodes.has(code)) database.notifier.answered(correlationId);
      else if (verbTypes.has(type)) database.notifier.answered(verbKey(runId, correlationId));
    }
    for (const { key, name, failure } of refused) {
      // A sender that gets no answer finds its message gone and sends it again.
      rejectMessage(database, { runId, key, name, failure }).catch(() => undefined);
    }
  }
}
