// Which runs stay in memory. The only place that decides whether a run may leave, and that lets it go: idle runs leave
// after a while, or when others need the room. Their ready rows then say what they wait for.
import { setTimeout } from 'node:timers/promises';
import type { Micros } from '../../core/log/event.ts';
import type { ParkedRun } from '../../store/ownership/claim.ts';
import { isOwnedBy } from '../../store/ownership/quarantine.ts';
import type { ActivityDispatcher } from '../activities/activity-dispatcher.ts';
import type { LiveRun } from '../turns/live-run.ts';
import type { WorkerVersions } from '../versions/worker-versions.ts';
import { placementAt, placementOf } from './placement.ts';
import type { RunTimers } from './run-timers.ts';
import type { RunWorker } from '../life/run-worker.ts';

/** An idle run is kept in memory this long before it leaves. */
const stickyMs = 10_000;
/** A run that only waits for a slot comes back after so long. */
const stalledMs = 3_000;
const lockedRetryMs = 10;

export class RunCache {
  readonly #worker: RunWorker;
  readonly #activities: ActivityDispatcher;
  readonly #timers: RunTimers;

  constructor(worker: RunWorker, activities: ActivityDispatcher, timers: RunTimers) {
    this.#worker = worker;
    this.#activities = activities;
    this.#timers = timers;
  }

  get size(): number {
    return this.#worker.runs.size;
  }

  /** Whether a run leaves memory as soon as it rests. */
  get isDisabled(): boolean {
    return this.#worker.maxCachedRuns === 0;
  }

