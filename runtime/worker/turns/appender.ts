// Group commit: turns of all runs that are ready go out together, one statement a writer at a time; what arrives during a
// flush goes with the next. It never delays a turn on an idle system.
import { isAssertion, RuntimeError } from '../../core/failure/runtime-error.ts';
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import type { LogWriter, Turn, TurnOutcome } from '../../store/log/append.ts';
import { isCleanRefusal } from '../../store/sql/sqlstate.ts';
import type { FailPointListener } from '../life/fail-point.ts';
import type { Life } from '../life/life.ts';

/** `refused`: the database took none of the turn, and would not the next time either; the error says why. */
export type AppendResult = { outcome: TurnOutcome } | { outcome: 'refused'; error: unknown };

export interface PendingTurn {
  readonly turn: Turn;
  readonly bytes: number;
  /** How often the run's row was found locked. */
  busy?: number;
  /** Must not throw: what fails in it concerns its run alone, and others are told after it. */
  done(result: AppendResult): void;
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

export class Appender implements BatchSender<PendingTurn> {
  readonly #idle: LogWriter[];
  readonly #life: Life;
  readonly #failPoint: FailPointListener | undefined;
  readonly #turns: Batcher<PendingTurn>;
  #stopped = false;

  /** Ends `life` when the fence is gone or the outcome of a flush is unknown. */
  constructor(writers: readonly LogWriter[], life: Life, failPoint?: FailPointListener) {
    this.#idle = [...writers];
    this.#turns = new Batcher<PendingTurn>(this, { ...limits, inFlightMax: writers.length });
    this.#life = life;
    this.#failPoint = failPoint;
  }

  submit(pending: PendingTurn): void {
    this.#turns.put(pending);
  }

  /** Sends what is queued, as far as writers are free. */
  pump(): void {
    this.#turns.pump();
  }

  stop(): void {
    this.#stopped = true;
    this.#turns.close();
  }

  sizeOf({ bytes }: PendingTurn): number {
    return bytes;
  }

  async send(batch: readonly PendingTurn[]): Promise<void> {
    const writer = this.#idle.pop()!;
    try {
      await this.#flush(writer, batch);
      this.#idle.push(writer);
    } catch (error) {
      this.#die(error);
    }
  }

  async #flush(writer: LogWriter, batch: readonly PendingTurn[]): Promise<void> {
    let outcomes: TurnOutcome[] | undefined;
    this.#failPoint?.('before append');
    try {
      const appending = writer.append(batch.map((pending) => pending.turn));
      const closing = batch.filter(({ turn }) => turn.close !== undefined).map(({ turn }) => turn.runId);
      if (closing.length > 0) writer.announceClosed(closing);
      outcomes = await appending;
    } catch (error) {
      if (!isCleanRefusal(error) && !isAssertion(error)) throw error;
      if (batch.length === 1) {
        batch[0]!.done({ outcome: 'refused', error });
        return;
      }
      // One poisoned turn must not take the others with it: bisect.
      const half = batch.length >> 1;
      await this.#flush(writer, batch.slice(0, half));
      await this.#flush(writer, batch.slice(half));
      return;
    }
    this.#failPoint?.('after append');
    if (this.#stopped) return;
    if (outcomes === undefined) {
      throw new RuntimeError('LEASE_LOST', 'This worker was declared dead: its appends are refused.');
    }
    for (const [i, pending] of batch.entries()) {
      const outcome = outcomes[i]!;
      pending.busy = (pending.busy ?? 0) + 1;
      if (outcome === 'busy' && pending.busy < busyMax) this.#retry(pending);
      else pending.done({ outcome });
    }
  }

  #retry(pending: PendingTurn): void {
    setTimeout(() => {
      this.submit(pending);
      this.pump();
    }, busyRetryMs);
  }

  #die(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#life.end(
      error instanceof RuntimeError
        ? error
        : new RuntimeError('LEASE_LOST', `The outcome of an append is unknown: ${String(error)}`, { cause: error }),
    );
  }
}
