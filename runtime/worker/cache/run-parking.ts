// Which runs stay in memory: idle ones are let go after a while, or when others need the room. What a run waits for then
// stands in its ready row.
import { setTimeout } from 'node:timers/promises';
import { assert } from '../../core/failure/runtime-error.ts';
import type { Micros } from '../../core/log/event.ts';
import type { ParkedRun } from '../../store/ownership/claim.ts';
import { isOwnedBy } from '../../store/ownership/quarantine.ts';
import type { Database } from '../../store/sql/database.ts';
import type { ActivityDesk } from '../activities/activity-desk.ts';
import type { ProgressStore } from '../activities/progress-store.ts';
import type { DatabaseClock } from '../life/clock.ts';
import type { ControlSession } from '../life/control-session.ts';
import type { Life } from '../life/life.ts';
import type { OwnedRuns } from './owned-runs.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { homeQueue, type WorkerVersions } from '../versions/worker-versions.ts';

/** An idle run is kept in memory this long before it is let go. */
const stickyMs = 10_000;
/** A run that waits for a place in vain comes back after so long. */
const stalledMs = 3_000;
const lockedRetryMs = 10;
/** Stands for "nothing but a message will wake it"; the year 2255, the last that µs hold exactly. */
const never: Micros = 9_000_000_000_000_000;

export interface RunParkingOptions {
  readonly database: Database;
  readonly life: Life;
  /** The key of the task queue. */
  readonly queue: string;
  readonly runs: OwnedRuns;
  readonly activities: ActivityDesk;
  readonly clock: DatabaseClock;
  readonly maxCachedRuns: number;
  readonly control: ControlSession;
  readonly progress: ProgressStore;
  /** The run is no longer ours. */
  released(run: LiveRun): void;
  /** A sender holds the run's row, so it stays ours for now. */
  kept(run: LiveRun): void;
  /** It cannot be said when the run is due. */
  failed(run: LiveRun, error: unknown): void;
}

export class RunParking {
  readonly #options: RunParkingOptions;

  constructor(options: RunParkingOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#options.runs.size;
  }