  /**
   * How many more runs fit, counting those that could leave. Runs whose activities are executed here take no room: they may
   * wait for other runs, and are limited by the slots. Nor do runs that only wait for a slot.
   */
  get room(): number {
    const { runs, maxCachedRuns, takesRuns } = this.#worker;
    if (!takesRuns) return 0;
    const free = Math.max(1, maxCachedRuns) - runs.size;
    if (free > 0) return free;
    let more = 0;
    for (const run of runs) if (this.#activities.executes(run) || this.#mayEvict(run) || this.#isStalled(run)) more++;
    return Math.max(0, free + more);
  }

  /** The run has nothing on its way: it goes on with what came meanwhile, or is idle. */
  rest(run: LiveRun): void {
    const { inputs } = this.#worker;
    run.moveTo('idle');
    run.idleSince = performance.now();
    if (run.queue.length > 0 || inputs.hasFault(run)) inputs.wake(run);
  }

  /** Lets runs leave that have been idle for long, and the longest idle ones beyond the limit. */
  async evict(): Promise<void> {
    const { runs, maxCachedRuns } = this.#worker;
    if (runs.size === 0) return;
    const idle = longestIdleFirst([...runs].filter((run) => this.#mayEvict(run)));
    const surplus = runs.size - maxCachedRuns;
    const old = performance.now() - stickyMs;
    await this.#release(idle.filter((run, i) => i < surplus || run.idleSince < old || run.isLeaving));
    await this.#evictStalled();
  }

  /** What waits in the database has its turn before these come back. */
  async #evictStalled(): Promise<void> {
    const { runs, maxCachedRuns } = this.#worker;
    let surplus = runs.size - Math.max(1, maxCachedRuns);
    if (surplus <= 0) return;
    const stalled = longestIdleFirst([...runs].filter((run) => this.#isStalled(run)));
    for (const run of runs) if (this.#activities.executes(run)) surplus--;
    await this.#release(stalled.slice(0, Math.max(0, surplus)), stalledMs);
  }

  /** Lets every run leave as it comes to rest, because the worker stops. Resolves when none is left. */
  async releaseAll(): Promise<void> {
    const { runs } = this.#worker;
    while (runs.size > 0) {
      // What is on its way for a run must arrive first: once the run has left, nobody would know of it.
      await this.#release(
        [...runs].filter((run) => run.settled && !this.#activities.isSending(run)),
        0,
      );
      if (runs.size > 0) await setTimeout(2);
    }
  }

  /** Lets the run leave if it may. If not, it stays until runs are evicted or the worker stops. */
  release(run: LiveRun): void {
    if (!this.#mayEvict(run)) return;
    this.#release([run]).catch((error: unknown) =>
      this.#worker.life.warn('a run could not be released', error, { runId: run.runId }),
    );
  }

  /** Another version is current: the runs that are to have it leave, now or when they next rest. */
  async releaseMoving(versions: WorkerVersions): Promise<void> {
    const { runs } = this.#worker;
    for (const run of runs) if (run.phase !== 'loading' && versions.movesOn(run)) run.isLeaving = true;
    await this.#release([...runs].filter((run) => run.isLeaving && this.#mayEvict(run)));
  }

  /** Sends a run on that workers of another version are to have, due at once. */
  sendOn(run: LiveRun): Promise<void> {
    return this.#giveBack(run, placementAt(run, this.#worker.queue, this.#worker.clock.now()));
  }

  /** Gives a run back to where it was claimed, due at `wakeAt`. */
  giveBack(run: LiveRun, wakeAt: Micros): Promise<void> {
    return this.#giveBack(run, { runKey: run.runKey, mail: run.mailRead, wakeAt });
  }

  /** The run is closed or belongs to others: nothing of it stays here. */
  forget(run: LiveRun): void {
    if (run.phase === 'gone') return;
    const { inputs, runs } = this.#worker;
    run.moveTo('gone');
    inputs.forget(run);
    runs.delete(run);
    this.#timers.clear(run);
    this.#activities.abandon(run, 'NOT_FOUND');
    run.dropSandbox();
  }

  /** The incarnation is over: nothing is owned any more. */
  stop(): void {
    for (const run of [...this.#worker.runs]) this.forget(run);
  }

  /** `afterMs`: when runs with activities for this worker are due again; by default, when these say. */
  async #release(runs: readonly LiveRun[], afterMs?: number): Promise<void> {
    if (runs.length === 0) return;
    const { clock, inputs, queue } = this.#worker;
    const now = clock.now();
    const rows: ParkedRun[] = [];
    const leaving: LiveRun[] = [];
    for (const run of runs) {
      try {
        rows.push(placementOf(run, queue, now, afterMs));
      } catch (error) {
        inputs.fail(run, error);
        continue;
      }
      leaving.push(run);
      run.moveTo('releasing');
      this.#activities.abandon(run, 'WORKER_SHUTDOWN');
    }
    let released = new Set<string>();
    try {
      released = new Set(await this.#park(rows));
    } finally {
      for (const run of leaving) {
        if (released.has(run.runId)) this.forget(run);
        else if (run.phase === 'releasing') this.#stay(run);
      }
    }
  }

  /** A sender holds the run's row, so the run stays for now. */
  #stay(run: LiveRun): void {
    const { inputs } = this.#worker;
    this.rest(run);
    if (inputs.hasFault(run)) return;
    try {
      this.#activities.startAll(run);
    } catch (error) {
      inputs.fail(run, error);
    }
  }

  async #giveBack(run: LiveRun, row: ParkedRun): Promise<void> {
    const { database, life } = this.#worker;
    if (run.phase !== 'releasing') run.moveTo('releasing');
    while (run.phase === 'releasing') {
      const [done] = await this.#park([{ ...row, lost: run.lost }]);
      if (done !== undefined || !(await isOwnedBy(database, run.runId, life.epoch))) return this.forget(run);
      await setTimeout(lockedRetryMs); // a sender has locked its row
    }
  }

  /** Progress that is on its way to the database arrives first: the next owner of the runs is to find it. */
  async #park(rows: readonly ParkedRun[]): Promise<string[]> {
    const { progress, control, clock } = this.#worker;
    await progress.settled();
    return control.park(rows, () => clock.now());
  }

  /** Whether a run only waits for a slot, and the slots have been taken for long. */
  #isStalled(run: LiveRun): boolean {
    return run.settled && run.sending === 0 && this.#activities.isStalled(run, stalledMs);
  }

  /** Whether a run may leave. One whose timer is about to fire stays: it would be claimed again at once, and so for ever. */
  #mayEvict(run: LiveRun): boolean {
    const { clock } = this.#worker;
    if (!run.settled || run.sending > 0 || this.#activities.busy(run)) return false;
    const now = clock.now();
    const { chain, timers } = run.state;
    if (chain?.deadline !== undefined && chain.deadline <= now) return false;
    for (const due of timers.values()) if (due <= now) return false;
    return true;
  }
}

function longestIdleFirst(runs: LiveRun[]): LiveRun[] {
  return runs.sort((a, b) => a.idleSince - b.idleSince);
}
