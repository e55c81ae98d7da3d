// What follows for a standalone activity from its log, its mail, and what a client asks of it: the turn that is appended,
// and its next attempt. Pure. No code is activated: the run's whole history is its start, the activity, and its end.
//
//   WorkflowStarted ─► ActivityScheduled ─► attempts ─► its end + the run's end
//        └── cancelled before it was scheduled ─────────────────┘
import { readStartMeta } from '../../core/run/start-meta.ts';
import { type ActivityControls, activityControls, type UnpausedMeta } from '../../core/activity/activity-controls.ts';
import { queueKey } from '../../core/run/deployment.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { NewEvent, EventType, HistoryEvent } from '../../core/log/event.ts';
import { encodeFailure } from '../../core/failure/failure-info.ts';
import { CancelledFailure } from '../../core/failure/failure.ts';
import { turnHash } from '../../core/log/hash-chain.ts';
import { IllegalStateError } from '../../core/failure/runtime-error.ts';
import { activitiesNamespace } from '../../core/activity/standalone.ts';
import { assertTurn } from '../../core/log/transition.ts';
import type { OfferedTask } from '../../store/activities/task-offers.ts';
import type { Settlement, StandaloneState, TaskTerms } from '../../store/activities/standalone-run.ts';
import { closed } from './attempt-outcome.ts';
import { type Input, LiveRun, type PendingActivity } from '../turns/live-run.ts';
import { offeredTask } from './offered-task.ts';
import { mailInput } from './outcome-mail.ts';
import { type ActivityCommand, commandInput } from './standalone-command.ts';
import { sha256 } from '../turns/turn.ts';

/** How the run ends when its activity does. */
const endOf: Partial<Record<EventType, EventType>> = {
  ActivityCompleted: 'WorkflowCompleted',
  ActivityFailed: 'WorkflowFailed',
  ActivityTimedOut: 'WorkflowTimedOut',
  ActivityCancelled: 'WorkflowCancelled',
};

/** What became of a command. */
export interface Obeyed extends Settlement {
  /** What holds now. */
  readonly controls: ActivityControls;
  /** The log is told; else all is as it was asked to be, or it was refused. */
  readonly isObeyed: boolean;
  readonly refusal: Error | undefined;
}

/** `command`: only of an activity that has no unread mail. */
export function settle(state: StandaloneState, command?: ActivityCommand): Obeyed {
  const run = new LiveRun(state.runId, 0, null);
  for (const event of state.events) run.record(event);
  const unhashed = state.events.filter(({ seq }) => run.hash.length === 0 || seq > lastHashed(state));
  const turn = new StandaloneTurn(run, state, unhashed);
  return turn.settlement(command);
}

function lastHashed({ events }: StandaloneState): number {
  return events.findLast(({ hash }) => hash !== null)?.seq ?? 0;
}

const nothing = { offer: undefined, terms: undefined, status: undefined, queue: undefined, forgets: false } as const;

function forgetsProgress(meta: string | null): boolean {
  return (JSON.parse(meta ?? '{}') as UnpausedMeta).resetHeartbeat === true;
}

class StandaloneTurn {
  readonly #run: LiveRun;
  readonly #state: StandaloneState;
  readonly #unhashed: readonly HistoryEvent[];
  readonly #inputs: Input[] = [];
  readonly #outputs: NewEvent[] = [];
  #controls: ActivityControls;
  #activity: PendingActivity | undefined;
  #cancelRequested: boolean;
  #cancelReason: string | null = null;
  /** How the activity ended. */
  #ended: Input | undefined;
  /** An attempt failed, and there is to be another. */
  #isRetried = false;
  /** The log is told what a client asked for. */
  #isObeyed = false;

  constructor(run: LiveRun, state: StandaloneState, unhashed: readonly HistoryEvent[]) {
    this.#run = run;
    this.#state = state;
    this.#unhashed = unhashed;
    this.#controls = activityControls(state.events);
    this.#cancelRequested = state.events.some(({ type }) => type === 'WorkflowCancelRequested');
    this.#activity = this.#governed(this.#controls.forgiven);
    if (this.#activity !== undefined) {
      // Nobody executes it as its own: what a client has asked for without a task does not count.
      this.#activity.elsewhere = 'task';
      this.#activity.cancelRequested ||= this.#cancelRequested;
    }
  }

