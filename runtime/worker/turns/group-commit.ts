// Group commit: turns of all runs that are ready go out together, one statement a writer at a time; what arrives during a
// flush goes with the next. It never delays a turn on an idle system. It decides nothing about a turn: its owner does.
import { isAssertion, RuntimeError } from '../../core/failure/runtime-error.ts';
import type { Input } from '../../core/run/input.ts';
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import type { LogWriter, Turn, TurnOutcome } from '../../store/log/append.ts';
import { isCleanRefusal } from '../../store/sql/sqlstate.ts';
import type { LiveRun } from './live-run.ts';
import { type BuiltTurn, turnToAppend } from './turn-builder.ts';
import type { RunWorker } from '../life/run-worker.ts';

/** `refused`: the database took none of the turn, and would not the next time either; the error says why. */
export type AppendResult = { readonly outcome: TurnOutcome } | { readonly outcome: 'refused'; readonly error: unknown };

/** Who goes on with a turn once it is known what became of it. */
export interface TurnOwner {
  /** Must not throw: what fails in it concerns its run alone, and others are told after it. */
  appended(turn: PendingTurn, result: AppendResult): void;
}

/** A turn from its activation until it is known what became of it. */
export class PendingTurn {
  readonly owner: TurnOwner;
  readonly run: LiveRun;
  /** What the turn was built from. */
  readonly inputs: readonly Input[];
  built: BuiltTurn;
  /** How often the run's row was found locked. */
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
  /** Up to this many turns go out in one statement; more are shared, since the server works on both parts at once. */
  shareMin: 32,
} as const;
/** How soon a closing turn whose row is locked by somebody is tried again when nothing else is flushed. */
const busyRetryMs = 5;
/** Then the run's owner has to wait for the row: a stream of senders could keep it locked for ever. */
const busyMax = 3;

export class GroupCommit implements BatchSender<PendingTurn> {
  readonly #idle: LogWriter[];
  readonly #worker: RunWorker;
  readonly #turns: Batcher<PendingTurn>;

  /** Ends the incarnation when its fence is gone or the outcome of a flush is unknown. */
  constructor(worker: RunWorker, writers: readonly LogWriter[]) {
    this.#worker = worker;
    this.#idle = [...writers];
    this.#turns = new Batcher<PendingTurn>(this, { ...limits, inFlightMax: writers.length });
  }

  /** Takes a turn; the caller calls `pump` when all turns that belong together are there. */
  submit(turn: PendingTurn): void {
    this.#turns.put(turn);
  }

  /** Sends what is queued, as far as writers are free. */
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
      // One turn that the database refuses must not take the others with it: bisect.
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
