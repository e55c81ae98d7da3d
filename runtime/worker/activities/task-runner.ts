// Executes activities of other workers' runs: claims tasks of the queue while places are free, runs each as one attempt,
// and reports what it came to. Timeouts, retries and the log are the business of the run's owner and of the store; here
// an attempt whose time is over only gives its place back.
import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { newEvent } from '../../core/log/new-event.ts';
import type { EventType } from '../../core/log/event.ts';
import { encodeFailure } from '../../core/failure/failure-info.ts';
import { ApplicationFailure, CompleteAsyncError } from '../../core/failure/failure.ts';
import { decodePayload, encodePayload } from '../../core/payload/payload.ts';
import { thrownMessage } from '../../core/failure/thrown-message.ts';
import { InFlight } from '../../flow/in-flight.ts';
import { type Looker, Poller } from '../../flow/poller.ts';
import type { OutcomeMeta } from '../../core/activity/outcome-mail.ts';
import {
  type AttemptTerms,
  beatTask,
  type ClaimedTask,
  taskName,
  tasksOfWorker,
} from '../../store/activities/activity-tasks.ts';
import { leaveToClient } from '../../store/activities/async-completion.ts';
import type { Fence } from '../../store/ownership/fence.ts';
import type { Database } from '../../store/sql/database.ts';
import { notRegistered } from './activity-call.ts';
import {
  type Activities,
  ActivityContext,
  type ActivityInfo,
  type ActivityFunction,
  activityOf,
  activityStorage,
  declarationOf,
} from './activity-context.ts';
import type { ActivitySlots } from './activity-slots.ts';
import { attemptInfo, standaloneInfo } from './attempt-info.ts';
import { usageFacts } from '../../core/activity/attempt-meta.ts';
import { encodeResult } from './attempt-result.ts';
import { AttemptProgress, type HeartbeatThrottle } from './attempt-progress.ts';
import type { AttemptReporter } from './attempt-reporter.ts';
import type { DatabaseClock } from '../life/clock.ts';
import type { FailPointListener } from '../life/fail-point.ts';
import { logAttempt, logUnstoredHeartbeat } from '../turns/log-turn.ts';
import { RunningTask } from './running-task.ts';

export interface TaskRunnerOptions {
  readonly database: Database;
  readonly epoch: number;
  readonly reportFence: Fence;
  readonly activities: Activities;
  /** A client of the worker's, for activities that ask for one. */
  readonly client: () => unknown;
  readonly slots: ActivitySlots;
  readonly reporter: AttemptReporter;
  readonly clock: DatabaseClock;
  readonly identity: string;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly maxPayloadBytes: number;
  readonly heartbeatThrottle: HeartbeatThrottle;
  readonly logger: Logger;
  claim(limit: number): Promise<readonly ClaimedTask[]>;
  /** The time of an attempt is over: somebody should look. */
  expired(): void;
  readonly failPoint?: FailPointListener | undefined;
}

const claimMax = 100;
/** How long an attempt may take to stop once it was told to. */
const settleMs = 5_000;
/** When the database cannot be reached. */
const outageMs = 100;

export class TaskRunner implements Looker {
  readonly #options: TaskRunnerOptions;
  readonly #running = new Map<string, RunningTask>();
  readonly #inFlight = new InFlight();
  readonly #poller = new Poller(this);
  /** There may be tasks that no place was free for. */
  #hasMore = false;
  #stopped = false;
  #isAborted = false;
  readonly #onFree = (): void => {
    if (this.#hasMore) this.poke();
  };

