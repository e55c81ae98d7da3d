// All that a worker has to do with activities: which of its runs' it executes itself and which it offers to others, what it
// executes for others, and whose time is over.
import type { CancelReason } from '../../core/activity/cancellation-details.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import { ApplicationFailure } from '../../core/failure/failure.ts';
import { readAttempts } from '../../store/activities/activity-heartbeats.ts';
import { isQueueOfActivities } from '../../core/activity/standalone.ts';
import { announce, expireTasks, type SentOutcome } from '../../store/activities/activity-outcomes.ts';
import { anyType, sweepTasks } from '../../store/activities/activity-tasks.ts';
import type { Fence } from '../../store/ownership/fence.ts';
import type { Mail } from '../../core/run/mail.ts';
import type { Found } from '../../store/ownership/poll.ts';
import { ActivityExecutor } from './activity-executor.ts';
import { ActivitySlots } from './activity-slots.ts';
import type { HeartbeatThrottle } from './attempt-progress.ts';
import { closed } from '../../core/activity/attempt-outcome.ts';
import { AttemptReporter } from './attempt-reporter.ts';
import type { ExecutorOptions } from './executor-options.ts';
import type { Input } from '../../core/run/input.ts';
import { lostActivities, workerLost } from '../../core/run/worker-lost.ts';
import type { PendingActivity } from '../../core/activity/pending-activity.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { logAttempt } from '../turns/log-turn.ts';
import { mailInput } from '../../core/activity/outcome-mail.ts';
import { RemoteActivities, type RemoteActivitiesOptions } from './remote-activities.ts';
import { StandaloneKeeper } from './standalone-keeper.ts';
import { taskClaims, type TaskClaimsOptions } from './task-claims.ts';
import type { TaskSource } from '../claim/claims.ts';
import { QueueRate, type StartRate, WorkerRate } from './start-rates.ts';
import { TaskRunner, type TaskRunnerOptions } from './task-runner.ts';

type Parts = Omit<ExecutorOptions, 'slots' | 'localSlots' | 'lost' | 'completesLater'> &
  Omit<RemoteActivitiesOptions, 'fence' | 'refused'> &
  Pick<TaskRunnerOptions, 'failPoint'>;

export interface ActivityLimits {
  readonly maxConcurrent: number;
  /** Local activities have places of their own, and no rate. */
  readonly maxConcurrentLocal: number;
  /** False: the activities here are for local calls alone; others are left to other workers of the queue. */
  readonly takesNonLocal: boolean;
  /** Starts of activities by this worker, and by all of the queue; undefined: without limit. */
  readonly maxActivitiesPerSecond?: number | undefined;
  readonly maxTaskQueueActivitiesPerSecond?: number | undefined;
  readonly heartbeatThrottle: HeartbeatThrottle;
}

export interface ActivityDeskOptions extends Parts, ActivityLimits {
  readonly queue: string;
  /** Where standalone activities of the task queue wait. */
  readonly standaloneQueue: string;
  /** Where activities of other workers' runs wait. */
  readonly sources: readonly TaskSource[];
  /** Of claims and offers. */
  readonly fence: Fence;
  /** Of reports. */
  readonly reportFence: Fence;
  readonly claimTasks: TaskClaimsOptions['claimTasks'];
}

function ratesOf(options: ActivityDeskOptions): StartRate[] {
  const { maxActivitiesPerSecond, maxTaskQueueActivitiesPerSecond: perSecond, database, queue, logger } = options;
  return [
    ...(maxActivitiesPerSecond === undefined ? [] : [new WorkerRate(maxActivitiesPerSecond)]),
    ...(perSecond === undefined ? [] : [new QueueRate({ database, queue, perSecond, logger })]),
  ];
}

const expireMax = 200;
const sweepEveryMs = 60_000;

export class ActivityDesk {
  readonly #options: ActivityDeskOptions;
  readonly #executor: ActivityExecutor;
  readonly #remote: RemoteActivities;
  readonly #runner: TaskRunner;
  readonly #reporter: AttemptReporter;
  readonly #keeper: StandaloneKeeper;
  readonly #types: ReadonlySet<string>;
  #expiring: Promise<void> | undefined;
  #nextSweep = performance.now() + sweepEveryMs;

