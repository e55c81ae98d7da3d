// Timers of owned runs, in memory, and their deadlines. When a run is let go its next due time goes to `ready.wake_at` instead.
import type { Micros } from '../../core/log/event.ts';
import type { DatabaseClock } from '../life/clock.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { Input } from '../../core/run/input.ts';
import type { LiveRun } from '../turns/live-run.ts';

/** Key of the timer that wakes the run: its first task is due, or one that failed again; seqs begin at 1. */
const wakeUp = 0;
/** Key of the timer that ends the run. */
const expiry = -1;

export interface TimerActions {
  fire(run: LiveRun, input: Input): void;
  /** Has the run activated, although nothing happened to it. */
  wake(run: LiveRun): Promise<void>;
}

export class RunTimers {
  readonly #clock: DatabaseClock;
  readonly #actions: TimerActions;
  readonly #timers = new Map<LiveRun, Map<number, NodeJS.Timeout>>();

  constructor(clock: DatabaseClock, actions: TimerActions) {
    this.#clock = clock;
    this.#actions = actions;
  }

  start(run: LiveRun, seq: number, due: Micros): void {
    this.#set(run, seq, due, () => this.#actions.fire(run, newEvent(0, 'TimerFired', { answers: seq })));
  }

  /** All that a run waits for when it comes into memory. */
  startAll(run: LiveRun): void {
    for (const [seq, due] of run.state.timers) this.start(run, seq, due);
    const deadline = run.state.chain?.deadline;
    if (deadline !== undefined) {
      this.#set(run, expiry, deadline, () => this.#actions.fire(run, newEvent(0, 'WorkflowTimedOut')));
    }
  }

  wakeAt(run: LiveRun, due: Micros): void {
    this.cancel(run, wakeUp);
    this.#set(run, wakeUp, due, () => void this.#actions.wake(run));
  }

  cancel(run: LiveRun, seq: number): void {
    const timers = this.#timers.get(run);
    clearTimeout(timers?.get(seq));
    timers?.delete(seq);
  }

  clear(run: LiveRun): void {
    for (const timer of this.#timers.get(run)?.values() ?? []) clearTimeout(timer);
    this.#timers.delete(run);
  }

  #set(run: LiveRun, key: number, due: Micros, then: () => void): void {
    let timers = this.#timers.get(run);
    if (timers === undefined) {
      timers = new Map();
      this.#timers.set(run, timers);
    }
    const handle = setTimeout(() => {
      this.#timers.get(run)?.delete(key);
      // A timer never fires before the database's clock says so, and one of many days needs several rounds.
      if (this.#clock.now() < due) this.#set(run, key, due, then);
      else then();
    }, this.#clock.delayMs(due));
    timers.set(key, handle);
  }
}
