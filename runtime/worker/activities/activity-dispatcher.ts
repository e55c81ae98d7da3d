// Decides who executes the activities of owned runs: this worker, other workers, or nobody yet. Starts and cancels the
// activities, handles mail about them, and answers whether they need their run in memory. It executes nothing itself
// and never writes the log.
import type { CancelReason } from '../../core/activity/cancellation-details.ts';
import { mailInput } from '../../core/activity/outcome-mail.ts';
import {
  attemptRunning,
  lookAgain,
  type Refusal,
  recoveryRefusal,
  recoveryMeta,
  verbTypes,
} from '../../core/recovery/verb.ts';
import { refusedInput, verbInputs } from '../../core/recovery/verb-inputs.ts';
import { isBegun, type PendingActivity } from '../../core/activity/pending-activity.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import type { Input } from '../../core/run/input.ts';
import type { Mail } from '../../core/run/mail.ts';
import { lostActivities } from '../../core/run/worker-lost.ts';
import { readAttempts } from '../../store/activities/activity-heartbeats.ts';
import { anyType, sweepTasks } from '../../store/activities/activity-tasks.ts';
import type { Fence } from '../../store/ownership/fence.ts';
import type { Found } from '../../store/ownership/poll.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { logAttempt } from './log-attempt.ts';
import { ActivitySlots } from './activity-slots.ts';
import type { ActivityWorker } from './activity-worker.ts';
import { AttemptReporter } from './attempt-reporter.ts';
import { LocalActivityRunner } from './local-activity-runner.ts';
import { RemoteActivities } from './remote-activities.ts';
import { RemoteActivityRunner } from './remote-activity-runner.ts';
import { RunningAttempts } from './running-attempts.ts';
import { StandaloneSettler } from './standalone-settler.ts';
import { QueueRate, type StartRate, WorkerRate } from './start-rates.ts';
import { TaskClaims } from './task-claims.ts';
import { TaskExpiry } from './task-expiry.ts';
import { TaskNotices } from './task-notices.ts';

function ratesOf(worker: ActivityWorker): StartRate[] {
  const { maxActivitiesPerSecond, maxTaskQueueActivitiesPerSecond: perSecond, database, queue, logger } = worker;
  return [
    ...(maxActivitiesPerSecond === undefined ? [] : [new WorkerRate(maxActivitiesPerSecond)]),
    ...(perSecond === undefined ? [] : [new QueueRate({ database, queue, perSecond, logger })]),
  ];
}

const sweepEveryMs = 60_000;

export class ActivityDispatcher {
  readonly #worker: ActivityWorker;
  /** Types of activities that this worker executes for non-local calls. */
  readonly #types: ReadonlySet<string>;
  readonly #running = new RunningAttempts();
  readonly #notices: TaskNotices;
  readonly #remote: RemoteActivities;
  readonly #local: LocalActivityRunner;
  readonly #settler: StandaloneSettler;
  readonly #expiry: TaskExpiry;
  readonly #reporter: AttemptReporter;
  readonly #runner: RemoteActivityRunner;
  #nextSweep = performance.now() + sweepEveryMs;

