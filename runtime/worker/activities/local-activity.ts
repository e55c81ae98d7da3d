// One activity that this worker executes for a run that it owns, from its durable ActivityScheduled to its outcome. It
// handles slots, attempts and timeouts, reports each outcome as an input of the run, and never writes the log.
//
//   waiting (back-off) ─► queued ─► running ─► done
//        ▲                             │
//        └──────────── retry ──────────┘          cancelled or timed out in any of them: done
import type { CancelReason } from '../../core/activity/cancellation-details.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { EventType, Micros } from '../../core/log/event.ts';
import { CancelledFailure, type RetryState, TimeoutType } from '../../core/failure/failure.ts';
import { attemptMeta } from '../../core/activity/attempt-meta.ts';
import { afterFailure, type AttemptOutcome, closed, timeoutFailure } from '../../core/activity/attempt-outcome.ts';
import { isBegun, type PendingActivity } from '../../core/activity/pending-activity.ts';
import { timerMsMax } from '../../core/options/duration.ts';
import { decodePayload } from '../../core/payload/payload.ts';
import type { Input } from '../../core/run/input.ts';
import type { RunState } from '../../core/run/run-state.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { stagedText } from './staged-patches.ts';
import { logAttempt, logUnknownEffect } from './log-attempt.ts';
import type { SlotQueue, Startable } from './activity-slots.ts';
import type { ActivityWorker } from './activity-worker.ts';
import { Attempt, type AttemptOwner } from './attempt.ts';
import type { RemoteActivities } from './remote-activities.ts';
import type { RunningAttempts } from './running-attempts.ts';

export interface LocalParts {
  readonly worker: ActivityWorker;
  readonly remote: RemoteActivities;
  readonly running: RunningAttempts;
  readonly activities: LocalActivities;
}

type TimerName = TimeoutType | 'BACK_OFF';

export class LocalActivity implements AttemptOwner, Startable {
  readonly liveRun: LiveRun;
  readonly activity: PendingActivity;
  readonly isStandalone = false;
  readonly #parts: LocalParts;
  readonly #queue: SlotQueue;
  #state: 'waiting' | 'queued' | 'running' | 'done' = 'waiting';
  /** The last attempt, even if it has ended. */
  #attempt: Attempt | undefined;
  readonly #detailsFound: unknown;
  /** These two fields include the last attempt, whose failure may not be in the log yet. */
  #failedAttempts: number;
  #lastFailure: Uint8Array | null;
  /** True if progress is in the database and must be deleted when the activity closes. */
  #isProgressStored: boolean;
  readonly #timers = new Map<TimerName, NodeJS.Timeout>();

  /** `progress`: what the previous attempt reported, encoded. */
  constructor(run: LiveRun, activity: PendingActivity, queue: SlotQueue, parts: LocalParts, progress?: Uint8Array) {
    this.liveRun = run;
    this.activity = activity;
    this.#queue = queue;
    this.#parts = parts;
    this.#failedAttempts = activity.failedAttempts;
    this.#lastFailure = activity.lastFailure;
    this.#detailsFound = progress === undefined ? undefined : decodePayload(progress);
    this.#isProgressStored = progress !== undefined;
  }

  get scheduledIn(): string {
    return this.liveRun.state.runIdAt(this.activity.seq);
  }

  get run(): RunState {
    return this.liveRun.state;
  }

  get isCancelRequested(): boolean {
    return this.activity.cancelRequested;
  }

