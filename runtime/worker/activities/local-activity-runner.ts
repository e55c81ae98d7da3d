// Executes activities of the runs that this worker owns, as many at the same time as there are slots. LocalActivity
// makes all decisions about a single activity.
import type { CancelReason } from '../../core/activity/cancellation-details.ts';
import type { PendingActivity } from '../../core/activity/pending-activity.ts';
import { workerLost } from '../../core/run/worker-lost.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { ActivitySlots, SlotQueue } from './activity-slots.ts';
import type { ActivityWorker } from './activity-worker.ts';
import { LocalActivities, LocalActivity, type LocalParts } from './local-activity.ts';
import type { RemoteActivities } from './remote-activities.ts';
import type { RunningAttempts } from './running-attempts.ts';

export class LocalActivityRunner {
  readonly #parts: LocalParts;
  readonly #activities = new LocalActivities();
  readonly #queue: SlotQueue;
  readonly #localQueue: SlotQueue;

  constructor(worker: ActivityWorker, remote: RemoteActivities, running: RunningAttempts, slots: ActivitySlots) {
    this.#parts = { worker, remote, running, activities: this.#activities };
    this.#queue = new SlotQueue(slots);
    this.#localQueue = new SlotQueue(new ActivitySlots(worker.maxConcurrentLocal));
  }

  /**
   * Accepts an activity whose ActivityScheduled is durable. `progress`: what the previous attempt reported, encoded.
   */
  start(run: LiveRun, pending: PendingActivity, progress?: Uint8Array): void {
    const queue = pending.options.local === true ? this.#localQueue : this.#queue;
    const activity = new LocalActivity(run, pending, queue, this.#parts, progress);
    this.#activities.add(activity);
    activity.start();
  }

  /** Undefined once the activity has an outcome. */
  get(run: LiveRun, seq: number): LocalActivity | undefined {
    return this.#activities.get(run, seq);
  }

  /** Forgets a run's activities: tells running attempts to stop and ignores their outcomes. */
  abandon(run: LiveRun, reason: CancelReason): void {
    for (const activity of this.#activities.of(run)) activity.leave(reason);
  }

  /** The run is paused: attempts that run go on, and no other attempt begins. */
  pause(run: LiveRun): void {
    for (const activity of this.#activities.of(run)) if (!activity.isRunning) activity.leave();
  }

  /** Whether an activity of the run is running or waits for a slot. */
  busy(run: LiveRun): boolean {
    for (const activity of this.#activities.of(run)) if (activity.isRunning || activity.isQueued) return true;
    return false;
  }

  executes(run: LiveRun): boolean {
    for (const { isRunning } of this.#activities.of(run)) if (isRunning) return true;
    return false;
  }

  /** Whether the run's activities only wait for slots, and no slot has become free for `ms`. */
  isStalled(run: LiveRun, ms: number): boolean {
    let stalled = false;
    for (const activity of this.#activities.of(run)) {
      if (activity.isRunning || (activity.isQueued && !activity.isStalled(ms))) return false;
      stalled ||= activity.isQueued;
    }
    return stalled;
  }

  /** Starts no more attempts. */
  stopStarting(): void {
    this.#queue.stop();
    this.#localQueue.stop();
  }

  /** Gives up attempts that stopped for the shutdown or ignored it, so that the runs' next owners start them again. */
  loseRunning(): void {
    const { life, inputs } = this.#parts.worker;
    // The effect of an `unsafe` attempt is unknown, so a person must decide about it.
    const lost = this.#activities.all().filter(({ isRunning, activity }) => isRunning && activity.startedAttempt === 0);
    for (const [run, activities] of Map.groupBy(lost, ({ liveRun }) => liveRun)) {
      for (const activity of activities) activity.leave('WORKER_SHUTDOWN');
      const seqs = activities.map(({ activity }) => activity.seq);
      inputs.add(run, workerLost(life.epoch, seqs, `worker ${life.epoch} shut down`));
    }
  }

  /** Stops everything at once, because this incarnation must not act any longer. */
  stop(): void {
    this.stopStarting();
    for (const activity of this.#activities.all()) activity.leave('LEASE_LOST');
  }
}