  constructor(options: ActivityDeskOptions) {
    this.#options = options;
    const { database, fence, logger, activities, failPoint } = options;
    const { epoch } = fence;
    this.#types = new Set(options.takesNonLocal ? Object.keys(activities) : []);
    const slots = new ActivitySlots(options.maxConcurrent, ratesOf(options));
    this.#executor = new ActivityExecutor({
      ...options,
      slots,
      localSlots: new ActivitySlots(options.maxConcurrentLocal),
      lost: (run, seqs) => {
        options.report(run, workerLost(epoch, seqs, `worker ${epoch} shut down`));
      },
      completesLater: (run, activity, attempt, startedAt) => {
        this.#remote.awaitCompletion(run, activity, attempt, startedAt);
        if (activity.cancelRequested) this.#remote.cancel(run, activity.seq);
      },
    });
    this.#remote = new RemoteActivities({ ...options, refused: (run, seq) => this.#refused(run, seq) });
    this.#keeper = new StandaloneKeeper({
      ...options,
      queue: options.standaloneQueue,
      epoch,
      offered: (queue, dueAt) => this.#remote.tell(queue, dueAt),
    });
    const announced = (outcomes: readonly SentOutcome[]): void => this.#announce(outcomes);
    this.#reporter = new AttemptReporter({ database, fence: options.reportFence, logger, announced, failPoint });
    const types = { names: [...this.#types], any: this.#types.has(anyType) };
    this.#runner = new TaskRunner({
      ...options,
      epoch,
      slots,
      reporter: this.#reporter,
      claim: taskClaims({ ...options, types }),
      expired: () => void this.expire(),
    });
  }

  /** Takes on an activity whose schedule is durable. */
  start(run: LiveRun, activity: PendingActivity, progress?: Uint8Array): void {
    const elsewhere = run.placeOf(activity.seq);
    if (elsewhere !== undefined) {
      if (activity.cancelRequested && elsewhere === 'task') this.#remote.cancel(run, activity.seq);
    } else if (this.#isOwn(activity)) this.#executor.start(run, activity, progress);
    else {
      this.#remote.offer(run, activity);
      if (activity.cancelRequested) this.#remote.cancel(run, activity.seq);
    }
  }

  /** Starts everything that is scheduled and not closed, after the run came into this process. */
  startAll(run: LiveRun): void {
    for (const activity of run.state.activities.values()) this.start(run, activity, run.progress?.get(activity.seq));
    run.progress = undefined;
  }

  cancel(run: LiveRun, seq: number): void {
    const elsewhere = run.placeOf(seq);
    if (elsewhere === 'task') this.#remote.cancel(run, seq);
    else if (elsewhere === undefined) this.#executor.cancel(run, seq);
  }

  /** An attempt's failure is durable: one of another worker is followed by the next; own ones wait for theirs already. */
  attemptFailed(run: LiveRun, { answers, attempt }: HistoryEvent): void {
    const seq = answers!;
    const activity = run.state.activities.get(seq);
    if (activity === undefined || run.decided?.get(seq) !== attempt) return;
    run.place(seq, undefined);
    run.decided?.delete(seq);
    if (!this.#isOwn(activity)) return this.start(run, activity);
    // What the attempt reported lies in the database alone.
    run.place(seq, 'told');
    const restart = async (): Promise<void> => {
      const progress = await this.#progressOf(run, seq);
      if (run.phase === 'gone' || run.state.activities.get(seq) !== activity) return;
      run.place(seq, undefined);
      this.start(run, activity, progress);
    };
    this.#remote.busyWith(run, restart).catch((error: unknown) => this.#options.broken(run, error));
  }

  async #progressOf(run: LiveRun, seq: number): Promise<Uint8Array | undefined> {
    const { database, logger } = this.#options;
    try {
      return (await readAttempts(database, run.runId)).progress.get(seq);
    } catch (error) {
      logger.warn({ err: error }, 'progress could not be read, the next attempt goes without');
      return undefined;
    }
  }

  /** The run's last owner was lost, and with it what it had at work. Of tasks, the reaper has offered them anew. */
  workerLost(run: LiveRun, event: HistoryEvent): void {
    for (const seq of lostActivities(event)) {
      const activity = run.state.activities.get(seq);
      if (activity !== undefined) this.start(run, activity, run.progress?.get(seq));
    }
    for (const activity of run.state.activities.values())
      if (run.placeOf(activity.seq) === 'task') this.start(run, activity);
    run.progress = undefined;
  }

  /** What a message says to the run. */
  input(run: LiveRun, mail: Mail): Input {
    const {
      input,
      failed,
      decides,
      activity: told,
    } = mailInput(mail, {
      now: this.#options.clock.now(),
      activities: run.state.activities,
      elsewhere: run.elsewhere,
      present: (seq) => this.#executor.present(run, seq),
    });
    if (told !== undefined && decides !== undefined) {
      run.decide(told.seq, decides);
      this.#executor.settle(run, told.seq);
    } else if (told !== undefined && run.placeOf(told.seq) === 'asked') {
      queueMicrotask(() => this.#startUntold(run, told));
    }
    if (failed !== undefined) {
      const { activity, outcome } = failed;
      if (input.type !== 'ActivityCancelled')
        logAttempt(this.#options.logger, { run: run.state, activity }, outcome.error, outcome.facts);
      if (outcome.retryInMs === undefined) this.#options.progress.drop(run.runId, activity.seq);
    }
    return input;
  }

  /** A message that told of its outcome came too late: was it the only one, the activity is to be executed after all. */
  #startUntold(run: LiveRun, activity: PendingActivity): void {
    if (run.phase === 'gone' || run.placeOf(activity.seq) !== 'asked') return;
    run.place(activity.seq, undefined);
    try {
      this.start(run, activity);
    } catch (error) {
      this.#options.broken(run, error);
    }
  }

  abandon(run: LiveRun, reason: CancelReason): void {
    this.#executor.abandon(run, reason);
  }

  /** The run is closed, and that is durable. */
  closed(run: LiveRun): void {
    this.#remote.closed(run);
  }

  /** Whether the run is needed in memory for its activities. */
  busy(run: LiveRun): boolean {
    return this.#executor.busy(run) || this.#remote.busy(run);
  }

  /** Whether this process executes an activity of the run now. */
  executes(run: LiveRun): boolean {
    return this.#executor.executes(run);
  }

  /** Whether activities of other workers' runs that this worker may take can wait in one of these queues. */
  looksInto(queues: readonly string[]): boolean {
    return this.#options.sources.some(({ queue }) => queues.includes(queue));
  }

  /** Queues from which it takes some now. */
  get open(): readonly string[] {
    return this.#options.sources.filter(({ isOpen }) => isOpen()).map(({ queue }) => queue);
  }

  /** Whether the run only waits for places, of which none has become free for so long. */
  isStalled(run: LiveRun, ms: number): boolean {
    return !this.#remote.busy(run) && this.#executor.isStalled(run, ms);
  }

  /** Whether something of the run is on its way into the database. */
  isSending(run: LiveRun): boolean {
    return this.#remote.busy(run);
  }

  /** Looks for tasks of this worker's queue now. */
  poke(): void {
    if (this.#types.size > 0) this.#runner.poke();
  }

  /** Looks for standalone activities that have something to be settled. */
  pokeStandalone(): void {
    if (this.#types.size > 0) this.#keeper.poke();
  }

  /** Does what a look around has found. */
  found({ tasks, expired, standalone }: Found): void {
    if (tasks) this.poke();
    if (expired) void this.expire();
    if (standalone) this.pokeStandalone();
  }

  /** Looks whether attempts that run here are to stop. */
  check(): void {
    this.#runner
      .check()
      .catch((error: unknown) => this.#options.logger.warn({ err: error }, 'attempts could not be looked at'));
  }

  /** Ends tasks whose time is over. */
  expire(): Promise<void> {
    this.#expiring ??= this.#expire().finally(() => {
      this.#expiring = undefined;
    });
    return this.#expiring;
  }

  /** Removes tasks that runs left behind, and settles what others left unsettled, now and then. */
  async sweep(): Promise<void> {
    this.check();
    if (this.#types.size > 0) await this.#keeper.sweep();
    if (performance.now() < this.#nextSweep) return;
    this.#nextSweep = performance.now() + sweepEveryMs;
    await sweepTasks(this.#options.database);
  }

  async drain(graceMs: number): Promise<void> {
    await Promise.all([this.#executor.drain(graceMs), this.#runner.drain(graceMs)]);
    await this.#keeper.stop();
  }

  abort(): void {
    this.#executor.abort();
    this.#runner.abort();
    this.#remote.stop();
    this.#reporter.stop();
    void this.#keeper.stop();
  }

  /** Standalone activities have no owner to be told: they are settled here, at once. */
  #announce(outcomes: readonly SentOutcome[]): void {
    const standalone = outcomes.filter(({ queue }) => isQueueOfActivities(queue));
    announce(
      this.#options.database,
      outcomes.filter((outcome) => !standalone.includes(outcome)),
    );
    if (standalone.length > 0) void this.#keeper.settle(standalone.map(({ runId }) => runId));
  }

  /** Nobody can be given it: it fails, since its run would wait for ever. */
  #refused(run: LiveRun, seq: number): void {
    const activity = run.state.activities.get(seq);
    if (activity === undefined) return;
    const { report, identity } = this.#options;
    const failure = ApplicationFailure.nonRetryable(`Activity ${activity.type} could not be offered to workers.`);
    report(run, closed(activity, 'ActivityFailed', failure, { retryState: 'NON_RETRYABLE_FAILURE', identity }).input);
  }

  #isOwn({ type, options }: PendingActivity): boolean {
    if (options.local === true) return true;
    if (options.queue !== undefined && options.queue !== this.#options.taskQueue) return false;
    return this.#types.has(type) || this.#types.has(anyType);
  }

  async #expire(): Promise<void> {
    const { database, clock, logger } = this.#options;
    try {
      for (let isFull = true; isFull; ) {
        const sent = await expireTasks(database, { now: clock.now(), limit: expireMax });
        this.#announce(sent);
        isFull = sent.length === expireMax;
      }
    } catch (error) {
      logger.warn({ err: error }, 'timeouts of activities could not be looked for, will try again');
    }
  }
}