  /**
   * How many more runs fit, counting those that could be let go. Runs whose activities are executed take no room: these may
   * wait for other runs, and there are no more of them than activities that may be executed at a time. Nor do those that
   * wait for places which such activities keep.
   */
  get room(): number {
    const { runs, maxCachedRuns, activities } = this.#options;
    const free = Math.max(1, maxCachedRuns) - runs.size;
    if (free > 0) return free;
    let more = 0;
    for (const run of runs) {
      if (activities.executes(run) || this.#evictable(run) || this.#stalled(run)) more++;
    }
    return Math.max(0, free + more);
  }

  /** Lets go of runs that have been idle for long, and of the longest idle ones beyond the limit. */
  async evict(): Promise<void> {
    const { runs, maxCachedRuns } = this.#options;
    if (runs.size === 0) return;
    const idle = [...runs].filter((run) => this.#evictable(run)).sort((a, b) => a.idleSince - b.idleSince);
    const surplus = runs.size - maxCachedRuns;
    const old = performance.now() - stickyMs;
    await this.park(idle.filter((run, i) => i < surplus || run.idleSince < old || run.isLeaving));
    await this.#evictStalled();
  }

  /** The longest first; whatever waits in the database has its turn before they come back. */
  async #evictStalled(): Promise<void> {
    const { runs, maxCachedRuns, activities } = this.#options;
    let surplus = runs.size - Math.max(1, maxCachedRuns);
    if (surplus <= 0) return;
    const stalled = [...runs].filter((run) => this.#stalled(run)).sort((a, b) => a.idleSince - b.idleSince);
    for (const run of runs) if (activities.executes(run)) surplus--;
    await this.park(stalled.slice(0, Math.max(0, surplus)), { afterMs: stalledMs });
  }

  /** Lets go of everything that comes to rest; for a worker that stops. Resolves when no run is left. */
  async release(): Promise<void> {
    const { runs, activities } = this.#options;
    while (runs.size > 0) {
      // What is on its way for a run must arrive first: once the run is let go, nobody would know of it.
      const settled = [...runs].filter((run) => run.settled && !activities.isSending(run));
      for (const run of settled) activities.abandon(run, 'WORKER_SHUTDOWN');
      await this.park(settled, { afterMs: 0 });
      if (runs.size > 0) await setTimeout(2);
    }
  }

  /** Lets go of a run as soon as it rests; it stays when it has activities at work here. */
  async letGo(run: LiveRun): Promise<void> {
    if (this.#evictable(run)) await this.park([run]);
  }

  /** `afterMs`: when runs with pending activities are due again, here or elsewhere; without it, when these say. */
  async park(runs: readonly LiveRun[], { afterMs }: { readonly afterMs?: number } = {}): Promise<void> {
    if (runs.length === 0) return;
    const { activities, clock, released, kept } = this.#options;
    for (const run of runs) {
      run.phase = 'parking';
      activities.abandon(run, 'WORKER_SHUTDOWN');
    }
    const at = clock.now();
    const rows: ParkedRun[] = [];
    for (const run of runs) {
      try {
        rows.push(this.#parked(run, this.#wakeAt(run, at, afterMs)));
      } catch (error) {
        this.#options.failed(run, error);
      }
    }
    let parked = new Set<string>();
    try {
      parked = new Set(await this.#park(rows));
    } finally {
      for (const run of runs) {
        if (parked.has(run.runId)) released(run);
        else if (run.phase === 'parking') kept(run);
      }
    }
  }

  /** Sends a run on that other workers are to have, due at once. */
  async sendOn(run: LiveRun): Promise<void> {
    await this.#return(run, this.#parked(run, this.#options.clock.now()));
  }

  /** Gives a run back to where it was claimed. */
  async giveBack(run: LiveRun, wakeAt: Micros): Promise<void> {
    await this.#return(run, { runKey: run.runKey, mail: run.mailRead, wakeAt });
  }

  /** As it was when it was claimed. */
  async #return(run: LiveRun, row: ParkedRun): Promise<void> {
    run.phase = 'parking';
    const { released, database, life } = this.#options;
    while (run.phase === 'parking') {
      const [done] = await this.#park([{ ...row, lost: run.lost }]);
      if (done !== undefined || !(await isOwnedBy(database, run.runId, life.epoch))) return released(run);
      await setTimeout(lockedRetryMs); // a sender has locked its row
    }
  }

  /** Another version is current: lets go of the runs that are to have it, now or when they next rest. */
  async letGoMoving(versions: WorkerVersions): Promise<void> {
    const { runs } = this.#options;
    for (const run of runs) if (run.phase !== 'loading' && versions.movesOn(run)) run.isLeaving = true;
    await this.park([...runs].filter((run) => run.isLeaving && this.#evictable(run)));
  }

  /** What is on its way to the database about the activities of the runs arrives first: their next owner is to find it. */
  async #park(rows: readonly ParkedRun[]): Promise<string[]> {
    const { progress, control, clock } = this.#options;
    await progress.settled();
    return control.park(rows, () => clock.now());
  }

  #parked(run: LiveRun, wakeAt: Micros): ParkedRun {
    assert(Number.isSafeInteger(wakeAt), `run ${run.runId} would be due at ${wakeAt}`);
    const parked = { runKey: run.runKey, mail: run.mailRead, wakeAt };
    const queue = homeQueue(run, this.#options.queue);
    return queue === undefined ? parked : { ...parked, queue };
  }

  #wakeAt(run: LiveRun, at: Micros, afterMs: number | undefined): Micros {
    if (afterMs !== undefined && run.activitiesHere().length > 0) return at + afterMs * 1000;
    const next = run.nextWake();
    return next === undefined ? never : Math.min(Math.max(next, at), never);
  }

  /** It waits for a place alone, and those who have the places have kept them for long. */
  #stalled(run: LiveRun): boolean {
    return run.settled && run.sending === 0 && this.#options.activities.isStalled(run, stalledMs);
  }

  /** One whose timer is about to fire stays: let go, it would be claimed again at once, and so for ever. */
  #evictable(run: LiveRun): boolean {
    if (!run.settled || run.sending > 0 || this.#options.activities.busy(run)) return false;
    const now = this.#options.clock.now();
    if (run.state.chain?.deadline !== undefined && run.state.chain.deadline <= now) return false;
    for (const due of run.state.timers.values()) if (due <= now) return false;
    return true;
  }
}
