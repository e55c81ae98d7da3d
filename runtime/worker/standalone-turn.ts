// What follows for a standalone activity from its log and its mail: the turn that is appended, and its next attempt. Pure.
// No code is activated: the run's whole history is its start, the activity, and its end.
//
//   WorkflowStarted ─► ActivityScheduled ─► attempts ─► its end + the run's end
//        └── cancelled before it was scheduled ─────────────────┘
import type { StartedMeta } from '../history/activation.ts';
import { queueKey } from '../history/deployment.ts';
import { draft } from '../history/draft.ts';
import type { EventDraft, EventType, HistoryEvent } from '../history/event.ts';
import { encodeFailure } from '../history/failure-info.ts';
import { CancelledFailure } from '../history/failure.ts';
import { turnHash } from '../history/hash-chain.ts';
import { assertTurn } from '../history/transition.ts';
import type { OfferedTask } from '../store/activity-tasks.ts';
import type { Settlement, StandaloneState } from '../store/standalone-run.ts';
import { closed } from './attempt-outcome.ts';
import { type Input, LiveRun, type PendingActivity } from './live-run.ts';
import { offeredTask } from './offered-task.ts';
import { mailInput } from './outcome-mail.ts';
import { sha256 } from './turn.ts';

/** How the run ends when its activity does. */
const endOf: Partial<Record<EventType, EventType>> = {
  ActivityCompleted: 'WorkflowCompleted',
  ActivityFailed: 'WorkflowFailed',
  ActivityTimedOut: 'WorkflowTimedOut',
  ActivityCancelled: 'WorkflowCancelled',
};

export function settle(state: StandaloneState): Settlement {
  const run = new LiveRun(state.runId, 0, null);
  for (const event of state.events) run.record(event);
  const unhashed = state.events.filter(({ seq }) => run.hash.length === 0 || seq > lastHashed(state));
  const turn = new StandaloneTurn(run, state, unhashed);
  return turn.settlement();
}

function lastHashed({ events }: StandaloneState): number {
  return events.findLast(({ hash }) => hash !== null)?.seq ?? 0;
}

class StandaloneTurn {
  readonly #run: LiveRun;
  readonly #state: StandaloneState;
  readonly #unhashed: readonly HistoryEvent[];
  readonly #activity: PendingActivity | undefined;
  readonly #inputs: Input[] = [];
  readonly #outputs: EventDraft[] = [];
  #cancelRequested: boolean;
  #cancelReason: string | null = null;
  /** How the activity ended. */
  #ended: Input | undefined;
  /** An attempt failed, and there is to be another. */
  #isRetried = false;

  constructor(run: LiveRun, state: StandaloneState, unhashed: readonly HistoryEvent[]) {
    this.#run = run;
    this.#state = state;
    this.#unhashed = unhashed;
    [this.#activity] = [...run.activities.values()];
    this.#cancelRequested = state.events.some(({ type }) => type === 'WorkflowCancelRequested');
    if (this.#activity !== undefined) {
      // Nobody executes it as its own: what a client has asked for without a task does not count.
      this.#activity.elsewhere = 'task';
      this.#activity.cancelRequested ||= this.#cancelRequested;
    }
  }

  settlement(): Settlement {
    for (const mail of this.#state.mail) this.#take(mail);
    const isNew = this.#activity === undefined;
    let withdraws = false;
    let cancels = false;
    if (this.#cancelRequested && this.#ended === undefined) {
      if (isNew) this.#outputs.push(draft(0, 'WorkflowCancelled', { payload: this.#cancellation() }));
      else if (this.#state.task !== 'taken' || this.#isRetried) {
        withdraws = true;
        this.#end(this.#cancelled(this.#activity));
      } else if (!this.#state.events.some(({ type }) => type === 'ActivityCancelRequested')) {
        cancels = true;
        this.#outputs.push(draft(0, 'ActivityCancelRequested', { answers: this.#activity.seq }));
      }
    } else if (isNew) this.#outputs.push(this.#scheduled());
    const events = this.#events();
    for (const event of events) this.#run.record(event);
    const isOffered = this.#ended === undefined && !this.#cancelRequested && (isNew || this.#isRetried);
    return { events, offer: isOffered ? this.#offer() : undefined, cancels, withdraws };
  }

  #take(mail: StandaloneState['mail'][number]): void {
    if (mail.type === 'WorkflowCancelRequested') {
      if (this.#cancelRequested || this.#ended !== undefined) return;
      this.#cancelRequested = true;
      this.#cancelReason = mail.reason;
      this.#inputs.push(draft(0, 'WorkflowCancelRequested', { reason: mail.reason }));
      if (this.#activity !== undefined) this.#activity.cancelRequested = true;
      return;
    }
    if (this.#activity === undefined || this.#ended !== undefined) return;
    if (mail.type === 'WorkerLost') {
      this.#inputs.push(draft(0, 'WorkerLost', { reason: mail.reason, meta: mail.meta }));
      return;
    }
    const { input, activity } = mailInput(this.#run, mail, { now: this.#state.now, present: () => undefined });
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
    const end = draft(0, endOf[input.type]!, { payload, meta, reason });
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

  #scheduled(): EventDraft {
    const [started] = this.#state.events;
    const meta = JSON.parse(started!.meta ?? '{}') as StartedMeta;
    const { name, payload } = started!;
    return draft(0, 'ActivityScheduled', { name, payload, meta: JSON.stringify(meta.activity) });
  }

  #offer(): OfferedTask {
    const [activity] = [...this.#run.activities.values()];
    const queue = queueKey(this.#run.namespace, this.#run.taskQueue);
    return offeredTask(this.#run.runId, activity!, { queue, now: this.#state.now });
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
