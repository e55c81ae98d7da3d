// The scheduled activities of a run that have no outcome yet. Closed activities leave no trace here.
import type { ActivityClosedMeta, PendingCall, ScheduledMeta } from '../../core/log/activation.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { NewEvent, HistoryEvent } from '../../core/log/event.ts';
import { ActivityFailure, CancelledFailure, RetryState } from '../../core/failure/failure.ts';
import { decodeFailure } from '../../core/failure/failure-info.ts';
import { decodePayload, encodePayload } from '../../core/payload/payload.ts';
import { describeValue, isStorableName } from '../../core/json/json.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { ActivityCancellationType, type CompiledActivityOptions } from './activity-options.ts';
import {
  type CancelListener,
  CancellationScope,
  cancellationOf,
  addCancelListener,
  removeCancelListener,
} from '../scopes/cancellation-scope.ts';
import { type Command, PlainCommand, type OpenTurn } from '../run/open-turn.ts';
import { currentItem } from '../scopes/item-scope.ts';
import { taskFailureOf } from '../run/task-failure.ts';

/**
 * Messages of ActivityFailures.
 * Source: Temporal.
 */
const messages = {
  ActivityFailed: 'Activity task failed',
  ActivityTimedOut: 'Activity task timed out',
  ActivityCancelled: 'Activity cancelled',
} as const;
const localMessages = {
  ...messages,
  ActivityTimedOut: 'Local Activity timed out',
  ActivityCancelled: 'Local Activity cancelled',
} as const;
type Unsuccessful = keyof typeof messages;

interface Settlers {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

class PendingActivity implements Command, CancelListener {
  readonly type = 'ActivityScheduled';
  readonly name: string;
  readonly id: string;
  readonly options: CompiledActivityOptions;
  readonly scope: CancellationScope;
  readonly settlers: Settlers;
  readonly #activities: ActivityCalls;
  readonly #meta: string;
  #payload: Uint8Array | null;
  seq: number | undefined;

  constructor(
    activities: ActivityCalls,
    call: { name: string; id: string; meta: string; payload: Uint8Array | null; options: CompiledActivityOptions },
    scope: CancellationScope,
    settlers: Settlers,
  ) {
    this.#activities = activities;
    this.name = call.name;
    this.id = call.id;
    this.#meta = call.meta;
    this.options = call.options;
    this.#payload = call.payload;
    this.scope = scope;
    this.settlers = settlers;
  }

  toEvent(seq: number): NewEvent {
    const payload = this.#payload;
    this.#payload = null; // the log now holds the arguments
    this.seq = seq;
    this.#activities.scheduled(seq, this);
    return newEvent(seq, 'ActivityScheduled', { name: this.name, payload, meta: this.#meta });
  }

  cancelled(error: CancelledFailure): void {
    this.#activities.cancel(this, error);
  }

  /** The error that a call rejects with. A failed local activity rejects with what it threw, as in Temporal. */
  failure(type: Unsuccessful, cause: Error | undefined, meta: ActivityClosedMeta = {}): Error {
    const { isLocal } = this.options;
    if (isLocal && type === 'ActivityFailed' && cause !== undefined) return cause;
    const message = (isLocal ? localMessages : messages)[type];
    const retryState = (meta.retryState as RetryState | undefined) ?? defaultRetryState[type];
    return new ActivityFailure(message, this.name, this.id, retryState, meta.identity, cause);
  }
}

const defaultRetryState: Record<Unsuccessful, RetryState> = {
  ActivityFailed: RetryState.NON_RETRYABLE_FAILURE,
  ActivityTimedOut: RetryState.TIMEOUT,
  ActivityCancelled: RetryState.CANCEL_REQUESTED,
};

function causeOf(event: HistoryEvent): Error | undefined {
  if (event.payload !== null) return decodeFailure(event.payload);
  return event.type === 'ActivityCancelled' ? new CancelledFailure('Activity cancelled') : undefined;
}

/**
 * True when the worker has the activity. A call of a local activity that the worker lacks is refused, since no other
 * worker may execute it.
 */
type IsRegistered = (activityType: string) => boolean;

let isRegistered: IsRegistered | undefined;

/**
 * Call once per vm context. Undefined: the activities are unknown, as when a history is replayed outside of a worker.
 */
export function installRegistered(lookup: IsRegistered | undefined): void {
  isRegistered = lookup;
}

/**
 * On replay, a recorded activity is accepted even if this worker lacks it. A call that is not recorded was refused in
 * the original turn, and is refused again.
 * @throws ReferenceError when the worker has no such activity
 * Source: Temporal (behavior 46 in docs/behaviors.md).
 */
function refuseUnregistered(turn: OpenTurn, activityType: string): void {
  if (isRegistered === undefined || isRegistered(activityType)) return;
  if (turn.recordHas((event) => isLocalSchedule(event, activityType))) return;
  throw new ReferenceError(`Local activity of type '${activityType}' not registered on worker`);
}

function isLocalSchedule({ type, name, meta }: HistoryEvent, activityType: string): boolean {
  return (
    type === 'ActivityScheduled' && name === activityType && (JSON.parse(meta ?? '{}') as ScheduledMeta).local === true
  );
}

export class ActivityCalls {
  readonly #turn: OpenTurn;
  readonly #pending = new Map<number, PendingActivity>();
  readonly #openIds = new Set<string>();
  #count = 0;
  #localCount = 0;

  constructor(turn: OpenTurn) {
    this.#turn = turn;
  }

  /** Rejects without a trace in the history when the scope is cancelled or the arguments cannot be encoded. */
  schedule(name: string, args: readonly unknown[], options: CompiledActivityOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#turn.assertWritable();
      if (!isStorableName(name)) {
        throw new RuntimeError(
          'INVALID_INPUT',
          `An activity cannot have the name ${describeValue(name)}: expected 1 to 1000 characters without NUL and lone surrogates.`,
        );
      }
      this.#count += 1;
      const scope = CancellationScope.current();
      const cancelled = cancellationOf(scope);
      if (cancelled !== undefined) {
        reject(cancelled);
        return;
      }
      if (options.isLocal) refuseUnregistered(this.#turn, name);
      const id = this.#freeId(name, options);
      const meta = `{"id":${JSON.stringify(id)}${options.metaTail}`;
      const payload = this.#isRecorded(name, meta, options) ? null : encodePayload(args);
      const activity = new PendingActivity(this, { name, id, meta, payload, options }, scope, { resolve, reject });
      this.#turn.issue(activity);
      this.#openIds.add(id);
      addCancelListener(scope, activity);
    });
  }

  /**
   * True when the record certainly holds this call. Replay then skips encoding the arguments, which is most of the
   * cost. Only an id that the engine assigned gives this certainty, because each such id is given to one call only,
   * even if the arguments of that call are rejected.
   */
  #isRecorded(name: string, meta: string, options: CompiledActivityOptions): boolean {
    const recorded = this.#turn.expected();
    if (recorded?.type !== 'ActivityScheduled' || recorded.name !== name || recorded.meta !== meta) return false;
    return options.activityId === undefined;
  }

