// Offers activities of owned runs as tasks to other workers or to clients once their ActivityScheduled is durable, and
// withdraws the tasks of cancelled activities. The outcome of a task arrives as mail. Keeps only tasks that are being
// written to the database, so a run that only waits for tasks can leave memory.
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { effectiveVersioning, prefixOf, queueKey } from '../../core/run/deployment.ts';
import type { Micros } from '../../core/log/event.ts';
import { announceOutcomes, cancelTasks } from '../../store/activities/activity-outcomes.ts';
import { dropTasks } from '../../store/activities/activity-tasks.ts';
import { holdTasks, releaseTasks } from '../../store/activities/task-holds.ts';
import { offerTasks } from '../../store/activities/task-offers.ts';
import { awaitCompletion } from '../../store/activities/async-completion.ts';
import { RetryingBatcher, type RetryingSender } from '../../flow/retrying-batcher.ts';
import { SerialQueue } from '../../flow/serial-queue.ts';
import { isDataRefusal } from '../../store/sql/sqlstate.ts';
import { ApplicationFailure } from '../../core/failure/failure.ts';
import { closed } from '../../core/activity/attempt-outcome.ts';
import type { ActivityWorker } from './activity-worker.ts';
import type { TaskNotices } from './task-notices.ts';
import type { PendingActivity } from '../../core/activity/pending-activity.ts';
import type { Input } from '../../core/run/input.ts';
import { type Message, sendAlone } from '../../store/messages/inbox.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { type OfferedTask, offeredTask } from '../../core/activity/offered-task.ts';

const nothing = async (): Promise<void> => undefined;

interface Offer {
  readonly run: LiveRun;
  readonly task: OfferedTask;
  /** Called when the task is in the database or is no longer needed. */
  readonly settle: () => void;
}

const offersMax = 500;
/** Wait before the next try when another session has locked the run's row. */
const lockedMs = 5;
/** Wait before the next try when the database cannot be reached. */
const outageMs = 100;

export class RemoteActivities implements RetryingSender<Offer> {
  readonly #worker: ActivityWorker;
  readonly #notices: TaskNotices;
  readonly #offers = new RetryingBatcher<Offer>(this, { itemsMax: offersMax });
  /** Statements about the same activity run in order. */
  readonly #statements = new SerialQueue<string>();
  /** How many writes to the database are unfinished, by run. */
  readonly #pending = new Map<LiveRun, number>();
  #stopped = false;

  constructor(worker: ActivityWorker, notices: TaskNotices) {
    this.#worker = worker;
    this.#notices = notices;
  }

  /** Offers the next attempt of an activity. */
  offer(run: LiveRun, activity: PendingActivity): void {
    run.places.offered(activity.seq);
    const task = this.#task(run, activity);
    this.#next(run, activity.seq, () => new Promise((settle) => this.#offers.add({ run, task, settle })));
    if (activity.cancelRequested) this.cancel(run, activity.seq);
  }

