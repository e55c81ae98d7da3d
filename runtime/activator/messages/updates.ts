// Updates of a run: validated, accepted or rejected, handled, and answered by an event. A rejected update leaves no
// trace in the log. A replay has only accepted updates, and does not run validators.
// Source: Temporal's dispatch (behaviors 10 to 20 in docs/behaviors.md).
import type { RejectedUpdate } from '../../core/log/activation.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { NewEvent, HistoryEvent } from '../../core/log/event.ts';
import { ApplicationFailure } from '../../core/failure/failure.ts';
import { encodeFailure } from '../../core/failure/failure-info.ts';
import { decodePayload, encodePayload } from '../../core/payload/payload.ts';
import type { Command, OpenTurn } from '../run/open-turn.ts';
import { FlowValue } from '../run/flow-value.ts';
import { MessageHandlers, type Registered } from './message-handlers.ts';
import { isThenable } from './queries.ts';
import type { RunningHandlers } from './running-handlers.ts';

export type UpdateHandler = (...args: never[]) => unknown;
export type UpdateValidator = (...args: never[]) => void;
export type DefaultUpdateHandler = (updateName: string, ...args: unknown[]) => unknown;

export interface UpdateInfo {
  readonly id: string;
  readonly name: string;
}

interface RegisteredUpdate extends Registered<UpdateHandler> {
  readonly validator: UpdateValidator | undefined;
}

interface Update extends UpdateInfo {
  readonly payload: Uint8Array | null;
  /** Seq of its UpdateAccepted; known at the end of the turn in which it arrived. */
  seq: number;
}

/** The update whose handler or validator is running. */
const flow = new FlowValue<UpdateInfo>();

export function updateOfFlow(): UpdateInfo | undefined {
  return flow.get();
}

const noneRejected: readonly RejectedUpdate[] = [];

class UpdateOutcome implements Command {
  readonly type: 'UpdateCompleted' | 'UpdateFailed';
  readonly name: string;
  readonly #update: Update;
  readonly #payload: Uint8Array;

  constructor(type: UpdateOutcome['type'], update: Update, payload: Uint8Array) {
    this.type = type;
    this.name = update.name;
    this.#update = update;
    this.#payload = payload;
  }

  toEvent(seq: number): NewEvent {
    const { id, name, seq: answers } = this.#update;
    return newEvent(seq, this.type, { name, answers, correlationId: id, payload: this.#payload });
  }
}

export interface UpdatesOptions {
  readonly turn: OpenTurn;
  readonly running: RunningHandlers;
  /** Calls user code in the run's root scope. */
  enter(fn: () => unknown): unknown;
  /** True when an error fails the update instead of the task. */
  isFailure(thrown: unknown): boolean;
  /** Handles an error that does not fail the update: a bug fails the task, ContinueAsNew ends the run. */
  route(thrown: unknown): void;
}

export class Updates extends MessageHandlers<Update, RegisteredUpdate> {
  readonly #options: UpdatesOptions;
  /** Updates of this turn, in the order of the log. */
  #arrived: Update[] = [];
  #rejected = new Map<Update, Uint8Array>();

  constructor(options: UpdatesOptions) {
    super();
    this.#options = options;
  }

  receive(event: HistoryEvent): void {
    const { name, correlationId, payload, seq } = event;
    const update = { id: correlationId ?? '', name: name ?? '', payload, seq };
    this.#arrived.push(update);
    this.add(update);
  }

  /**
   * Call at the end of every turn. Rejects updates without a handler and assigns seqs to the others. Rejected updates
   * get no seq. Returns the rejected updates by their original seq.
   */
  conclude(): readonly RejectedUpdate[] {
    if (this.#arrived.length === 0) return noneRejected;
    for (const update of this.takeBuffered()) {
      this.#reject(update, ApplicationFailure.nonRetryable(`No registered handler for update: ${update.name}`));
    }
    const rejected: RejectedUpdate[] = [];
    for (const update of this.#arrived) {
      const failure = this.#rejected.get(update);
      if (failure === undefined) update.seq -= rejected.length;
      else rejected.push({ seq: update.seq, failure });
    }
    this.#arrived = [];
    this.#rejected.clear();
    return rejected;
  }

  protected run(
    update: Update,
    handler: (...args: unknown[]) => unknown,
    registered: RegisteredUpdate | undefined,
  ): void {
    if (!this.#isValid(update, registered?.validator)) return;
    try {
      // Decoded again, so that the handler does not see what the validator did to its arguments.
      const args = argumentsOf(update);
      const result = flow.run(infoOf(update), () => this.#options.enter(() => handler(...args)));
      if (!isThenable(result)) {
        this.#complete(update, result);
        return;
      }
      const { running } = this.#options;
      const task = { kind: 'update', name: update.name, id: update.id, policy: registered?.policy } as const;
      running.add(task);
      Promise.resolve(result).then(
        (value) => {
          running.delete(task);
          this.#complete(update, value);
        },
        (thrown: unknown) => {
          running.delete(task);
          this.#fail(update, thrown);
        },
      );
    } catch (thrown) {
      this.#fail(update, thrown);
    }
  }

  /** Recorded updates were valid when they were accepted, so they are not validated again. */
  #isValid(update: Update, validator: UpdateValidator | undefined): boolean {
    const { turn } = this.#options;
    if (turn.isReplaying) return true;
    try {
      const args = argumentsOf(update);
      const validate = validator as ((...args: unknown[]) => unknown) | undefined;
      const result = flow.run(infoOf(update), () => turn.readOnly(() => validate?.(...args)));
      if (!isThenable(result)) return true;
      result.then(undefined, () => undefined); // its rejection does not concern the run
      throw new TypeError(`The validator of update ${update.name} returned a promise, expected it to be synchronous`);
    } catch (thrown) {
      this.#reject(update, thrown);
      return false;
    }
  }

  #reject(update: Update, thrown: unknown): void {
    if (this.#options.turn.isReplaying) {
      this.#options.turn.fail({
        code: 'DETERMINISM',
        message:
          `Nondeterminism error at event ${update.seq} (UpdateAccepted): the history holds update '${update.name}', ` +
          'for which the workflow code no longer has a handler. Restore the handler that accepted it.',
      });
      return;
    }
    this.#rejected.set(update, encodeFailure(thrown));
  }

  #complete(update: Update, value: unknown): void {
    try {
      this.#options.turn.issue(new UpdateOutcome('UpdateCompleted', update, encodePayload(value)));
    } catch (thrown) {
      this.#options.route(thrown);
    }
  }

  /** A failure is recorded as the outcome of the update. Any other error is a bug and fails the task. */
  #fail(update: Update, thrown: unknown): void {
    if (this.#options.isFailure(thrown)) {
      this.#options.turn.issue(new UpdateOutcome('UpdateFailed', update, encodeFailure(thrown)));
    } else this.#options.route(thrown);
  }
}

function infoOf({ id, name }: Update): UpdateInfo {
  return { id, name };
}

function argumentsOf(update: Update): unknown[] {
  return update.payload === null ? [] : (decodePayload(update.payload) as unknown[]);
}
