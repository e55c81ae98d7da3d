// Runs the activities of the runs that this worker owns: bounded concurrency, timeouts, retries, cancellation, progress.
// It reports every outcome as an input of the run and never writes the log itself.
//
//   waiting (back-off) ─► queued ─► running ─► reported
//        └── cancelled or timed out in any of them ─────┘
import type { CancelReason } from '../../core/activity/cancellation-details.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { EventType, Micros } from '../../core/log/event.ts';
import {
  CancelledFailure,
  CompleteAsyncError,
  ensureApplicationFailure,
  type RetryState,
  TimeoutType,
} from '../../core/failure/failure.ts';
import { decodePayload, encodePayload } from '../../core/payload/payload.ts';
import { InFlight } from '../../flow/in-flight.ts';
import { notRegistered } from './activity-call.ts';
import {
  ActivityContext,
  type ActivityFunction,
  activityOf,
  activityStorage,
  declarationOf,
} from './activity-context.ts';
import { ActivityEntry } from './activity-entry.ts';
import { attemptInfo } from './attempt-info.ts';
import { attemptMeta, type Usage } from '../../core/activity/attempt-meta.ts';
import { afterFailure, type AttemptOutcome, closed, timeoutFailure } from '../../core/activity/attempt-outcome.ts';
import { encodeResult } from './attempt-result.ts';
import type { ExecutorOptions } from './executor-options.ts';
import { logAttempt, logUnknownEffect, logUnstoredHeartbeat } from '../turns/log-turn.ts';
import { AttemptProgress } from './attempt-progress.ts';
import { AttemptQueue } from './attempt-queue.ts';
import type { Input } from '../../core/run/input.ts';
import type { PendingActivity } from '../../core/activity/pending-activity.ts';
import type { LiveRun } from '../turns/live-run.ts';

/** How long an attempt may take to stop once it was told to. */
const settleMs = 5_000;