  /** Creates a task for an attempt that ran here and that a client will complete. */
  awaitCompletion(
    run: LiveRun,
    activity: PendingActivity,
    attempt: { readonly number: number; readonly startedAt: Micros; readonly staged: string | null },
  ): void {
    run.places.offered(activity.seq);
    const { number, startedAt, staged } = attempt;
    const task = { ...this.#task(run, activity), attempt: number, startedAt, staged };
    const { database, control, failPoint } = this.#worker;
    const leave = async (): Promise<boolean> => {
      failPoint?.('before leaving');
      const result = await awaitCompletion(database, control.fence, task);
      failPoint?.('after leaving');
      return result !== false;
    };
    this.#next(run, activity.seq, () => this.#until(run, 'an activity could not be left to a client', leave));
    if (activity.cancelRequested) this.cancel(run, activity.seq);
  }

  /** Sends the result of an attempt that ran here to the run's own inbox. */
  sendResult(run: LiveRun, { answers, attempt, payload, meta, staged }: Input): void {
    const seq = answers!;
    run.places.sent(seq);
    const { database, announcedMail } = this.#worker;
    const outcome = { ...(JSON.parse(meta ?? '{}') as object), seq, attempt, patches: staged };
    const message: Message = {
      type: 'ActivityCompleted',
      correlationId: randomUUID(),
      meta: JSON.stringify(outcome),
      ...(payload === null ? {} : { payload }),
    };
    const send = async (): Promise<boolean> => {
      if ((await sendAlone(database, run.runId, message)) !== undefined) announcedMail.announce([run.runId]);
      return true;
    };
    this.#next(run, seq, () => this.#until(run, 'a result could not be sent to the inbox of its run', send));
  }

  /** Ends an activity's task, or tells the worker that executes the task to stop. */
  cancel(run: LiveRun, seq: number): void {
    const cancel = (): Promise<boolean> => this.#cancel(run.runId, seq);
    this.#next(run, seq, () => this.#until(run, 'an activity could not be cancelled', cancel));
  }

  /** The run is paused: no worker may begin its tasks. */
  hold(run: LiveRun): void {
    const { database, control } = this.#worker;
    this.#ofRun(run, 'tasks of a paused run could not be held', () => holdTasks(database, control.fence, run.runId));
  }

  /** The run is resumed: workers may begin its tasks again. */
  unhold(run: LiveRun): void {
    const { database, control } = this.#worker;
    this.#ofRun(run, 'tasks of a resumed run could not be released', async () => {
      const released = await releaseTasks(database, control.fence, run.runId);
      this.#notices.tellAll(released ?? []);
      return released !== undefined;
    });
  }

  /** Does the work for all tasks of the run, after all earlier work for its activities. */
  #ofRun(run: LiveRun, failed: string, work: () => Promise<boolean>): void {
    const seqs = [...run.state.activities.keys()].filter((seq) => run.places.of(seq) === 'task');
    if (seqs.length === 0) return;
    const afterOthers = async (): Promise<void> => {
      await Promise.all(seqs.map((seq) => this.#statements.run(nothing, `${run.runId}:${seq}`)));
      await this.#until(run, failed, work);
    };
    void this.busyWith(run, () => this.#statements.run(afterOthers, run.runId));
  }

  /** Does the work after all earlier work for the activity, because a task must exist before it can be withdrawn. */
  #next(run: LiveRun, seq: number, work: () => Promise<void>): void {
    void this.busyWith(run, () => this.#statements.run(work, `${run.runId}:${seq}`));
  }

  /** Keeps the run in memory until the work is done. */
  async busyWith(run: LiveRun, work: () => Promise<void>): Promise<void> {
    this.#count(run, 1);
    try {
      await work();
    } finally {
      this.#count(run, -1);
    }
  }

  /** Whether any write to the database for the run is unfinished. */
  busy(run: LiveRun): boolean {
    return this.#pending.has(run);
  }

  /** Deletes the tasks of a closed run. */
  closed(run: LiveRun): void {
    for (const activity of run.state.activities.values()) {
      if (run.places.of(activity.seq) !== 'task') continue;
      dropTasks(this.#worker.database, run.runId).catch((error: unknown) =>
        this.#worker.logger.warn({ err: error }, 'tasks of a closed run were not dropped'),
      );
      return;
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#offers.close();
    this.#pending.clear();
  }

  #task(run: LiveRun, activity: PendingActivity): OfferedTask {
    const { namespace, taskQueue, clock } = this.#worker;
    const key = queueKey(namespace, activity.options.queue ?? taskQueue);
    const queue = run.state.versioning === undefined ? key : prefixOf(effectiveVersioning(run.state.versioning)) + key;
    return offeredTask(run.runId, activity, { queue, now: clock.now() });
  }

  async send(batch: readonly Offer[]): Promise<readonly Offer[]> {
    const { database, control, failPoint } = this.#worker;
    failPoint?.('before offer');
    const tasks = batch.map((offer) => offer.task);
    // Undefined: this worker was declared dead. The runs' next owners will offer the tasks.
    const owned = await offerTasks(database, control.fence, tasks);
    failPoint?.('after offer');
    if (owned !== undefined) this.#notices.tellAll(tasks.filter((task) => owned.has(task.runId)));
    const locked = ({ run, task }: Offer): boolean =>
      owned !== undefined && !owned.has(task.runId) && run.phase !== 'gone';
    for (const offer of batch) if (!locked(offer)) offer.settle();
    return batch.filter(locked);
  }

  isRefusal(error: unknown): boolean {
    return isDataRefusal(error);
  }

  /** The database cannot store the task. The activity fails, because otherwise its run would wait for ever. */
  refused({ run, task, settle }: Offer, error: unknown): void {
    const { inputs, identity, logger } = this.#worker;
    const { workflowId, runId, activities } = run.state;
    logger.error({ err: error, workflowId, runId, activityType: task.type }, 'an activity cannot be offered');
    const activity = activities.get(task.seq);
    if (activity !== undefined && run.phase !== 'gone') {
      const failure = ApplicationFailure.nonRetryable(`Activity ${task.type} could not be offered to workers.`);
      const facts = { retryState: 'NON_RETRYABLE_FAILURE', identity } as const;
      inputs.add(run, closed(activity, 'ActivityFailed', failure, facts).input);
    }
    settle();
  }

  failed(error: unknown): void {
    this.#worker.logger.warn({ err: error }, 'activities could not be offered, will try again');
  }

  /** Returns false when another session has locked the run's row. */
  async #cancel(runId: string, seq: number): Promise<boolean> {
    const { database, control, announcedMail } = this.#worker;
    const result = await cancelTasks(database, runId, [seq]);
    if (result === undefined) return false;
    for (const sent of result.sent) {
      if (sent.owner === control.fence.epoch) announcedMail.announce([runId]);
      else announceOutcomes(database, [sent]);
    }
    for (const { worker } of result.marked) if (worker !== null) database.notifier.attempts(worker);
    return true;
  }

  /** Retries until an attempt succeeds or this worker no longer owns the run. */
  async #until(run: LiveRun, failed: string, attempt: () => Promise<boolean>): Promise<void> {
    while (run.phase !== 'gone' && !this.#stopped) {
      try {
        if (await attempt()) return;
        await pause(lockedMs);
      } catch (error) {
        if (this.#stopped) return;
        this.#worker.logger.warn({ err: error }, `${failed}, will try again`);
        await pause(outageMs);
      }
    }
  }

  #count(run: LiveRun, by: number): void {
    if (this.#stopped) return;
    const count = (this.#pending.get(run) ?? 0) + by;
    if (count > 0) this.#pending.set(run, count);
    else if (this.#pending.delete(run) && run.phase !== 'gone') this.#worker.inputs.settled(run);
  }
}