  constructor(options: TaskRunnerOptions) {
    this.#options = options;
    options.slots.onFree(this.#onFree);
  }

  /** Looks for tasks now. */
  poke(): void {
    this.#poller.nudge();
  }

  /** Compares what runs here with what the database knows: some may be cancelled, paused, over, or have other options. */
  async check(): Promise<void> {
    if (this.#running.size === 0) return;
    const before = [...this.#running];
    const known = await tasksOfWorker(this.#options.database, this.#options.epoch);
    for (const [name, running] of before) {
      const terms = known.get(name);
      if (terms !== undefined) this.#adopt(running, terms);
      running.told(terms?.state ?? 'gone');
    }
  }

  /** Takes no task any more; resolves when the running ones ended, or were told to stop after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.#stopped = true;
    await this.#poller.stop();
    if (await this.#inFlight.drained(graceMs)) return;
    for (const running of this.#running.values()) running.context?.cancel('WORKER_SHUTDOWN');
    await this.#inFlight.drained(settleMs); // one that does not listen is left behind
  }

  /** Stops everything at once: this incarnation may not act any more. */
  abort(): void {
    this.#stopped = true;
    this.#isAborted = true;
    void this.#poller.stop();
    for (const running of [...this.#running.values()]) running.leave('LEASE_LOST');
  }

  async look(): Promise<void> {
    const { slots, failPoint } = this.#options;
    for (this.#hasMore = true; this.#hasMore && !this.#stopped; ) {
      const limit = slots.take(claimMax);
      if (limit === 0) return;
      let claimed: readonly ClaimedTask[] = [];
      try {
        claimed = await this.#options.claim(limit);
      } finally {
        if (claimed.length > 0) failPoint?.('task claimed');
        this.#hasMore = claimed.length === limit;
        slots.giveUnused(limit - claimed.length, this.#onFree);
      }
      for (const task of claimed) this.#start(task);
    }
  }

  failed(error: unknown): void {
    this.#options.logger.warn({ err: error }, 'activities could not be claimed, will try again');
  }

  #start(task: ClaimedTask): void {
    const name = taskName(task.runId, task.seq, task.attempt);
    const running = new RunningTask(task);
    running.release = () => {
      running.release = undefined;
      if (this.#running.get(name) === running) this.#running.delete(name);
      this.#inFlight.leave();
      this.#options.slots.give(1);
    };
    this.#running.set(name, running);
    this.#inFlight.enter();
    void this.#execute(running).finally(() => running.release?.());
  }

  async #execute(running: RunningTask): Promise<void> {
    const { activities } = this.#options;
    const { type } = running.task;
    const fn = activityOf(activities, type);
    if (fn === undefined) return this.#failed(running, notRegistered(activities, type));
    if (declarationOf(fn).effect === 'unsafe') {
      running.unsafe = true;
      // Durable before it begins: lost after this, it is not repeated.
      if ((await this.#report(running, 'ActivityAttemptStarted', null, null)) !== 'sent' || running.isOver) return;
    }
    await this.#attempt(running, fn);
  }

  async #attempt(running: RunningTask, fn: ActivityFunction): Promise<void> {
    const { task } = running;
    const lapse = (): void => void this.#lapse(running);
    const progress = new AttemptProgress({
      timeoutMs: running.options.hb,
      throttle: this.#options.heartbeatThrottle,
      onSilent: lapse,
      store: () => {
        running.beating = this.#beat(running);
      },
    });
    const context = this.#context(running, () => progress.beat());
    running.context = context;
    running.progress = progress;
    running.watch(lapse, (at) => this.#options.clock.delayMs(at));
    try {
      const args = task.args === null ? [] : (decodePayload(task.args) as never[]);
      this.#options.failPoint?.('before activity');
      const result = await activityStorage.run(context, () => fn(...args));
      this.#options.failPoint?.('after activity');
      const payload = encodeResult(task.type, result, this.#options.maxPayloadBytes);
      if (!running.isOver) await this.#completed(running, payload);
    } catch (error) {
      // Told to stop for the worker's sake: once the worker has gone, its tasks are offered anew.
      // The next attempt is to find what this one reported last.
      progress.flush();
      await running.beating;
      const { workerShutdown = false } = context.cancellationDetails ?? {};
      const cancellation = context.cancellationOf(error);
      if (running.isOver || (workerShutdown && cancellation !== undefined && !running.unsafe)) return;
      if (error instanceof CompleteAsyncError) await this.#leave(running);
      else await this.#failed(running, running.failureOf(error, cancellation));
    } finally {
      running.stop();
    }
  }

  /** Its time is over, unless somebody has given it more, or other heartbeats. */
  async #lapse(running: RunningTask): Promise<void> {
    const { database, epoch, expired } = this.#options;
    if (running.isOver) return;
    if (running.task.isStandalone) {
      const { runId, seq, attempt } = running.task;
      // Who cannot ask goes by what is known.
      const known = await tasksOfWorker(database, epoch).catch(() => undefined);
      const terms = known?.get(taskName(runId, seq, attempt));
      if (running.isOver || (terms !== undefined && this.#adopt(running, terms))) return;
    }
    running.leave('TIMED_OUT');
    expired();
  }

  #adopt(running: RunningTask, terms: AttemptTerms): boolean {
    return running.task.isStandalone && running.adopt(terms, (at) => this.#options.clock.delayMs(at));
  }

  #context(running: RunningTask, beat: () => void): ActivityContext {
    const { task, options } = running;
    const { logger } = this.#options;
    const { workflowId, runId, type, attempt, dueAt } = task;
    const { details: before } = running;
    const makeInfo = (): ActivityInfo => {
      const info = attemptInfo(task, { ...task, options }, attempt, this.#options, before, dueAt);
      return task.isStandalone ? standaloneInfo(info, runId) : info;
    };
    return new ActivityContext(
      makeInfo,
      () => logger.child({ workflowId, runId, activityType: type, attempt }),
      (details) => {
        if (running.isOver) return;
        running.details = details;
        beat();
      },
      this.#options.client,
    );
  }

  async #beat(running: RunningTask): Promise<void> {
    const { database, epoch, clock, logger } = this.#options;
    if (running.isOver) return;
    let details: Uint8Array;
    try {
      details = encodePayload(running.details);
    } catch (error) {
      logUnstoredHeartbeat(logger, { run: running.task, activity: running.task }, error);
      running.context?.cancel('HEARTBEAT_DETAILS_CONVERSION_FAILED');
      return;
    }
    try {
      const beat = { now: clock.now(), details };
      const state = await beatTask(database, epoch, running.task, beat);
      running.told(state);
    } catch (error) {
      logUnstoredHeartbeat(logger, { run: running.task, activity: running.task }, error);
    }
  }

  async #completed(running: RunningTask, payload: Uint8Array): Promise<void> {
    if ((await this.#report(running, 'ActivityCompleted', payload, null)) !== 'refused') return;
    const message = `The result of activity ${running.task.type} could not be stored.`;
    await this.#failed(running, ApplicationFailure.nonRetryable(message));
  }

  async #failed(running: RunningTask, error: unknown): Promise<void> {
    const { logger } = this.#options;
    const { task } = running;
    logAttempt(logger, { run: task, activity: task }, error, { attempt: task.attempt });
    await this.#report(running, 'ActivityFailed', encodeFailure(error), thrownMessage(error));
  }

  /** A client will complete it. */
  async #leave(running: RunningTask): Promise<void> {
    const { database, reportFence, logger } = this.#options;
    running.isOver = true;
    for (;;) {
      try {
        await leaveToClient(database, reportFence, running.task);
        return;
      } catch (error) {
        if (this.#isAborted) return;
        logger.warn({ err: error }, 'an activity could not be left to a client, will try again');
        await setTimeout(outageMs);
      }
    }
  }

  #report(
    running: RunningTask,
    type: EventType,
    payload: Uint8Array | null,
    reason: string | null,
  ): ReturnType<AttemptReporter['report']> {
    const { runId, seq, attempt } = running.task;
    const meta: OutcomeMeta = {
      seq,
      attempt,
      ms: running.ms,
      identity: this.#options.identity,
      ...usageFacts(running.context?.usage),
      ...(running.unsafe ? { unsafe: true } : {}),
    };
    const columns = newEvent(0, type, { payload, reason });
    return this.#options.reporter.report({
      runId,
      seq,
      attempt,
      type,
      payload,
      reason: columns.reason,
      meta: JSON.stringify(meta),
    });
  }
}
