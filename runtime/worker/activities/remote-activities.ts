// Activities of owned runs that other workers execute, or clients complete: offered as tasks once their schedule is durable,
// withdrawn when they are cancelled. What becomes of a task comes back as mail. Nothing is kept here but what is on its way
// into the database, so a run that waits for tasks alone needs no place in memory.
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { effectiveVersioning, placedQueue, prefixOf, queueKey } from '../../core/run/deployment.ts';
import type { Micros } from '../../core/log/event.ts';
import { announce, cancelTasks } from '../../store/activities/activity-outcomes.ts';
import { dropTasks } from '../../store/activities/activity-tasks.ts';
import { offerTasks } from '../../store/activities/task-offers.ts';
import { awaitCompletion } from '../../store/activities/async-completion.ts';
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import type { Fence } from '../../store/ownership/fence.ts';
import type { Database } from '../../store/sql/database.ts';
import { isDataRefusal } from '../../store/sql/sqlstate.ts';
import type { DatabaseClock } from '../life/clock.ts';
import type { FailPointListener } from '../life/fail-point.ts';
import type { PendingActivity } from '../../core/activity/pending-activity.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { type OfferedTask, offeredTask } from '../../core/activity/offered-task.ts';

export interface RemoteActivitiesOptions {
  readonly database: Database;
  readonly fence: Fence;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly clock: DatabaseClock;
  readonly logger: Logger;
  /** A run of ours got mail. */
  mailed(runIds: readonly string[]): void;
  /** The database cannot hold the task of an activity: nobody will ever execute it. */
  refused(run: LiveRun, seq: number): void;
  /** Nothing of the run is on its way any more. */
  settled(run: LiveRun): void;
  readonly failPoint?: FailPointListener | undefined;
}

/** A task on its way into the database. */
interface ComingTask {
  readonly run: LiveRun;
  readonly seq: number;
}

interface Offer extends ComingTask {
  readonly task: OfferedTask;
}

const offersMax = 500;
/** When a run's row is locked by somebody. */
const lockedMs = 5;
/** When the database cannot be reached. */
const outageMs = 100;
/** A task that is due later than this is found by those who look for tasks now and then. */
const noticeMsMax = 60_000;

export class RemoteActivities implements BatchSender<Offer> {
  readonly #options: RemoteActivitiesOptions;
  readonly #offers = new Batcher<Offer>(this, { itemsMax: offersMax });
  readonly #coming = new Set<ComingTask>();
  /** What is on its way into the database, by run. */
  readonly #pending = new Map<LiveRun, number>();
  readonly #notices = new Set<NodeJS.Timeout>();
  #stopped = false;

  constructor(options: RemoteActivitiesOptions) {
    this.#options = options;
  }

  /** Offers the next attempt of an activity. */
  offer(run: LiveRun, activity: PendingActivity): void {
    run.place(activity.seq, 'task');
    const offer: Offer = { run, seq: activity.seq, task: this.#task(run, activity) };
    this.#coming.add(offer);
    this.#count(run, 1);
    this.#offers.add(offer);
  }

  /** Makes a task of an attempt that ran here and that a client will complete. */
  awaitCompletion(run: LiveRun, activity: PendingActivity, attempt: number, startedAt: Micros): void {
    run.place(activity.seq, 'task');
    const task = { ...this.#task(run, activity), attempt, startedAt };
    const coming: ComingTask = { run, seq: activity.seq };
    this.#coming.add(coming);
    const { database, fence, failPoint } = this.#options;
    void this.busyWith(run, async () => {
      await this.#until(run, 'an activity could not be left to a client', async () => {
        failPoint?.('before leaving');
        const result = await awaitCompletion(database, fence, task);
        failPoint?.('after leaving');
        return result !== false;
      });
      this.#coming.delete(coming);
    });
  }

