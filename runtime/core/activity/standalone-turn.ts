// Computes the next turn of a standalone activity from its log, its mail and a client's command, and the next attempt
// to offer. Pure. No workflow code is activated: the history is the start, the activity and its end.
//
//   WorkflowStarted ─► ActivityScheduled ─► attempts ─► its end + the run's end
//        └── cancelled before it was scheduled ─────────────────┘
import { readStartMeta } from '../run/start-meta.ts';
import { type ActivityControls, activityControls, type UnpausedMeta } from './activity-controls.ts';
import { queueKey } from '../run/deployment.ts';
import { newEvent } from '../log/new-event.ts';
import type { NewEvent, EventType, HistoryEvent, Micros } from '../log/event.ts';
import { encodeFailure } from '../failure/failure-info.ts';
import { CancelledFailure } from '../failure/failure.ts';
import type { Sha256 } from '../log/hash-chain.ts';
import { IllegalStateError } from '../failure/runtime-error.ts';
import { activitiesNamespace } from './standalone.ts';
import type { Input } from '../run/input.ts';
import type { Mail } from '../run/mail.ts';
import { RunState } from '../run/run-state.ts';
import { sealTurn, turnTime } from '../run/seal-turn.ts';
import { closed } from './attempt-outcome.ts';
import { type OfferedTask, offeredTask } from './offered-task.ts';
import { mailInput } from './outcome-mail.ts';
import { type ActivityCommand, commandInput } from './standalone-command.ts';
import type { FoldedActivity } from './pending-activity.ts';

/** What the caller knows about the run. */
export interface StandaloneState {
  readonly runId: string;
  readonly now: Micros;
  readonly events: readonly HistoryEvent[];
  /** Unread messages. */
  readonly mail: readonly Mail[];
  /**
   * `waiting`: the task waits for a worker, or the activity is paused. `taken`: an attempt runs. Undefined: no task.
   */
  readonly task: 'waiting' | 'taken' | undefined;
}

/** What the caller must write. */
export interface Settlement {
  /** Events to append, with time and hash; the last one may close the run. */
  readonly events: readonly HistoryEvent[];
  readonly offer: OfferedTask | undefined;
  readonly cancels: boolean;
  /** Withdraw the task: no worker may claim the task in its current form. */
  readonly withdraws: boolean;
  /**
   * New terms for the task, when they differ from the terms that it was scheduled with. They also reach a running
   * attempt.
   */
  readonly terms: TaskTerms | undefined;
  /** Status for the run's row; set when the activity is open and was paused at some time. */
  readonly status: 'running' | 'paused' | undefined;
  /** The new task queue: the key of the queue in which the run waits, and the queue's name. */
  readonly queue: { readonly key: string; readonly name: string } | undefined;
  /** Discard the heartbeat details of earlier attempts. */
  readonly forgets: boolean;
}

export interface TaskTerms {
  readonly task: OfferedTask;
  /** Workers do not claim the task. A running attempt is notified of the pause. */
  readonly paused: boolean;
  /** JSON text of a ScheduledMeta; null: as scheduled. */
  readonly options: string | null;
}

/** The event that closes the run, by the event that closes its activity. */
const endOf: Partial<Record<EventType, EventType>> = {
  ActivityCompleted: 'WorkflowCompleted',
  ActivityFailed: 'WorkflowFailed',
  ActivityTimedOut: 'WorkflowTimedOut',
  ActivityCancelled: 'WorkflowCancelled',
};

export interface CommandResult extends Settlement {
  /** Controls in force after the command. */
  readonly controls: ActivityControls;
  /** True if an event was appended; false if nothing changed or the command was refused. */
  readonly isApplied: boolean;
  readonly refusal: Error | undefined;
}

/** `command`: allowed only when the activity has no unread mail. */
export function settle(state: StandaloneState, sha256: Sha256, command?: ActivityCommand): CommandResult {
  return new StandaloneTurn(state, sha256).settlement(command);
}

const nothing = { offer: undefined, terms: undefined, status: undefined, queue: undefined, forgets: false } as const;

function forgetsProgress(meta: string | null): boolean {
  return (JSON.parse(meta ?? '{}') as UnpausedMeta).resetHeartbeat === true;
}