  settlement(command: ActivityCommand | undefined): Obeyed {
    for (const mail of this.#state.mail) this.#take(mail);
    const refusal = command === undefined ? undefined : this.#obey(command);
    const isNew = this.#activity === undefined;
    let withdraws = false;
    let cancels = false;
    if (this.#cancelRequested && this.#ended === undefined) {
      if (isNew) this.#outputs.push(newEvent(0, 'WorkflowCancelled', { payload: this.#cancellation() }));
      else if (!this.#isAtWork) {
        withdraws = true;
        this.#end(this.#cancelled(this.#activity!));
      } else if (!this.#state.events.some(({ type }) => type === 'ActivityCancelRequested')) {
        cancels = true;
        this.#outputs.push(newEvent(0, 'ActivityCancelRequested', { answers: this.#activity!.seq }));
      }
    } else if (isNew) this.#outputs.push(this.#scheduled());
    const events = this.#events();
    for (const event of events) this.#run.record(event);
    const isOpen = this.#ended === undefined && !this.#cancelRequested;
    // A task that nobody has is offered again as it is to be now.
    const isReplaced = isOpen && this.#isObeyed && !isNew && this.#state.task === 'waiting';
    const isOffered = isOpen && (isNew || this.#isRetried || isReplaced);
    return {
      ...this.#placed(events, isOffered),
      events,
      cancels,
      withdraws: withdraws || isReplaced,
      isObeyed: this.#isObeyed,
      refusal,
    };
  }

  /** What stands of the activity outside of its log. */
  #placed(
    events: readonly HistoryEvent[],
    isOffered: boolean,
  ): Pick<Obeyed, 'controls' | 'offer' | 'terms' | 'status' | 'queue' | 'forgets'> {
    const before = this.#controls;
    const controls = activityControls([...this.#state.events, ...events]);
    this.#controls = controls;
    if (this.#ended !== undefined || this.#cancelRequested) return { ...nothing, controls };
    const offer = this.#offer(controls.forgiven - before.forgiven);
    const isPaused = controls.paused !== undefined;
    const isUsual = !isPaused && !controls.isChanged;
    const terms: TaskTerms | undefined =
      (isOffered && isUsual) || !(isOffered || this.#isObeyed)
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

  /** The activity with the options that it has now, and the attempts that count. */
  #governed(forgiven: number): PendingActivity | undefined {
    const [pending] = [...this.#run.activities.values()];
    if (pending === undefined) return undefined;
    const { options, notBefore, dueAt } = this.#controls;
    const earliest = pending.nextAttemptAt === 0 && notBefore > this.#state.now ? notBefore : pending.nextAttemptAt;
    const governed: PendingActivity = {
      ...pending,
      options,
      scheduledAt: Math.max(pending.scheduledAt, notBefore),
      failedAttempts: pending.failedAttempts - forgiven,
      // Numbers of attempts go on rising: an outcome names the one that it is of.
      lostAttempts: pending.lostAttempts + forgiven,
      nextAttemptAt: dueAt ?? earliest,
    };
    this.#run.activities.set(governed.seq, governed);
    return governed;
  }

  /** Why the command is refused. */
  #obey(command: ActivityCommand): Error | undefined {
    const { events, runId, now } = this.#state;
    if (this.#cancelRequested) {
      const message = `Activity ${this.#run.workflowId} (run ${runId}) is being cancelled: it cannot be paused, unpaused, or given other options any more.`;
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
      this.#isObeyed = input !== undefined;
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
    const { wasPaused } = this.#controls;
    const reading = { now: this.#state.now, present: () => undefined, wasPaused };
    const { input, activity } = mailInput(this.#run, mail, reading);
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
    // A timeout is something that happens to a run, not something that it does.
    if (end.type === 'WorkflowTimedOut') this.#inputs.push(end);
    else this.#outputs.push(end);
  }

  #cancelled(activity: PendingActivity): Input {
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

  /** `forgiven`: failed attempts that count no more since this turn. */
  #offer(forgiven: number): OfferedTask {
    const activity = this.#governed(forgiven)!;
    const queue = queueKey(this.#run.namespace, this.#controls.taskQueue);
    return offeredTask(this.#run.runId, activity, { queue, now: this.#state.now });
  }

  /** With seqs, the time and the hash. */
  #events(): HistoryEvent[] {
    const at = Math.max(this.#run.at + 1, this.#state.now);
    const events: HistoryEvent[] = [];
    for (const { mailId: _, isVoid: __, ...columns } of [...this.#inputs, ...this.#outputs] as Input[]) {
      events.push({ ...columns, seq: this.#run.seq + events.length + 1, at, hash: null });
    }
    const last = events.at(-1);
    if (last === undefined) return events;
    assertTurn('running', this.#run.seq, events);
    const head = turnHash(this.#run.hash, this.#run.runId, [...this.#unhashed, ...events], sha256);
    events[events.length - 1] = { ...last, hash: head };
    return events;
  }
}