export class ActivityExecutor {
  readonly #options: ExecutorOptions;
  readonly #entries = new Map<LiveRun, Map<number, ActivityEntry>>();
  readonly #due: AttemptQueue;
  readonly #localDue: AttemptQueue;
  readonly #running = new InFlight();
  /** Attempts that ended for the sake of this worker's end, by run. */
  readonly #lost = new Map<LiveRun, number[]>();

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#due = new AttemptQueue(options.slots, (entry) => this.#run(entry, this.#due));
    this.#localDue = new AttemptQueue(options.localSlots, (entry) => this.#run(entry, this.#localDue));
  }

  /** Takes on an activity whose schedule is durable. */
  start(run: LiveRun, activity: PendingActivity, progress?: Uint8Array): void {
    const entry = new ActivityEntry(
      run,
      activity,
      progress === undefined ? undefined : { details: decodePayload(progress) },
    );
    let entries = this.#entries.get(run);
    if (entries === undefined) {
      entries = new Map();
      this.#entries.set(run, entries);
    }
    entries.set(activity.seq, entry);
    const { s2c } = activity.options;
    if (s2c !== undefined) this.#timeoutAt(entry, activity.scheduledAt + s2c * 1000, TimeoutType.SCHEDULE_TO_CLOSE);
    if (activity.cancelRequested) this.cancel(run, activity.seq);
    else this.#wait(entry);
  }

  /** Asks a running attempt to stop; one that does not run yet is cancelled at once. */
  cancel(run: LiveRun, seq: number): void {
    const entry = this.#entries.get(run)?.get(seq);
    if (entry === undefined || entry.state === 'reported') return;
    if (entry.state === 'running') entry.context?.cancel('CANCELLED');
    else this.#close(entry, 'ActivityCancelled', new CancelledFailure('Activity cancelled'), 'CANCEL_REQUESTED');
  }

  /** The attempt that an activity stands at here, and how many failed before; undefined when it has an outcome. */
  present(run: LiveRun, seq: number): { readonly attempt: number; readonly failedAttempts: number } | undefined {
    const entry = this.#entries.get(run)?.get(seq);
    if (entry === undefined) return undefined;
    const { failedAttempts } = entry;
    return { attempt: failedAttempts + entry.activity.lostAttempts + 1, failedAttempts };
  }

  /** Its outcome came from elsewhere: what still runs does not count any more. */
  settle(run: LiveRun, seq: number): void {
    const entry = this.#entries.get(run)?.get(seq);
    if (entry !== undefined) this.#leave(entry);
  }

  /** Forgets a run's activities; running ones are told to stop and their outcomes dropped. */
  abandon(run: LiveRun, reason: CancelReason): void {
    for (const entry of this.#entries.get(run)?.values() ?? []) {
      if (reason === 'WORKER_SHUTDOWN') entry.progress?.flush();
      entry.finish();
      entry.context?.cancel(reason);
    }
    this.#entries.delete(run);
  }

  /** Whether any activity of the run executes now, or soon enough to keep the run for it. */
  busy(run: LiveRun): boolean {
    for (const { state } of this.#entries.get(run)?.values() ?? []) if (state !== 'waiting') return true;
    return false;
  }

  /** Whether nothing of the run executes, and what is due has waited for a place while none became free for so long. */
  isStalled(run: LiveRun, ms: number): boolean {
    const due = [...(this.#entries.get(run)?.values() ?? [])].filter(({ state }) => state !== 'waiting');
    return due.length > 0 && due.every((entry) => entry.state === 'queued' && this.#queueOf(entry).isStalled(ms));
  }

  #queueOf({ activity }: ActivityEntry): AttemptQueue {
    return activity.options.local === true ? this.#localDue : this.#due;
  }

  executes(run: LiveRun): boolean {
    for (const { isRunning } of this.#entries.get(run)?.values() ?? []) if (isRunning) return true;
    return false;
  }

  /**
   * Starts no attempt any more; resolves when the running ones ended, or were told to stop after `graceMs`. Those that
   * stopped for it, or did not listen, are lost: another worker begins them anew.
   */
  async drain(graceMs: number): Promise<void> {
    this.#stopQueues();
    if (!(await this.#running.drained(graceMs))) {
      for (const entries of this.#entries.values()) {
        for (const entry of entries.values()) entry.context?.cancel('WORKER_SHUTDOWN');
      }
      // One that does not listen is left behind: its run is another worker's then.
      await this.#running.drained(settleMs);
    }
    for (const entries of this.#entries.values()) {
      for (const entry of entries.values()) if (entry.state === 'running') this.#lose(entry);
    }
    for (const [run, seqs] of this.#lost) this.#options.lost(run, seqs);
    this.#lost.clear();
  }

  #lose(entry: ActivityEntry): void {
    if (entry.activity.startedAttempt > 0) return; // `unsafe`: only a person can say what happened
    entry.progress?.flush();
    this.#leave(entry);
    this.#lost.set(entry.run, [...(this.#lost.get(entry.run) ?? []), entry.activity.seq]);
  }

  /** Stops everything at once: this incarnation may not act any more. */
  abort(): void {
    this.#stopQueues();
    for (const run of [...this.#entries.keys()]) this.abandon(run, 'LEASE_LOST');
  }

  #stopQueues(): void {
    this.#due.stop();
    this.#localDue.stop();
  }

  #wait(entry: ActivityEntry): void {
    const { activity } = entry;
    if (activity.startedAttempt > entry.failedAttempts) {
      // An `unsafe` attempt began and its outcome is unknown: only a person can say what happened.
      logUnknownEffect(this.#options.logger, entry);
      return;
    }
    entry.state = 'waiting';
    const delay = activity.nextAttemptAt === 0 ? 0 : this.#options.clock.delayMs(activity.nextAttemptAt);
    if (delay === 0) this.#enqueue(entry);
    else entry.after(delay, () => this.#wait(entry));
  }

  #enqueue(entry: ActivityEntry): void {
    entry.state = 'queued';
    this.#queueOf(entry).add(entry);
    const { s2s } = entry.activity.options;
    // Each attempt has that long; one that was under way before counts as scheduled anew.
    if (s2s === undefined || entry.isRunning) return;
    const { scheduledAt, lostAttempts } = entry.activity;
    const since = entry.failedAttempts + lostAttempts === 0 ? scheduledAt : this.#options.clock.now();
    this.#timeoutAt(entry, since + s2s * 1000, TimeoutType.SCHEDULE_TO_START, entry.failedAttempts);
  }

  #run(entry: ActivityEntry, queue: AttemptQueue): void {
    entry.state = 'running';
    this.#running.enter();
    // A timed-out attempt that goes on regardless must not keep its place for ever.
    entry.release = () => {
      entry.release = undefined;
      this.#running.leave();
      queue.give();
    };
    const { release } = entry;
    void this.#execute(entry)
      .catch((error: unknown) => this.#options.broken(entry.run, error))
      .finally(() => entry.release === release && release());
  }

  async #execute(entry: ActivityEntry): Promise<void> {
    const { activity, run } = entry;
    const { activities } = this.#options;
    const fn = activityOf(activities, activity.type);
    const attempt = entry.failedAttempts + activity.lostAttempts + 1;
    if (fn === undefined) return this.#failed(entry, notRegistered(activities, activity.type), attempt, 0);
    if (declarationOf(fn).effect === 'unsafe') {
      const columns = { answers: activity.seq, attempt: entry.failedAttempts + 1 };
      await this.#options.reportDurably(run, newEvent(0, 'ActivityAttemptStarted', columns));
      if (entry.state !== 'running') return;
    }
    await this.#attempt(entry, fn, attempt);
  }

  async #attempt(entry: ActivityEntry, fn: ActivityFunction, attempt: number): Promise<void> {
    const { activity } = entry;
    const progress = new AttemptProgress({
      timeoutMs: activity.options.hb,
      throttle: this.#options.heartbeatThrottle,
      onSilent: () => this.#attemptTimedOut(entry, context, TimeoutType.HEARTBEAT, elapsed()),
      store: () => this.#storeProgress(entry),
    });
    const context = this.#context(entry, attempt, (details) => {
      if (entry.state !== 'running' || entry.context !== context) return;
      entry.heartbeatDetails = details;
      progress.beat();
    });
    entry.context = context;
    entry.progress = progress;
    const startedAt = performance.now();
    const { stc } = activity.options;
    const timer =
      stc === undefined
        ? undefined
        : setTimeout(
            () => this.#attemptTimedOut(entry, context, TimeoutType.START_TO_CLOSE, elapsed()),
            Math.min(stc, 2_147_483_647),
          );
    const elapsed = (): number => Math.round((performance.now() - startedAt) * 1000) / 1000;
    try {
      const args = activity.args === null ? [] : (decodePayload(activity.args) as never[]);
      this.#options.failPoint?.('before activity');
      const result = await activityStorage.run(context, () => fn(...args));
      this.#options.failPoint?.('after activity');
      if (entry.state === 'running' && entry.context === context) this.#completed(entry, result, attempt, elapsed());
    } catch (error) {
      if (entry.state !== 'running' || entry.context !== context) return;
      if (error instanceof CompleteAsyncError && activity.options.local !== true) this.#leaveToClient(entry, context);
      else if (this.#isStopped(entry, context, error)) this.#lose(entry);
      else {
        const cancellation = activity.cancelRequested ? context.cancellationOf(error) : undefined;
        this.#failed(entry, cancellation ?? ensureApplicationFailure(error), attempt, elapsed(), context.usage);
      }
    } finally {
      clearTimeout(timer);
      progress.stop();
    }
  }

  #leaveToClient(entry: ActivityEntry, { info }: ActivityContext): void {
    entry.progress?.flush();
    this.#leave(entry);
    const startedAt = info.currentAttemptScheduledTimestampMs * 1000;
    this.#options.completesLater(entry.run, entry.activity, info.attempt, startedAt);
  }

  /** It ended because this worker told it to, for its own sake. */
  #isStopped({ activity }: ActivityEntry, context: ActivityContext, error: unknown): boolean {
    if (activity.cancelRequested || activity.startedAttempt > 0) return false;
    return context.cancellationDetails?.workerShutdown === true && context.cancellationOf(error) !== undefined;
  }

  #context(entry: ActivityEntry, attempt: number, beat: (details: unknown) => void): ActivityContext {
    const { activity, run, heartbeatDetails } = entry;
    const { logger, clock } = this.#options;
    const { workflowId, runId } = run.state;
    const scheduledAt = clock.now();
    return new ActivityContext(
      () => attemptInfo(run.state, activity, attempt, this.#options, heartbeatDetails, scheduledAt),
      () => logger.child({ workflowId, runId, activityType: activity.type, attempt }),
      beat,
      this.#options.client,
    );
  }

  #storeProgress(entry: ActivityEntry): void {
    if (entry.state !== 'running') return;
    let details: Uint8Array;
    try {
      details = encodePayload(entry.heartbeatDetails);
    } catch (error) {
      logUnstoredHeartbeat(this.#options.logger, entry.attempt, error);
      entry.context?.cancel('HEARTBEAT_DETAILS_CONVERSION_FAILED');
      return;
    }
    entry.progressStored = true;
    this.#options.progress.store(entry.run.runId, entry.activity.seq, details);
  }

  #completed(entry: ActivityEntry, result: unknown, attempt: number, ms: number): void {
    let payload: Uint8Array;
    try {
      payload = encodeResult(entry.activity.type, result, this.#options.maxPayloadBytes);
    } catch (error) {
      this.#failed(entry, error, attempt, ms, entry.context?.usage);
      return;
    }
    const meta = attemptMeta({ ms }, entry.context?.usage);
    this.#report(entry, newEvent(0, 'ActivityCompleted', { answers: entry.activity.seq, attempt, payload, meta }));
  }

  #failed(entry: ActivityEntry, error: unknown, attempt: number, ms: number, usage?: readonly Usage[]): void {
    const { activity, failedAttempts, heartbeatDetails } = entry;
    const { clock, identity } = this.#options;
    const now = clock.now();
    // A started attempt that is in the log may not be repeated.
    const unsafe = activity.startedAttempt > 0;
    const failed = { error, attempt, failedAttempts, now, ms, identity, unsafe, heartbeatDetails, usage };
    const outcome = afterFailure(activity, failed);
    if (outcome.retryInMs === undefined) this.#end(entry, outcome);
    else this.#retry(entry, outcome, outcome.retryInMs);
  }

  #retry(entry: ActivityEntry, { input, error, facts }: AttemptOutcome, delayMs: number): void {
    entry.progress?.flush();
    entry.context = undefined;
    logAttempt(this.#options.logger, entry.attempt, error, facts);
    this.#options.report(entry.run, input);
    // The fold of that event will say the same; the retry may come before its commit.
    entry.lastFailure = input.payload;
    entry.failedAttempts += 1;
    entry.state = 'waiting';
    entry.after(Math.max(1, delayMs), () => this.#enqueue(entry));
  }

  #attemptTimedOut(entry: ActivityEntry, context: ActivityContext, type: TimeoutType, ms: number): void {
    if (entry.state !== 'running' || entry.context !== context) return;
    const error = timeoutFailure(entry, type, entry.heartbeatDetails);
    const { release } = entry;
    this.#failed(entry, error, context.info.attempt, ms, context.usage);
    context.cancel('TIMED_OUT');
    release?.();
  }

  /** `attempt`: how many had failed before the one that it is for; undefined: it is for all. */
  #timeoutAt(entry: ActivityEntry, due: Micros, type: TimeoutType, attempt?: number): void {
    const { clock } = this.#options;
    entry.after(clock.delayMs(due), () => {
      if (attempt !== undefined && (entry.state === 'running' || entry.failedAttempts > attempt)) return;
      if (clock.now() < due) return this.#timeoutAt(entry, due, type, attempt);
      const { context, release } = entry;
      this.#close(entry, 'ActivityTimedOut', timeoutFailure(entry, type, entry.heartbeatDetails), 'TIMEOUT');
      context?.cancel('TIMED_OUT');
      release?.();
    });
  }

  #close(entry: ActivityEntry, type: EventType, error: unknown, retryState: RetryState): void {
    this.#end(entry, closed(entry.activity, type, error, { retryState, identity: this.#options.identity }));
  }

  #end(entry: ActivityEntry, { input, error, facts }: AttemptOutcome): void {
    if (input.type !== 'ActivityCancelled') logAttempt(this.#options.logger, entry.attempt, error, facts);
    this.#report(entry, input);
  }

  #leave(entry: ActivityEntry): void {
    entry.finish();
    const entries = this.#entries.get(entry.run);
    entries?.delete(entry.activity.seq);
    if (entries?.size === 0) this.#entries.delete(entry.run);
  }

  #report(entry: ActivityEntry, input: Input): void {
    this.#leave(entry);
    if (entry.progressStored) this.#options.progress.drop(entry.run.runId, entry.activity.seq);
    this.#options.report(entry.run, input);
  }
}
