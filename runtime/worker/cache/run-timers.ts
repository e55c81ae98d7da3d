// Timers and deadlines of owned runs, in memory. When a run leaves memory, its next due time is in `ready.wake_at` instead.
import type { Micros } from '../../core/log/event.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { LiveRun } from '../turns/live-run.ts';
import type { MailDelivery } from '../turns/mail-delivery.ts';
import type { RunWorker } from '../life/run-worker.ts';

/** Key of the timer that wakes the run when its first task, or a failed task, is due. Timers have seqs from 1. */
const wakeUp = 0;
/** Key of the timer for the run's deadline. */
const expiry = -1;

export class RunTimers {
  readonly #worker: RunWorker;
  readonly #mail: MailDelivery;
  readonly #timers = new Map<LiveRun, Map<number, NodeJS.Timeout>>();

  constructor(worker: RunWorker, mail: MailDelivery) {
    this.#worker = worker;
    this.#mail = mail;
  }

  /** The timers of a replay fork fire by its record. */
  start(run: LiveRun, seq: number, due: Micros): void {
    if (run.replay !== undefined) return;
    this.#set(run, seq, due, () => this.#worker.inputs.add(run, newEvent(0, 'TimerFired', { answers: seq })));
  }

  /** Sets the timers and the deadline of a run that was loaded or resumed. While it is paused, only the deadline. */
  startAll(run: LiveRun): void {
    if (run.state.paused === undefined) for (const [seq, due] of run.state.timers) this.start(run, seq, due);
    const deadline = run.state.chain?.deadline;
    if (deadline !== undefined) {
      this.#set(run, expiry, deadline, () => this.#worker.inputs.add(run, newEvent(0, 'WorkflowTimedOut')));
    }
  }

  /** Stops everything but the deadline. */
  pause(run: LiveRun): void {
    this.clear(run);
    this.startAll(run);
  }

  /** Activates the run at `due`, when a task is due, even without new inputs. */
  wakeAt(run: LiveRun, due: Micros): void {
    this.cancel(run, wakeUp);
    this.#set(run, wakeUp, due, () => void this.#wake(run));
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

  async #wake(run: LiveRun): Promise<void> {
    // The mail of a run that begins now may be unread.
    if (!run.state.hasBegun) await this.#mail.read([run.runId]);
    if (run.phase === 'idle') this.#worker.inputs.wake(run);
  }

  #set(run: LiveRun, key: number, due: Micros, then: () => void): void {
    let timers = this.#timers.get(run);
    if (timers === undefined) {
      timers = new Map();
      this.#timers.set(run, timers);
    }
    clearTimeout(timers.get(key));
    const handle = setTimeout(() => {
      this.#timers.get(run)?.delete(key);
      // A timer never fires before its time by the database's clock. A timer of many days needs several rounds.
      if (this.#worker.clock.now() < due) this.#set(run, key, due, then);
      else then();
    }, this.#worker.clock.delayMs(due));
    timers.set(key, handle);
  }
}