  /** Ends the task of an activity, or has the attempt at work told. */
  cancel(run: LiveRun, seq: number): void {
    void this.busyWith(run, () => this.#cancel(run, seq));
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

  /** Whether anything of the run is on its way into the database. */
  busy(run: LiveRun): boolean {
    return this.#pending.has(run);
  }

  /** The run is closed: whoever executes something for it stops in vain. */
  closed(run: LiveRun): void {
    for (const activity of run.state.activities.values()) {
      if (run.placeOf(activity.seq) !== 'task') continue;
      dropTasks(this.#options.database, run.runId).catch((error: unknown) =>
        this.#options.logger.warn({ err: error }, 'tasks of a closed run were not dropped'),
      );
      return;
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#offers.close();
    this.#pending.clear();
    for (const timer of this.#notices) clearTimeout(timer);
  }

  #task(run: LiveRun, activity: PendingActivity): OfferedTask {
    const { namespace, taskQueue, clock } = this.#options;
    const key = queueKey(namespace, activity.options.queue ?? taskQueue);
    const queue = run.state.versioning === undefined ? key : prefixOf(effectiveVersioning(run.state.versioning)) + key;
    return offeredTask(run.runId, activity, { queue, now: clock.now() });
  }

  async send(batch: readonly Offer[]): Promise<readonly Offer[]> {
    const unsent = new Set(await this.#send(batch));
    for (const offer of batch) {
      if (unsent.has(offer)) continue;
      this.#coming.delete(offer);
      this.#count(offer.run, -1);
    }
    return [...unsent];
  }

  /** Returns those that are to be sent again. */
  async #send(batch: readonly Offer[]): Promise<readonly Offer[]> {
    const { database, fence, logger, failPoint } = this.#options;
    try {
      failPoint?.('before offer');
      const tasks = batch.map((offer) => offer.task);
      const owned = await offerTasks(database, fence, tasks);
      failPoint?.('after offer');
      if (owned === undefined) return []; // declared dead: the next owner offers them
      this.#tellAll(tasks.filter((task) => owned.has(task.runId)));
      const locked = batch.filter(({ run, task }) => !owned.has(task.runId) && run.phase !== 'gone');
      if (locked.length > 0) await pause(lockedMs);
      return locked;
    } catch (error) {
      if (this.#stopped) return [];
      if (isDataRefusal(error)) return this.#sendEach(batch, error);
      logger.warn({ err: error }, 'activities could not be offered, will try again');
      await pause(outageMs);
      return batch;
    }
  }

  /** One of them cannot be stored: the others are not to wait for it. Returns those that are to be sent again. */
  async #sendEach(batch: readonly Offer[], error: unknown): Promise<readonly Offer[]> {
    const [{ run, task }] = batch as [Offer];
    if (batch.length === 1) {
      const { workflowId, runId } = run.state;
      this.#options.logger.error(
        { err: error, workflowId, runId, activityType: task.type },
        'an activity cannot be offered',
      );
      if (run.phase !== 'gone') this.#options.refused(run, task.seq);
      return [];
    }
    const unsent: Offer[] = [];
    for (const offer of batch) unsent.push(...(await this.#send([offer])));
    return unsent;
  }

  #tellAll(tasks: readonly OfferedTask[]): void {
    const queues = new Map<string, number>();
    for (const { queue, dueAt } of tasks) queues.set(queue, Math.min(dueAt, queues.get(queue) ?? dueAt));
    for (const [queue, dueAt] of queues) this.tell(queue, dueAt);
  }

  /** Has the workers of a queue look for a task, when its time has come: in whichever of its places it is. */
  tell(queue: string, dueAt: Micros): void {
    if (queue.startsWith('@')) this.#tell(placedQueue(queue).key, dueAt);
    this.#tell(queue, dueAt);
  }

  #tell(queue: string, dueAt: Micros): void {
    const { clock, database } = this.#options;
    const delay = clock.delayMs(dueAt);
    if (delay === 0) database.notifier.task(queue);
    else if (delay <= noticeMsMax) this.#tellLater(queue, delay);
  }

  #tellLater(queue: string, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#notices.delete(timer);
      this.#options.database.notifier.task(queue);
    }, delayMs);
    this.#notices.add(timer);
  }

  async #cancel(run: LiveRun, seq: number): Promise<void> {
    const { database, fence, mailed } = this.#options;
    // What is on its way must stand before it can be withdrawn.
    while (this.#isComing(run, seq) && !this.#stopped) await pause(1);
    await this.#until(run, 'an activity could not be cancelled', async () => {
      const result = await cancelTasks(database, run.runId, [seq]);
      if (result === undefined) return false;
      announce(
        database,
        result.sent.filter((sent) => sent.owner !== fence.epoch),
      );
      if (result.sent.some((sent) => sent.owner === fence.epoch)) mailed([run.runId]);
      for (const { worker } of result.marked) if (worker !== null) database.notifier.attempts(worker);
      return true;
    });
  }

  #isComing(run: LiveRun, seq: number): boolean {
    for (const coming of this.#coming) if (coming.run === run && coming.seq === seq) return true;
    return false;
  }

  /** Tries until it is done, or the run is not ours any more. */
  async #until(run: LiveRun, failed: string, attempt: () => Promise<boolean>): Promise<void> {
    while (run.phase !== 'gone' && !this.#stopped) {
      try {
        if (await attempt()) return;
        await pause(lockedMs);
      } catch (error) {
        if (this.#stopped) return;
        this.#options.logger.warn({ err: error }, `${failed}, will try again`);
        await pause(outageMs);
      }
    }
  }

  #count(run: LiveRun, by: number): void {
    if (this.#stopped) return;
    const count = (this.#pending.get(run) ?? 0) + by;
    if (count > 0) this.#pending.set(run, count);
    else if (this.#pending.delete(run) && run.phase !== 'gone') this.#options.settled(run);
  }
}
