// Timers of owned runs, in memory, and their deadlines. When a run is let go its next due time goes to `ready.wake_at` instead.
import type { Micros } from '../history/event.ts';
import type { DatabaseClock } from './clock.ts';
import { draft } from '../history/draft.ts';
import type { Input, LiveRun } from './live-run.ts';

/** Key of the timer that retries a failed workflow task; seqs begin at 1. */
const taskRetry = 0;
/** Key of the timer that ends the run. */
const expiry = -1;

export class RunTimers {
  readonly #clock: DatabaseClock;
  readonly #enqueue: (run: LiveRun, input: Input) => void;
  readonly #timers = new Map<LiveRun, Map<number, NodeJS.Timeout>>();

  constructor(clock: DatabaseClock, enqueue: (run: LiveRun, input: Input) => void) {
    this.#clock = clock;
    this.#enqueue = enqueue;
  }

  start(run: LiveRun, seq: number, due: Micros): void {
    this.#set(run, seq, due, () => this.#enqueue(run, draft(0, 'TimerFired', { answers: seq })));
  }

  /** All that a run waits for when it comes into memory. */
  startAll(run: LiveRun): void {
    for (const [seq, due] of run.timers) this.start(run, seq, due);
    const deadline = run.chain?.deadline;
    if (deadline !== undefined) {
      this.#set(run, expiry, deadline, () => this.#enqueue(run, draft(0, 'WorkflowTimedOut')));
    }
  }

  retryTask(run: LiveRun, due: Micros, then: () => void): void {
    this.cancel(run, taskRetry);
    this.#set(run, taskRetry, due, then);
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
