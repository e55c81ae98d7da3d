// Decides which runs stay in memory, and evicts the others. Idle runs leave after a while, or earlier when other runs
// need the room. Their rows in `ready` then say what they wait for. No other part lets a run leave memory.
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

/** An idle run stays in memory for this long. */
const stickyMs = 10_000;
/**
 * A run that only waits for a slot is evicted when no slot has moved for this long, and is due again after the same
 * time.
 */
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

  /** Whether runs leave memory as soon as they are idle. */
  get isDisabled(): boolean {
    return this.#worker.maxCachedRuns === 0;
  }

  /**
   * How many more runs fit, counting runs that could leave. Runs whose activities are executed here do not count,
   * because they may wait for other runs and the slots already limit their number. Runs that only wait for a slot do
   * not count either.
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

  /** Nothing of the run is under way: it becomes idle, or continues with inputs that arrived meanwhile. */
  rest(run: LiveRun): void {
    const { inputs } = this.#worker;
    run.moveTo('idle');
    run.idleSince = performance.now();
    if (run.queue.length > 0 || inputs.hasFault(run)) inputs.wake(run);
  }

  /** Evicts runs that have been idle for long, and the longest idle runs above the limit. */
  async evict(): Promise<void> {
    const { runs, maxCachedRuns } = this.#worker;
    if (runs.size === 0) return;
    const idle = longestIdleFirst([...runs].filter((run) => this.#mayEvict(run)));
    const surplus = runs.size - maxCachedRuns;
    const old = performance.now() - stickyMs;
    await this.#release(idle.filter((run, i) => i < surplus || run.idleSince < old || run.isLeaving));
    await this.#evictStalled();
  }

  /** Evicts runs that only wait for a slot. Runs that wait in the database can run before these come back. */
  async #evictStalled(): Promise<void> {
    const { runs, maxCachedRuns } = this.#worker;
    let surplus = runs.size - Math.max(1, maxCachedRuns);
    if (surplus <= 0) return;
    const stalled = longestIdleFirst([...runs].filter((run) => this.#isStalled(run)));
    for (const run of runs) if (this.#activities.executes(run)) surplus--;
    await this.#release(stalled.slice(0, Math.max(0, surplus)), stalledMs);
  }

  /** Releases every run when it becomes idle, because the worker stops. Resolves when no run is left. */
  async releaseAll(): Promise<void> {
    const { runs } = this.#worker;
    while (runs.size > 0) {
      // Writes for a run must finish before the run leaves, because afterwards no part would know of their results.
      await this.#release(
        [...runs].filter((run) => run.settled && !this.#activities.isSending(run)),
        0,
      );
      if (runs.size > 0) await setTimeout(2);
    }
  }

  /** Releases the run if it may leave. Otherwise the run stays until the next eviction, or until the worker stops. */
  release(run: LiveRun): void {
    if (!this.#mayEvict(run)) return;
    this.#release([run]).catch((error: unknown) =>
      this.#worker.life.warn('a run could not be released', error, { runId: run.runId }),
    );
  }

  /**
   * Called when another version became current: releases the runs that move to another version, now or when they are
   * idle.
   */
  async releaseMoving(versions: WorkerVersions): Promise<void> {
    const { runs } = this.#worker;
    for (const run of runs) if (run.phase !== 'loading' && versions.movesOn(run)) run.isLeaving = true;
    await this.#release([...runs].filter((run) => run.isLeaving && this.#mayEvict(run)));
  }

  /** Gives a run to workers of another version, due at once. */
  sendOn(run: LiveRun): Promise<void> {
    return this.#giveBack(run, placementAt(run, this.#worker.queue, this.#worker.clock.now()));
  }

  /** Returns a run to the queue that it was claimed from, due at `wakeAt`. */
  giveBack(run: LiveRun, wakeAt: Micros): Promise<void> {
    return this.#giveBack(run, { runKey: run.runKey, mail: run.mailRead, wakeAt });
  }

  /** Removes a run that is closed or belongs to another worker. */
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

  /** Called when the incarnation is over: it owns no runs. */
  stop(): void {
    for (const run of [...this.#worker.runs]) this.forget(run);
  }

  /**
   * `afterMs`: when runs that have activities for this worker are due again. Default: when their next timer or retry is
   * due.
   */
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

  /** A sender holds the run's row, so the run stays in memory for now. */
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
      await setTimeout(lockedRetryMs); // a sender has locked the run's row
    }
  }

  /** Waits until all progress is in the database, so that the runs' next owner finds it. */
  async #park(rows: readonly ParkedRun[]): Promise<string[]> {
    const { progress, control, clock } = this.#worker;
    await progress.settled();
    return control.park(rows, () => clock.now());
  }

  /** Whether a run only waits for a slot, and no slot has become free for `stalledMs`. */
  #isStalled(run: LiveRun): boolean {
    return run.settled && run.sending === 0 && this.#activities.isStalled(run, stalledMs);
  }

  /**
   * Whether a run may leave. A run with a due timer stays, unless it is paused: after a release it would be claimed again at once,
   * endlessly.
   */
  #mayEvict(run: LiveRun): boolean {
    const { clock } = this.#worker;
    if (!run.settled || run.sending > 0 || run.replay !== undefined || this.#activities.busy(run)) return false;
    const now = clock.now();
    const { chain, timers, paused } = run.state;
    if (chain?.deadline !== undefined && chain.deadline <= now) return false;
    if (paused === undefined) for (const due of timers.values()) if (due <= now) return false;
    return true;
  }
}

function longestIdleFirst(runs: LiveRun[]): LiveRun[] {
  return runs.sort((a, b) => a.idleSince - b.idleSince);
}
