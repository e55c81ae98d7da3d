// The durable timers of a run: started, fired, cancelled. Knows neither scopes nor promises.
import type { PendingCall, TimerMeta } from '../../core/log/activation.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { Micros, NewEvent } from '../../core/log/event.ts';
import { type Command, PlainCommand, type OpenTurn } from '../run/open-turn.ts';
import { checkOption, storableText } from '../../core/options/option-table.ts';

export class Timer implements Command {
  readonly type = 'TimerStarted';
  readonly name = null;
  readonly #timers: Timers;
  readonly due: Micros;
  readonly #meta: string;
  readonly onFire: () => void;
  #seq: number | undefined;

  constructor(timers: Timers, meta: TimerMeta, onFire: () => void) {
    this.#timers = timers;
    this.due = meta.due;
    this.#meta = JSON.stringify(meta);
    this.onFire = onFire;
  }

  toEvent(seq: number): NewEvent {
    this.#seq = seq;
    this.#timers.started(seq, this);
    return newEvent(seq, 'TimerStarted', { meta: this.#meta });
  }

  /** Does nothing when the timer has fired or is cancelled. */
  cancel(): void {
    this.#timers.cancel(this, this.#seq);
  }
}

export class Timers {
  readonly #turn: OpenTurn;
  readonly #pending = new Map<number, Timer>();

  constructor(turn: OpenTurn) {
    this.#turn = turn;
  }

  /** `ms` is at least 1. `onFire` is called while the TimerFired event is handled. */
  start(ms: number, onFire: () => void, summary?: string): Timer {
    const due = this.#turn.at + Math.ceil(ms * 1000);
    if (!Number.isSafeInteger(due)) {
      throw new TypeError(
        `Invalid duration: ${ms} ms from now is past the year 2255, the last year that can be stored`,
      );
    }
    if (summary !== undefined) checkOption('summary', summary, storableText);
    const meta = summary === undefined ? { due } : { due, summary };
    const timer = new Timer(this, meta, onFire);
    this.#turn.issue(timer);
    return timer;
  }

  started(seq: number, timer: Timer): void {
    this.#pending.set(seq, timer);
  }

  *pending(): Generator<PendingCall> {
    for (const [seq, { type, name, due }] of this.#pending) yield { type, seq, name, id: null, due };
  }

  /** Ignores a timer that the code cancelled in the turn in which the timer fired. */
  fire(seq: number): void {
    const timer = this.#pending.get(seq);
    if (timer === undefined) return;
    this.#pending.delete(seq);
    timer.onFire();
  }

  cancel(timer: Timer, seq: number | undefined): void {
    if (seq === undefined) {
      this.#turn.undo(timer);
      return;
    }
    if (!this.#pending.has(seq)) return;
    this.#turn.issue(new PlainCommand('TimerCancelled', { answers: seq }));
    this.#pending.delete(seq);
  }
}
