// The children of a run that have not closed. Closed children leave no trace here.
// Source: Temporal (behaviors 36, 38, 48 in docs/behaviors.md).
import type { Deferred } from '../../core/deferred.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { NewEvent, HistoryEvent } from '../../core/log/event.ts';
import {
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  RetryState,
  TerminatedFailure,
  TimeoutFailure,
  TimeoutType,
  WorkflowExecutionAlreadyStartedError,
} from '../../core/failure/failure.ts';
import { decodeFailure } from '../../core/failure/failure-info.ts';
import { decodePayload, encodePayload } from '../../core/payload/payload.ts';
import type { FailedMeta, PendingCall } from '../../core/log/activation.ts';
import {
  type CancelListener,
  CancellationScope,
  cancellationOf,
  addCancelListener,
  removeCancelListener,
} from '../scopes/cancellation-scope.ts';
import { ChildWorkflowCancellationType, type CompiledChildOptions } from './child-options.ts';
import type { Command, OpenTurn } from '../run/open-turn.ts';
import type { Externals } from './externals.ts';

export interface ChildCall {
  readonly workflowType: string;
  readonly workflowId: string;
  readonly args: readonly unknown[];
  readonly options: CompiledChildOptions;
}

/** A child as its caller holds it. */
export interface StartedChild {
  /** Resolves to the child's run id once the child's start is in the log. */
  readonly started: Promise<string>;
  readonly result: Promise<unknown>;
  /** Seq of the child's ChildWorkflowInitiated; undefined within the turn that starts the child. */
  readonly seq: number | undefined;
}

class PendingChild implements Command, CancelListener, StartedChild {
  readonly type = 'ChildWorkflowInitiated';
  readonly name: string;
  readonly workflowId: string;
  readonly scope: CancellationScope;
  readonly cancellationType: ChildWorkflowCancellationType;
  readonly start: Deferred<string> = Promise.withResolvers();
  readonly end: Deferred<unknown> = Promise.withResolvers();
  readonly #children: Children;
  readonly #meta: string;
  #payload: Uint8Array | null;
  seq: number | undefined;
  runId: string | undefined;

  constructor(children: Children, { workflowType, workflowId, args, options }: ChildCall, scope: CancellationScope) {
    this.#children = children;
    this.name = workflowType;
    this.workflowId = workflowId;
    this.scope = scope;
    this.cancellationType = options.cancellationType;
    this.#meta = JSON.stringify(options.meta);
    this.#payload = encodePayload(args);
    // A caller may await only one of the two promises.
    this.start.promise.catch(() => undefined);
    this.end.promise.catch(() => undefined);
  }

  get started(): Promise<string> {
    return this.start.promise;
  }

  get result(): Promise<unknown> {
    return this.end.promise;
  }

