// Group commit: turns of all runs that are ready go out together, one statement per writer at a time. Turns that arrive
// during a flush go with the next one. A turn on an idle system is never delayed. Each turn's TurnOwner decides what
// follows.
import { isAssertion, RuntimeError } from '../../core/failure/runtime-error.ts';
import type { Input } from '../../core/run/input.ts';
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import type { LogWriter, Turn, TurnOutcome } from '../../store/log/append.ts';
import { isCleanRefusal } from '../../store/sql/sqlstate.ts';
import type { LiveRun } from './live-run.ts';
import { type BuiltTurn, turnToAppend } from './turn-builder.ts';
import type { RunWorker } from '../life/run-worker.ts';

/** `refused`: the database took no part of the turn and would refuse it again; `error` says why. */
export type AppendResult = { readonly outcome: TurnOutcome } | { readonly outcome: 'refused'; readonly error: unknown };

/** Continues with a turn after its append. */
export interface TurnOwner {
  /** Must not throw: an error concerns only the turn's own run, and the owners of other turns are called afterwards. */
  appended(turn: PendingTurn, result: AppendResult): void;
}

/** A turn from its activation until the outcome of its append is known. */
export class PendingTurn {
  readonly owner: TurnOwner;
  readonly run: LiveRun;
  /** The inputs that the turn was built from. */
  readonly inputs: readonly Input[];
  built: BuiltTurn;
  /** How often an append has found the run's row locked. */
  busy = 0;

  constructor(owner: TurnOwner, run: LiveRun, inputs: readonly Input[], built: BuiltTurn) {
    this.owner = owner;
    this.run = run;
    this.inputs = inputs;
    this.built = built;
  }
}

const limits = {
  itemsMax: 1_000,
  bytesMax: 8 * 1024 * 1024,
  /**
   * Up to this many turns go out in one statement. If more wait, they are divided among the free writers, because
   * Postgres executes the writers' statements in parallel.
   */
  shareMin: 32,
} as const;
/** Wait before a closing turn whose row is locked is tried again. */
const busyRetryMs = 5;
/**
 * After this many tries the TurnOwner must wait for the row, because a stream of senders could keep it locked for ever.
 */
const busyMax = 3;

export class GroupCommit implements BatchSender<PendingTurn> {
  readonly #idle: LogWriter[];
  readonly #worker: RunWorker;
  readonly #turns: Batcher<PendingTurn>;

  /** Ends the incarnation if its fence is gone or the outcome of a flush is unknown. */
  constructor(worker: RunWorker, writers: readonly LogWriter[]) {
    this.#worker = worker;
    this.#idle = [...writers];
    this.#turns = new Batcher<PendingTurn>(this, { ...limits, inFlightMax: writers.length });
  }

  /** Adds a turn. The caller calls `pump` after the last turn that belongs to the same round. */
  submit(turn: PendingTurn): void {
    this.#turns.put(turn);
  }

  /** Sends queued turns while writers are free. */
  pump(): void {
    this.#turns.pump();
  }

  stop(): void {
    this.#turns.close();
  }

  sizeOf({ built }: PendingTurn): number {
    return built.bytes;
  }

  async send(batch: readonly PendingTurn[]): Promise<void> {
    const writer = this.#idle.pop()!;
    try {
      await this.#flush(
        writer,
        batch,
        batch.map(({ run, built }) => turnToAppend(run, built)),
      );
      this.#idle.push(writer);
    } catch (error) {
      if (error instanceof RuntimeError) this.#worker.life.end(error);
      else this.#worker.life.lose('the outcome of an append is unknown', error);
    }
  }

  async #flush(writer: LogWriter, batch: readonly PendingTurn[], turns: readonly Turn[]): Promise<void> {
    let outcomes: TurnOutcome[] | undefined;
    this.#worker.failPoint?.('before append');
    try {
      const appending = writer.append(turns);
      const closing = turns.filter(({ close }) => close !== undefined).map(({ runId }) => runId);
      if (closing.length > 0) writer.announceClosed(closing);
      outcomes = await appending;
    } catch (error) {
      if (!isCleanRefusal(error) && !isAssertion(error)) throw error;
      if (batch.length === 1) {
        const [turn] = batch as [PendingTurn];
        turn.owner.appended(turn, { outcome: 'refused', error });
        return;
      }
      // One turn that the database refuses must not affect the others, so the batch is split in two.
      const half = batch.length >> 1;
      await this.#flush(writer, batch.slice(0, half), turns.slice(0, half));
      await this.#flush(writer, batch.slice(half), turns.slice(half));
      return;
    }
    this.#worker.failPoint?.('after append');
    if (this.#worker.life.isOver) return;
    if (outcomes === undefined) {
      throw new RuntimeError('LEASE_LOST', 'This worker was declared dead: its appends are refused.');
    }
    for (const [i, turn] of batch.entries()) {
      const outcome = outcomes[i]!;
      turn.busy++;
      if (outcome === 'busy' && turn.busy < busyMax) this.#retry(turn);
      else turn.owner.appended(turn, { outcome });
    }
  }

  #retry(turn: PendingTurn): void {
    setTimeout(() => {
      this.submit(turn);
      this.pump();
    }, busyRetryMs);
  }
}