class StandaloneTurn {
  readonly #state: StandaloneState;
  readonly #sha256: Sha256;
  /** Folds the log, and the turn once it is sealed. */
  readonly #run: RunState;
  readonly #inputs: Input[] = [];
  readonly #outputs: NewEvent[] = [];
  #controls: ActivityControls;
  readonly #activity: FoldedActivity | undefined;
  #cancelRequested: boolean;
  #cancelReason: string | null = null;
  #ended: Input | undefined;
  #isRetried = false;
  #isApplied = false;

  constructor(state: StandaloneState, sha256: Sha256) {
    this.#state = state;
    this.#sha256 = sha256;
    this.#run = RunState.of(state.runId, state.events);
    this.#controls = activityControls(state.events);
    this.#cancelRequested = this.#run.cancelRequested;
    this.#activity = this.#effectiveActivity();
    if (this.#activity !== undefined) this.#activity.cancelRequested ||= this.#cancelRequested;
  }

  settlement(command: ActivityCommand | undefined): CommandResult {
    for (const mail of this.#state.mail) this.#take(mail);
    const refusal = command === undefined ? undefined : this.#apply(command);
    const isNew = this.#activity === undefined;
    let withdraws = false;
    let cancels = false;
    if (this.#cancelRequested && this.#ended === undefined) {
      if (isNew) this.#outputs.push(newEvent(0, 'WorkflowCancelled', { payload: this.#cancellation() }));
      else if (!this.#isAtWork) {
        withdraws = true;
        this.#end(this.#cancelled(this.#activity));
      } else if (!this.#state.events.some(({ type }) => type === 'ActivityCancelRequested')) {
        cancels = true;
        this.#outputs.push(newEvent(0, 'ActivityCancelRequested', { answers: this.#activity.seq }));
      }
    } else if (isNew) this.#outputs.push(this.#scheduled());
    const events = this.#events();
    for (const event of events) this.#run.apply(event);
    const isOpen = this.#ended === undefined && !this.#cancelRequested;
    // A task that waits for a worker is replaced by one with the new terms.
    const isReplaced = isOpen && this.#isApplied && !isNew && this.#state.task === 'waiting';
    const isOffered = isOpen && (isNew || this.#isRetried || isReplaced);
    return {
      ...this.#placed(events, isOffered),
      events,
      cancels,
      withdraws: withdraws || isReplaced,
      isApplied: this.#isApplied,
      refusal,
    };
  }

  /** The offered task, its terms, and the run's status and queue, as they follow from the log and the new `events`. */
  #placed(
    events: readonly HistoryEvent[],
    isOffered: boolean,
  ): Pick<CommandResult, 'controls' | 'offer' | 'terms' | 'status' | 'queue' | 'forgets'> {
    const before = this.#controls;
    const controls = activityControls([...this.#state.events, ...events]);
    this.#controls = controls;
    if (this.#ended !== undefined || this.#cancelRequested) return { ...nothing, controls };
    const offer = this.#offer();
    const isPaused = controls.paused !== undefined;
    const isUsual = !isPaused && !controls.isChanged;
    const terms: TaskTerms | undefined =
      (isOffered && isUsual) || !(isOffered || this.#isApplied)
        ? undefined
        : { task: offer, paused: isPaused, options: controls.isChanged ? JSON.stringify(controls.options) : null };
    const { namespace } = this.#run;
    const queue = controls.taskQueue;
    return {
      controls,
      offer: isOffered ? offer : undefined,
      terms,
      status: controls.wasPaused ? (isPaused && !this.#isAtWork ? 'paused' : 'running') : undefined,
      queue:
        queue === before.taskQueue ? undefined : { key: queueKey(activitiesNamespace(namespace), queue), name: queue },
      forgets: events.some(({ type, meta }) => type === 'ActivityUnpaused' && forgetsProgress(meta)),
    };
  }

  get #isAtWork(): boolean {
    return this.#state.task === 'taken' && !this.#isRetried;
  }

  /** The activity with its current options and the attempts that still count. */
  #effectiveActivity(): FoldedActivity | undefined {
    const [pending] = this.#run.activities.values();
    if (pending === undefined) return undefined;
    const { options, notBefore, dueAt, forgiven } = this.#controls;
    const earliest = pending.nextAttemptAt === 0 && notBefore > this.#state.now ? notBefore : pending.nextAttemptAt;
    return {
      ...pending,
      options,
      scheduledAt: Math.max(pending.scheduledAt, notBefore),
      limitsFrom: Math.max(pending.scheduledAt, notBefore),
      failedAttempts: pending.failedAttempts - forgiven,
      // Attempt numbers only rise, because an outcome names its attempt by number.
      lostAttempts: pending.lostAttempts + forgiven,
      nextAttemptAt: dueAt ?? earliest,
    };
  }

  /** Returns the error when the command is refused. */
  #apply(command: ActivityCommand): Error | undefined {
    const { events, runId, now } = this.#state;
    if (this.#cancelRequested) {
      const message = `Activity ${this.#run.workflowId} (run ${runId}) is being cancelled. It can no longer be paused, unpaused or changed.`;
      return new IllegalStateError(message, { runId });
    }
    try {
      const input = commandInput(command, {
        controls: this.#controls,
        now,
        activity: this.#activity,
        lastFailedAt: events.findLast(({ type }) => type === 'ActivityAttemptFailed')?.at,
        isAtWork: this.#isAtWork,
        taskQueue: this.#run.taskQueue,
      });
      this.#isApplied = input !== undefined;
      if (input !== undefined) this.#inputs.push(input);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  #take(mail: StandaloneState['mail'][number]): void {
    if (mail.type === 'WorkflowCancelRequested') {
      if (this.#cancelRequested || this.#ended !== undefined) return;
      this.#cancelRequested = true;
      this.#cancelReason = mail.reason;
      this.#inputs.push(newEvent(0, 'WorkflowCancelRequested', { reason: mail.reason }));
      if (this.#activity !== undefined) this.#activity.cancelRequested = true;
      return;
    }
    if (this.#activity === undefined || this.#ended !== undefined) return;
    if (mail.type === 'WorkerLost') {
      this.#inputs.push(newEvent(0, 'WorkerLost', { reason: mail.reason, meta: mail.meta }));
      return;
    }
    const { seq } = this.#activity;
    const { input, activity } = mailInput(mail, {
      now: this.#state.now,
      activities: new Map([[seq, this.#activity]]),
      // No owner executes the activity itself, so a client's outcome without a task does not count.
      places: { of: () => 'task' },
      present: () => undefined,
      wasPaused: this.#controls.wasPaused,
    });
    if (activity === undefined || input.isVoid === true) return;
    if (endOf[input.type] === undefined) {
      this.#isRetried = input.type === 'ActivityAttemptFailed';
      this.#inputs.push(input);
    } else this.#end(input);
  }

  #end(input: Input): void {
    this.#ended = input;
    this.#inputs.push(input);
    const { payload, meta, reason } = input;
    const end = newEvent(0, endOf[input.type]!, { payload, meta, reason });
    // A run's timeout is an input, not an output of its code.
    if (end.type === 'WorkflowTimedOut') this.#inputs.push(end);
    else this.#outputs.push(end);
  }

  #cancelled(activity: FoldedActivity): Input {
    const failure = new CancelledFailure('Activity cancelled');
    return closed(activity, 'ActivityCancelled', failure, { retryState: 'CANCEL_REQUESTED', identity: '' }).input;
  }

  #cancellation(): Uint8Array {
    return encodeFailure(new CancelledFailure(this.#cancelReason ?? 'Activity cancelled'));
  }

  #scheduled(): NewEvent {
    const [started] = this.#state.events;
    const { name, payload } = started!;
    return newEvent(0, 'ActivityScheduled', { name, payload, meta: JSON.stringify(readStartMeta(started).activity) });
  }

  #offer(): OfferedTask {
    const activity = this.#effectiveActivity()!;
    const queue = queueKey(this.#run.namespace, this.#controls.taskQueue);
    return offeredTask(this.#state.runId, activity, { queue, now: this.#state.now });
  }

  #events(): HistoryEvent[] {
    const { now, events } = this.#state;
    const newEvents: NewEvent[] = [];
    for (const { mailId: _, isVoid: __, ...input } of this.#inputs) newEvents.push({ ...input, seq: 0 });
    newEvents.push(...this.#outputs);
    const unhashed = events.slice(events.findLastIndex(({ hash }) => hash !== null) + 1);
    return sealTurn(this.#run, unhashed, { newEvents, at: turnTime(this.#run, now) }, this.#sha256).events;
  }
}