  toEvent(seq: number): NewEvent {
    const payload = this.#payload;
    this.#payload = null; // the log now holds the arguments
    this.seq = seq;
    this.#children.initiated(seq, this);
    const { name, workflowId: correlationId } = this;
    return newEvent(seq, this.type, { name, correlationId, payload, meta: this.#meta === '{}' ? null : this.#meta });
  }

  cancelled(error: CancelledFailure): void {
    this.#children.cancel(this, error);
  }

  /** Rejects both promises if they are pending. */
  reject(error: Error): void {
    this.start.reject(error);
    this.end.reject(error);
  }
}

export class Children {
  readonly #turn: OpenTurn;
  readonly #externals: Externals;
  readonly #namespace: () => string;
  readonly #pending = new Map<number, PendingChild>();

  constructor(turn: OpenTurn, externals: Externals, namespace: () => string) {
    this.#turn = turn;
    this.#externals = externals;
    this.#namespace = namespace;
  }

  /** Leaves nothing in the history when the scope is cancelled. @throws NOT_SERIALISABLE, READ_ONLY */
  start(call: ChildCall): StartedChild {
    this.#turn.assertWritable();
    const scope = CancellationScope.current();
    const child = new PendingChild(this, call, scope);
    const cancelled = cancellationOf(scope);
    if (cancelled !== undefined) {
      child.reject(cancelled);
      return child;
    }
    this.#turn.issue(child);
    addCancelListener(scope, child);
    return child;
  }

  initiated(seq: number, child: PendingChild): void {
    this.#pending.set(seq, child);
  }

  *pending(): Generator<PendingCall> {
    for (const [seq, { type, name, workflowId: id }] of this.#pending) yield { type, seq, name, id, due: null };
  }

  /** Ignores a child that is not pending. */
  settle(event: HistoryEvent): void {
    const child = event.answers === null ? undefined : this.#pending.get(event.answers);
    if (child === undefined) return;
    // Both events come by message, so the child's end may arrive before its start.
    child.runId ??= event.correlationId ?? undefined;
    if (event.type === 'ChildWorkflowStarted') {
      child.start.resolve(event.correlationId ?? '');
      return;
    }
    this.#forget(child);
    if (event.type === 'ChildWorkflowStartFailed') {
      child.reject(startFailure(child, event.reason));
      return;
    }
    child.start.resolve(event.correlationId ?? '');
    if (event.type === 'ChildWorkflowCompleted') {
      child.end.resolve(event.payload === null ? undefined : decodePayload(event.payload));
    } else child.end.reject(this.#failure(child, retryStateOf(event), causeOf(event)));
  }

  cancel(child: PendingChild, error: CancelledFailure): void {
    const { seq, cancellationType, workflowId } = child;
    const reject = (): void => {
      this.#forget(child);
      child.reject(this.#failure(child, RetryState.CANCEL_REQUESTED, error));
    };
    if (seq === undefined) {
      this.#turn.undo(child);
      return reject();
    }
    if (cancellationType === ChildWorkflowCancellationType.ABANDON) return reject();
    const requested = this.#externals.cancel({ workflowId, meta: { child: seq } });
    requested.catch(() => undefined); // rejects if the child has closed; the event of its end then follows
    if (cancellationType === ChildWorkflowCancellationType.TRY_CANCEL) return reject();
    if (cancellationType === ChildWorkflowCancellationType.WAIT_CANCELLATION_REQUESTED) {
      requested.then(reject, () => undefined);
    }
  }

  #failure(child: PendingChild, retryState: RetryState, cause: Error | undefined): ChildWorkflowFailure {
    const { workflowId, runId, name } = child;
    const execution = runId === undefined ? { workflowId } : { workflowId, runId };
    return new ChildWorkflowFailure(this.#namespace(), execution, name, retryState, cause);
  }

  #forget(child: PendingChild): void {
    removeCancelListener(child.scope, child);
    if (child.seq !== undefined) this.#pending.delete(child.seq);
  }
}

function startFailure({ workflowId, name }: PendingChild, reason: string | null): Error {
  if (reason !== null) return ApplicationFailure.nonRetryable(reason, 'ChildWorkflowStartFailed');
  return new WorkflowExecutionAlreadyStartedError('Workflow execution already started', workflowId, name);
}

function retryStateOf({ type, meta }: HistoryEvent): RetryState {
  const given = meta === null ? undefined : (JSON.parse(meta) as Partial<FailedMeta>).retryState;
  if (given !== undefined) return given as RetryState;
  if (type === 'ChildWorkflowTimedOut') return RetryState.TIMEOUT;
  return type === 'ChildWorkflowFailed' ? RetryState.RETRY_POLICY_NOT_SET : RetryState.NON_RETRYABLE_FAILURE;
}

function causeOf({ type, payload, reason }: HistoryEvent): Error | undefined {
  if (payload !== null) return decodeFailure(payload);
  if (type === 'ChildWorkflowCancelled') return new CancelledFailure('Workflow execution cancelled');
  if (type === 'ChildWorkflowTerminated') return new TerminatedFailure(reason ?? 'Workflow execution terminated');
  if (type !== 'ChildWorkflowTimedOut') return undefined;
  return new TimeoutFailure('Workflow execution timed out', undefined, TimeoutType.START_TO_CLOSE);
}