  #freeId(name: string, options: CompiledActivityOptions): string {
    const id = options.activityId ?? currentItem()?.activityId(name, this.#openIds) ?? String(this.#count);
    if (!this.#openIds.has(id)) return id;
    const taken = new RuntimeError(
      'INVALID_INPUT',
      `Activity '${name}' cannot be scheduled with id '${id}': an open activity of this run has that id. ` +
        'Give each a different activityId, or wait for the first.',
    );
    // Workflow code cannot catch this failure. In Temporal, the server refuses the task.
    this.#turn.fail(taskFailureOf(taken));
    throw taken;
  }

  scheduled(seq: number, activity: PendingActivity): void {
    this.#pending.set(seq, activity);
    if (activity.options.isLocal) this.#localCount += 1;
  }

  *pending(): Generator<PendingCall> {
    for (const [seq, { type, name, id }] of this.#pending) yield { type, seq, name, id, due: null };
  }

  get hasLocal(): boolean {
    return this.#localCount > 0;
  }

  /** True when the event closes a local activity. */
  endsLocal(event: HistoryEvent): boolean {
    return event.answers !== null && this.#pending.get(event.answers)?.options.isLocal === true;
  }

  /** Ignores an abandoned activity, which is not pending. */
  settle(event: HistoryEvent): void {
    const activity = event.answers === null ? undefined : this.#pending.get(event.answers);
    if (activity === undefined) return;
    this.#forget(activity);
    removeCancelListener(activity.scope, activity);
    if (event.type === 'ActivityCompleted') {
      activity.settlers.resolve(event.payload === null ? undefined : decodePayload(event.payload));
      return;
    }
    const meta = event.meta === null ? {} : (JSON.parse(event.meta) as ActivityClosedMeta);
    activity.settlers.reject(activity.failure(event.type as Unsuccessful, causeOf(event), meta));
  }

  cancel(activity: PendingActivity, error: CancelledFailure): void {
    const { seq, options } = activity;
    if (seq === undefined) this.#turn.undo(activity);
    else if (options.cancellationType !== ActivityCancellationType.ABANDON) {
      this.#turn.issue(new PlainCommand('ActivityCancelRequested', { answers: seq }));
      if (options.cancellationType === ActivityCancellationType.WAIT_CANCELLATION_COMPLETED) return;
    }
    this.#forget(activity);
    activity.settlers.reject(activity.failure('ActivityCancelled', error));
  }

  #forget(activity: PendingActivity): void {
    if (activity.seq !== undefined && this.#pending.delete(activity.seq) && activity.options.isLocal) {
      this.#localCount -= 1;
    }
    this.#openIds.delete(activity.id);
  }
}
