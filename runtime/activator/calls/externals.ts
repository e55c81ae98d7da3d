// Signals and cancel requests that a run sends to other runs. Each is written to the log, sent after the commit, and
// settled when it is delivered.
// Source: Temporal (behavior 9 in docs/behaviors.md).
import type { Deferred } from '../../core/deferred.ts';
import type { ExternalMeta, PendingCall } from '../../core/log/activation.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { NewEvent, HistoryEvent } from '../../core/log/event.ts';
import { ApplicationFailure, type CancelledFailure } from '../../core/failure/failure.ts';
import { encodePayload } from '../../core/payload/payload.ts';
import {
  type CancelListener,
  CancellationScope,
  cancellationOf,
  addCancelListener,
  removeCancelListener,
} from '../scopes/cancellation-scope.ts';
import type { Command, OpenTurn } from '../run/open-turn.ts';

export interface Target {
  readonly workflowId: string;
  readonly meta: ExternalMeta;
}

class PendingMessage implements Command {
  readonly type: 'ExternalSignalInitiated' | 'ExternalCancelInitiated';
  readonly name: string | null;
  readonly arrival: Deferred<void> = Promise.withResolvers();
  /** Called at the end of the turn, when the message gets its seq. */
  onSent: (() => void) | undefined;
  readonly #externals: Externals;
  readonly #target: Target;
  #payload: Uint8Array | null;

  constructor(externals: Externals, target: Target, signal?: { name: string; args: readonly unknown[] }) {
    this.type = signal === undefined ? 'ExternalCancelInitiated' : 'ExternalSignalInitiated';
    this.name = signal?.name ?? null;
    this.#externals = externals;
    this.#target = target;
    this.#payload = signal === undefined ? null : encodePayload(signal.args);
  }

  get workflowId(): string {
    return this.#target.workflowId;
  }

  toEvent(seq: number): NewEvent {
    const payload = this.#payload;
    this.#payload = null;
    this.onSent?.();
    this.#externals.sent(seq, this);
    const { workflowId: correlationId, meta } = this.#target;
    const text = JSON.stringify(meta);
    return newEvent(seq, this.type, { name: this.name, correlationId, payload, meta: text === '{}' ? null : text });
  }
}

export class Externals {
  readonly #turn: OpenTurn;
  readonly #pending = new Map<number, PendingMessage>();

  constructor(turn: OpenTurn) {
    this.#turn = turn;
  }

  /**
   * Resolves when the signal is in the other run's inbox. Cancelling the scope withdraws the signal only within the
   * turn that sends it.
   * @throws NOT_SERIALISABLE, READ_ONLY
   */
  signal(target: Target, name: string, args: readonly unknown[]): Promise<void> {
    const message = new PendingMessage(this, target, { name, args });
    const scope = CancellationScope.current();
    const cancelled = cancellationOf(scope);
    if (cancelled !== undefined) return Promise.reject(cancelled);
    this.#turn.issue(message);
    const listener: CancelListener = {
      cancelled: (error: CancelledFailure) => {
        this.#turn.undo(message);
        message.arrival.reject(error);
      },
    };
    message.onSent = () => removeCancelListener(scope, listener);
    addCancelListener(scope, listener);
    return message.arrival.promise;
  }

  /** Resolves when the request is in the other run's inbox. @throws READ_ONLY */
  cancel(target: Target): Promise<void> {
    const message = new PendingMessage(this, target);
    this.#turn.issue(message);
    return message.arrival.promise;
  }

  sent(seq: number, message: PendingMessage): void {
    this.#pending.set(seq, message);
  }

  *pending(): Generator<PendingCall> {
    for (const [seq, { type, name, workflowId: id }] of this.#pending) yield { type, seq, name, id, due: null };
  }

  settle(event: HistoryEvent): void {
    const message = event.answers === null ? undefined : this.#pending.get(event.answers);
    if (message === undefined) return;
    this.#pending.delete(event.answers!);
    if (event.type === 'ExternalSignalDelivered' || event.type === 'ExternalCancelDelivered') {
      message.arrival.resolve();
      return;
    }
    const what = event.type === 'ExternalSignalFailed' ? 'signal' : 'cancel';
    const text = `Unable to ${what} external workflow because it was not found`;
    message.arrival.reject(ApplicationFailure.nonRetryable(text, 'ExternalWorkflowExecutionNotFound'));
  }
}