  /** The running or next attempt, and the number of failed attempts before it. */
  get present(): { readonly attempt: number; readonly failedAttempts: number } {
    return { attempt: this.#number, failedAttempts: this.#failedAttempts };
  }

  get #number(): number {
    const { earlierAttempts, lostAttempts } = this.activity;
    return this.#failedAttempts + earlierAttempts + lostAttempts + 1;
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  get isQueued(): boolean {
    return this.#state === 'queued';
  }

  /** Whether the activity is queued and no slot has become free for `ms`. */
  isStalled(ms: number): boolean {
    return this.isQueued && this.#queue.slots.isStalled(ms);
  }

  start(): void {
    const { limitsFrom, cancelRequested, options } = this.activity;
    if (options.s2c !== undefined) this.#closeAt(limitsFrom + options.s2c * 1000, TimeoutType.SCHEDULE_TO_CLOSE);
    if (cancelRequested) this.cancel();
    else this.#wait();
  }

  /** Asks a running attempt to stop. If no attempt runs, cancels the activity at once. */
  cancel(): void {
    if (this.#state === 'running') this.#attempt?.context.cancel('CANCELLED');
    else if (this.#state !== 'done')
      this.#close('ActivityCancelled', new CancelledFailure('Activity cancelled'), 'CANCEL_REQUESTED');
  }

  /**
   * Leaves the activity to another process, which decides its outcome. The outcome of a running attempt no longer
   * counts.
   */
  leave(reason?: CancelReason): void {
    if (reason === 'WORKER_SHUTDOWN') this.#attempt?.flush();
    this.#state = 'done';
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#attempt?.end(reason);
    this.#parts.activities.delete(this);
  }

  #wait(): void {
    const { activity } = this;
    const { clock, logger } = this.#parts.worker;
    if (isBegun(activity)) {
      // An `unsafe` attempt began and its effect is unknown, so a person must decide about it.
      logUnknownEffect(logger, this);
      return;
    }
    const delay = activity.nextAttemptAt === 0 ? 0 : clock.delayMs(activity.nextAttemptAt);
    if (delay === 0) this.#enqueue();
    else this.#after(delay, 'BACK_OFF', () => this.#wait());
  }

  #enqueue(): void {
    this.#state = 'queued';
    this.#queue.add(this);
    const { s2s } = this.activity.options;
    if (s2s === undefined || !this.isQueued) return;
    // The timeout applies to each attempt. A later attempt counts as scheduled now.
    const since = this.#number === 1 ? this.activity.limitsFrom : this.#parts.worker.clock.now();
    this.#closeAt(since + s2s * 1000, TimeoutType.SCHEDULE_TO_START);
  }

  begin(): void {
    const { worker, running } = this.#parts;
    this.#state = 'running';
    clearTimeout(this.#timers.get(TimeoutType.SCHEDULE_TO_START));
    this.#attempt = new Attempt(this, worker, {
      number: this.#number,
      dueAt: worker.clock.now(),
      details: this.#details,
      isUnsafe: this.activity.startedAttempt > 0,
    });
    running
      .execute(this.#attempt, this.#queue.slots)
      .catch((error: unknown) => worker.inputs.fail(this.liveRun, error));
  }

  async beginUnsafe({ number: attempt, declared }: Attempt): Promise<boolean> {
    const columns = { answers: this.activity.seq, attempt, meta: JSON.stringify(declared ?? {}) };
    await this.#parts.worker.inputs.addDurably(this.liveRun, newEvent(0, 'ActivityAttemptStarted', columns));
    return true;
  }

  completed({ number: attempt, ms, context, declared }: Attempt, payload: Uint8Array): void {
    const meta = attemptMeta(declared === undefined ? { ms } : { ms, ...declared }, context.usage);
    const input = newEvent(0, 'ActivityCompleted', { answers: this.activity.seq, attempt, payload, meta });
    const { staged } = context;
    this.#report(staged === undefined ? input : { ...input, staged });
  }

  failed(attempt: Attempt, error: unknown): void {
    const { clock, identity, logger } = this.#parts.worker;
    const outcome = afterFailure(this.activity, {
      error,
      attempt: attempt.number,
      failedAttempts: this.#failedAttempts,
      now: clock.now(),
      ms: attempt.ms,
      identity,
      // The log contains the start of an `unsafe` attempt, so the attempt must not be repeated.
      unsafe: this.activity.startedAttempt > 0,
      heartbeatDetails: attempt.details,
      usage: attempt.context.usage,
      declared: attempt.declared,
    });
    const { input, facts, retryInMs } = outcome;
    if (retryInMs === undefined) return this.#end(outcome);
    attempt.flush();
    attempt.end();
    logAttempt(logger, this, outcome.error, facts);
    this.#parts.worker.inputs.add(this.liveRun, input);
    if (this.run.paused !== undefined) return this.leave(); // the next attempt starts when the run is resumed
    // The log will hold the same facts once the input is committed, but the retry may start earlier.
    this.#lastFailure = input.payload;
    this.#failedAttempts += 1;
    this.#state = 'waiting';
    this.#after(Math.max(1, retryInMs), 'BACK_OFF', () => this.#enqueue());
  }

  timedOut(attempt: Attempt, type: TimeoutType): void {
    this.failed(attempt, this.#timeout(type));
    attempt.context.cancel('TIMED_OUT');
    this.#parts.running.release(attempt);
  }

  leftToClient(attempt: Attempt): void {
    this.leave();
    const { number, dueAt: startedAt, context } = attempt;
    const staged = stagedText(context.staged);
    this.#parts.remote.awaitCompletion(this.liveRun, this.activity, { number, startedAt, staged });
  }

  store(details: Uint8Array): void {
    this.#isProgressStored = true;
    this.#parts.worker.progress.store(this.liveRun.runId, this.activity.seq, details);
  }

  get #details(): unknown {
    return this.#attempt === undefined ? this.#detailsFound : this.#attempt.details;
  }

  #timeout(type: TimeoutType): Error {
    return timeoutFailure({ lastFailure: this.#lastFailure }, type, this.#details);
  }

  #closeAt(due: Micros, type: TimeoutType): void {
    const { worker, running } = this.#parts;
    this.#after(worker.clock.delayMs(due), type, () => {
      if (worker.clock.now() < due) return this.#closeAt(due, type);
      const attempt = this.#attempt;
      this.#close('ActivityTimedOut', this.#timeout(type), 'TIMEOUT');
      attempt?.context.cancel('TIMED_OUT');
      if (attempt !== undefined) running.release(attempt);
    });
  }

  #close(type: EventType, error: unknown, retryState: RetryState): void {
    const { identity } = this.#parts.worker;
    this.#end(closed(this.activity, type, error, { retryState, identity }));
  }

  #end({ input, error, facts }: AttemptOutcome): void {
    if (input.type !== 'ActivityCancelled') logAttempt(this.#parts.worker.logger, this, error, facts);
    this.#report(input);
  }

  #report(input: Input): void {
    this.leave();
    if (this.#isProgressStored) this.#parts.worker.progress.drop(this.liveRun.runId, this.activity.seq);
    this.#parts.worker.inputs.add(this.liveRun, input);
  }

  /** Calls `then` after `ms` unless the activity is done by then. A wait beyond a timer's limit ends early. */
  #after(ms: number, name: TimerName, then: () => void): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.set(name, setTimeout(then, Math.min(ms, timerMsMax)));
  }
}

/** The activities that this worker executes for its own runs. */
export class LocalActivities {
  readonly #byRun = new Map<LiveRun, Map<number, LocalActivity>>();

  add(activity: LocalActivity): void {
    const { liveRun } = activity;
    let ofRun = this.#byRun.get(liveRun);
    if (ofRun === undefined) this.#byRun.set(liveRun, (ofRun = new Map()));
    ofRun.set(activity.activity.seq, activity);
  }

  get(run: LiveRun, seq: number): LocalActivity | undefined {
    return this.#byRun.get(run)?.get(seq);
  }

  of(run: LiveRun): Iterable<LocalActivity> {
    return this.#byRun.get(run)?.values() ?? [];
  }

  all(): LocalActivity[] {
    return [...this.#byRun.values()].flatMap((ofRun) => [...ofRun.values()]);
  }

  delete({ liveRun, activity }: LocalActivity): void {
    const ofRun = this.#byRun.get(liveRun);
    ofRun?.delete(activity.seq);
    if (ofRun?.size === 0) this.#byRun.delete(liveRun);
  }
}