  /** `reportFence` is the fence for reports of outcomes. */
  constructor(worker: ActivityWorker, reportFence: Fence) {
    this.#worker = worker;
    this.#types = new Set(worker.takesNonLocal ? Object.keys(worker.activities) : []);
    const running = this.#running;
    const slots = new ActivitySlots(worker.maxConcurrent, ratesOf(worker));
    this.#notices = new TaskNotices(worker);
    this.#remote = new RemoteActivities(worker, this.#notices);
    this.#local = new LocalActivityRunner(worker, this.#remote, running, slots);
    this.#settler = new StandaloneSettler(worker, this.#notices);
    const expiry = new TaskExpiry(worker, this.#settler);
    const reporter = new AttemptReporter(worker, reportFence, this.#settler);
    const claims = new TaskClaims(worker, { names: [...this.#types], any: this.#types.has(anyType) });
    this.#runner = new RemoteActivityRunner({ worker, reportFence, slots, reporter, running, expiry }, claims);
    this.#expiry = expiry;
    this.#reporter = reporter;
  }

  /**
   * Accepts an activity whose ActivityScheduled is durable. `progress`: what the previous attempt reported, encoded.
   */
  start(run: LiveRun, activity: PendingActivity, progress?: Uint8Array): void {
    if (run.state.paused !== undefined) return; // started when the run is resumed
    const place = run.places.of(activity.seq);
    if (place === 'task' && activity.cancelRequested) this.#remote.cancel(run, activity.seq);
    if (place !== 'local' || this.#local.get(run, activity.seq) !== undefined) return;
    // A person must decide about a held activity, unless the code gives it up.
    if (activity.isHeld && !activity.cancelRequested) return;
    this.#execute(run, activity, progress);
  }

  /** Executes the activity here or elsewhere. A replay fork executes only what it may enter. */
  #execute(run: LiveRun, pending: PendingActivity, progress?: Uint8Array): void {
    const activity = run.replay === undefined ? pending : run.replay.entered(pending, this.#worker.clock.now());
    if (activity === undefined) return;
    // No other worker may begin an activity about which a person must decide. Here it waits.
    const waits = isBegun(activity) || activity.isHeld;
    if (waits || this.#isOwn(activity)) this.#local.start(run, activity, progress);
    else this.#remote.offer(run, activity);
  }

  /** Starts all pending activities of a run that was loaded into this process. */
  startAll(run: LiveRun): void {
    for (const activity of run.state.activities.values()) this.start(run, activity, run.progress?.get(activity.seq));
    run.progress = undefined;
  }

  cancel(run: LiveRun, seq: number): void {
    const place = run.places.of(seq);
    if (place === 'task') this.#remote.cancel(run, seq);
    if (place !== 'local') return;
    const activity = this.#local.get(run, seq);
    if (activity !== undefined) return activity.cancel();
    const pending = run.state.activities.get(seq);
    if (pending?.isHeld === true) this.start(run, pending);
  }

  /**
   * Called when an attempt's failure is in the log. If the failure came as a message, starts the next attempt. A
   * LocalActivity starts its next attempt itself.
   */
  attemptFailed(run: LiveRun, { answers, attempt }: HistoryEvent): void {
    const activity = run.state.activities.get(answers!);
    if (activity !== undefined && run.places.toldAttempt(answers!) === attempt) this.#return(run, activity);
  }

  /** Called when a retry by a person is in the log: the activity's next attempt starts now. */
  recovered(run: LiveRun, { answers, name }: HistoryEvent): void {
    const activity = run.state.activities.get(answers!);
    if (name === 'retry' && activity !== undefined && run.places.of(answers!) === 'held') this.#return(run, activity);
  }

  /** Called when the run's pause is in the log: no further attempt begins. */
  paused(run: LiveRun): void {
    this.#local.pause(run);
    this.#remote.hold(run);
  }

  /** Called when the run's resumption is in the log. */
  resumed(run: LiveRun): void {
    if (run.state.activities.size === 0) return;
    this.#remote.unhold(run);
    const restart = async (): Promise<void> => {
      await this.#worker.progress.settled();
      const progress = await this.#progressOf(run);
      if (run.phase === 'gone') return;
      for (const activity of run.state.activities.values()) this.start(run, activity, progress.get(activity.seq));
    };
    this.#remote.busyWith(run, restart).catch((error: unknown) => this.#worker.inputs.fail(run, error));
  }

  /** Makes the tasks of a loaded run match its pause, in case its previous owner died in between. */
  matchPause(run: LiveRun): void {
    if (run.state.paused !== undefined) this.#remote.hold(run);
    else if (run.hasHeldTasks) this.#remote.unhold(run);
    run.hasHeldTasks = false;
  }

  /** A message kept the activity from starting here, and its outcome is in the log: the next attempt may start. */
  #return(run: LiveRun, activity: PendingActivity): void {
    const { seq } = activity;
    if (run.state.paused !== undefined) return run.places.returned(seq);
    if (!this.#isOwn(activity)) {
      run.places.returned(seq);
      this.#execute(run, activity);
      return;
    }
    const restart = async (): Promise<void> => {
      // The progress that the attempt reported is only in the database.
      await this.#worker.progress.settled();
      const progress = (await this.#progressOf(run)).get(seq);
      if (run.phase === 'gone' || run.state.activities.get(seq) !== activity) return;
      run.places.returned(seq);
      this.start(run, activity, progress);
    };
    this.#remote.busyWith(run, restart).catch((error: unknown) => this.#worker.inputs.fail(run, error));
  }

  /**
   * The run's previous owner died together with the attempts that it executed. The reaper has offered the tasks again.
   */
  workerLost(run: LiveRun, event: HistoryEvent): void {
    for (const seq of lostActivities(event)) {
      const activity = run.state.activities.get(seq);
      if (activity !== undefined) this.start(run, activity, run.progress?.get(seq));
    }
    for (const activity of run.state.activities.values())
      if (run.places.of(activity.seq) === 'task') this.start(run, activity);
    run.progress = undefined;
  }

  /** Turns a message to a run into inputs, which go into the log with the same turn. */
  receive(run: LiveRun, mail: Mail): readonly Input[] {
    if (mail.type === 'RecoveryApplied') return this.#receiveVerb(run, mail);
    return verbTypes.has(mail.type) ? verbInputs(mail) : [this.#receiveMail(run, mail)];
  }

  /**
   * A person's retry or skip. If it is legal, no attempt of the activity starts until the verb is in the log. The turn
   * that takes the verb checks it once more, because an outcome may be on its way into the log.
   */
  #receiveVerb(run: LiveRun, mail: Mail): readonly Input[] {
    const seq = mail.answers ?? 0;
    const activity = run.state.activities.get(seq);
    const refusal = recoveryRefusal(run.runId, activity, mail) ?? this.#holdRefusal(run, activity!, mail);
    if (refusal === undefined) {
      this.#local.get(run, seq)?.leave();
      return verbInputs(mail);
    }
    if (activity !== undefined && run.places.of(seq) === 'held' && !run.places.isTaken(seq)) {
      queueMicrotask(() => this.#startUntold(run, activity, 'held'));
    }
    return [refusedInput(mail, refusal)];
  }

  /** Holds the activity for the verb, unless an attempt or another message about the activity is under way. */
  #holdRefusal(run: LiveRun, activity: PendingActivity, mail: Mail): Refusal | undefined {
    const { seq } = activity;
    if (this.#local.get(run, seq)?.isRunning === true) return attemptRunning(run.runId, activity, mail.name ?? '');
    // The task is being written, or a message about the activity is on its way into the log: the sender looks again.
    const isTask = run.places.of(seq) === 'task' && recoveryMeta(mail).task !== true;
    return !isTask && run.places.hold(seq) ? undefined : lookAgain(run.runId, activity);
  }

  /**
   * Turns a message to a run into an input. If the message tells the outcome of an activity, this worker ends its own
   * attempt, logs a failure, and drops stored progress. If the message is stale and the activity only waited for it,
   * the activity starts.
   */
  #receiveMail(run: LiveRun, mail: Mail): Input {
    const { input, activity, decides, failed } = mailInput(mail, {
      now: this.#worker.clock.now(),
      activities: run.state.activities,
      places: run.places,
      present: (seq) => this.#local.get(run, seq)?.present,
    });
    if (activity === undefined) return input;
    if (decides !== undefined) {
      run.places.told(activity.seq, decides);
      this.#local.get(run, activity.seq)?.leave();
    } else if (run.places.of(activity.seq) === 'asked') {
      queueMicrotask(() => this.#startUntold(run, activity, 'asked'));
    }
    if (failed !== undefined) {
      const { error, facts, retryInMs } = failed.outcome;
      if (input.type !== 'ActivityCancelled')
        logAttempt(this.#worker.logger, { run: run.state, activity }, error, facts);
      if (retryInMs === undefined) this.#worker.progress.drop(run.runId, activity.seq);
    }
    return input;
  }

  /**
   * Puts results that wait for the run's code, and that are only in memory, into the inbox. So they are not lost if the
   * run goes to a worker whose code can receive them.
   */
  keepResults(run: LiveRun): void {
    if (run.unseenInputs.length === 0) return;
    const isMine = ({ staged, mailId }: Input): boolean => staged !== undefined && mailId === undefined;
    const results = run.unseenInputs.filter(isMine);
    run.unseenInputs = run.unseenInputs.filter((input) => !isMine(input));
    for (const result of results) this.#remote.sendResult(run, result);
  }

  /** The client's message was stale. Starts the activity, unless another message will tell the outcome. */
  #startUntold(run: LiveRun, activity: PendingActivity, place: 'asked' | 'held'): void {
    const { seq } = activity;
    if (run.phase === 'gone' || run.places.of(seq) !== place || run.places.isTaken(seq)) return;
    run.places.returned(activity.seq);
    try {
      this.start(run, activity);
    } catch (error) {
      this.#worker.inputs.fail(run, error);
    }
  }

  /** Stops what this process executes for the run. The outcomes of stopped attempts no longer count. */
  abandon(run: LiveRun, reason: CancelReason): void {
    this.#local.abandon(run, reason);
  }

  /** Called when the run is closed and its last event is durable. */
  closed(run: LiveRun): void {
    this.#remote.closed(run);
  }

  /** Whether the run's activities need the run in memory. */
  busy(run: LiveRun): boolean {
    return this.#local.busy(run) || this.#remote.busy(run);
  }

  /** Whether this process is executing an activity of the run. */
  executes(run: LiveRun): boolean {
    return this.#local.executes(run);
  }

  /** Whether the run only waits for slots, and no slot has become free for `ms`. */
  isStalled(run: LiveRun, ms: number): boolean {
    return !this.#remote.busy(run) && this.#local.isStalled(run, ms);
  }

  /** Whether a task, a cancellation or another change of the run's activities is being written to the database. */
  isSending(run: LiveRun): boolean {
    return this.#remote.busy(run);
  }

  /** Whether this worker takes tasks from any of these queues. */
  looksInto(queues: readonly string[]): boolean {
    return this.#worker.sources.some(({ queue }) => queues.includes(queue));
  }

  /** The queues from which this worker may take tasks now. */
  get open(): readonly string[] {
    return this.#worker.sources.filter(({ isOpen }) => isOpen()).map(({ queue }) => queue);
  }

  /** Looks for tasks that this worker may take. */
  poke(): void {
    if (this.#types.size > 0) this.#runner.poke();
  }

  /** Looks for standalone activities that need settling. */
  pokeStandalone(): void {
    if (this.#types.size > 0) this.#settler.poke();
  }

  /** Acts on what a look-around has found. */
  found({ tasks, expired, standalone }: Found): void {
    if (tasks) this.poke();
    if (expired) this.#expiry.nudge();
    if (standalone) this.pokeStandalone();
  }

  /** Checks whether attempts that run here for other workers' runs must stop. */
  check(): void {
    this.#runner
      .check()
      .catch((error: unknown) => this.#worker.logger.warn({ err: error }, 'attempts could not be looked at'));
  }

  /** Checks running attempts, settles neglected standalone activities, and deletes tasks that runs left behind. */
  async sweep(): Promise<void> {
    this.check();
    if (this.#types.size > 0) await this.#settler.sweep();
    if (performance.now() < this.#nextSweep) return;
    this.#nextSweep = performance.now() + sweepEveryMs;
    await sweepTasks(this.#worker.database);
  }

  /** Starts no more attempts. Resolves when all attempts have ended; tells them to stop after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.#local.stopStarting();
    await this.#runner.stopClaiming();
    await this.#running.drain(graceMs);
    this.#local.loseRunning();
    await this.#settler.stop();
  }

  /** Stops everything at once, because this incarnation must not act any longer. */
  stop(): void {
    this.#local.stop();
    this.#runner.stop();
    this.#remote.stop();
    this.#notices.stop();
    this.#reporter.stop();
    this.#expiry.stop();
    void this.#settler.stop();
  }

  async #progressOf(run: LiveRun): Promise<ReadonlyMap<number, Uint8Array>> {
    try {
      return (await readAttempts(this.#worker.database, run.runId)).progress;
    } catch (error) {
      this.#worker.logger.warn({ err: error }, 'progress could not be read, the next attempt goes without');
      return new Map();
    }
  }

  #isOwn({ type, options }: PendingActivity): boolean {
    if (options.local === true) return true;
    if (options.queue !== undefined && options.queue !== this.#worker.taskQueue) return false;
    return this.#types.has(type) || this.#types.has(anyType);
  }
}
