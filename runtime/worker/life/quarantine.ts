// A failure that concerns one run affects only that run. The run leaves this worker's memory, the failure is recorded,
// and the run is given back with a back-off, so that this worker or a newer one tries again. Only a lost fence ends the
// incarnation. Never writes to the run's log.
import { setTimeout } from 'node:timers/promises';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import type { Micros } from '../../core/log/event.ts';
import { quarantineCause, quarantineDelayMs } from '../../core/run/quarantine-info.ts';
import { leaveQuarantine, putIntoQuarantine } from '../../store/ownership/quarantine.ts';
import { isHistoryConflict } from '../../store/sql/sqlstate.ts';
import type { ActivityDispatcher } from '../activities/activity-dispatcher.ts';
import type { CodeReloader } from '../cache/code-reloader.ts';
import type { RunCache } from '../cache/run-cache.ts';
import type { RunTimers } from '../cache/run-timers.ts';
import type { Input } from '../../core/run/input.ts';
import type { LiveRun } from '../turns/live-run.ts';
import type { RunWorker } from './run-worker.ts';

/** Interval of checks whether a run has come to rest. */
const restMs = 20;
const outageMs = 1_000;

export class Quarantine {
  readonly #worker: RunWorker;
  readonly #activities: ActivityDispatcher;
  readonly #cache: RunCache;
  readonly #timers: RunTimers;
  readonly #reloader: CodeReloader;

  constructor(
    worker: RunWorker,
    activities: ActivityDispatcher,
    cache: RunCache,
    timers: RunTimers,
    reloader: CodeReloader,
  ) {
    this.#worker = worker;
    this.#activities = activities;
    this.#cache = cache;
    this.#timers = timers;
    this.#reloader = reloader;
  }

  /** The run works: it was loaded and has nothing to do, or one of its turns is durable. */
  passed(run: LiveRun): void {
    if (run.failures === 0) return;
    run.failures = 0;
    const { database, logger } = this.#worker;
    logger.info({ runId: run.runId, workflowId: run.state.workflowId }, 'run left quarantine');
    leaveQuarantine(database, run.runId).catch((error: unknown) =>
      logger.warn({ err: error, runId: run.runId }, 'the record of a quarantine could not be deleted'),
    );
  }

  /** Does work for one run and puts the run into quarantine if the work fails. `inputs` as for `take`. */
  async guard(run: LiveRun, work: () => Promise<void>, inputs?: readonly Input[]): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.take(run, error, inputs);
    }
  }

  /**
   * Puts a run that cannot continue in this process into quarantine and gives it back. If possible, first appends
   * inputs that are not in its log yet (`inputs`, then its queue) and waits for running attempts, because otherwise
   * their activities would be executed again. The caller must ensure that no turn of the run is being appended.
   */
  take(run: LiveRun, error: unknown, inputs: readonly Input[] = []): void {
    if (run.phase === 'gone' || run.phase === 'quarantined') return;
    run.queue.unshift(...inputs);
    if (error instanceof RuntimeError && error.code === 'LEASE_LOST') return this.#worker.life.end(error);
    run.moveTo('quarantined');
    run.isLeaving = true;
    run.dropSandbox();
    this.#timers.clear(run);
    void this.#giveBack(run, error);
  }

  /** Lets a run whose mail cannot be read continue with its running activities, and gives it back when it is idle. */
  async leaveUnread(run: LiveRun, error: unknown): Promise<void> {
    if (run.phase === 'gone' || run.phase === 'quarantined') return;
    await this.#record(run, error);
    this.#cache.release(run);
  }

  async #giveBack(run: LiveRun, error: unknown): Promise<void> {
    const nextTry = await this.#record(run, error);
    for (;;) {
      this.#reloader.rescue(run);
      this.#activities.keepResults(run);
      const rests =
        run.appendingDuringReload === undefined && !this.#activities.executes(run) && !this.#activities.isSending(run);
      if (isGone(run) || rests) break;
      await setTimeout(restMs);
    }
    while (!isGone(run)) {
      try {
        await this.#cache.giveBack(run, nextTry);
      } catch (cause) {
        if (isGone(run)) return;
        this.#worker.life.warn('a run in quarantine could not be given back', cause, { runId: run.runId });
        await setTimeout(outageMs);
      }
    }
  }

  async #record(run: LiveRun, error: unknown): Promise<Micros> {
    const { database, life, clock, logger } = this.#worker;
    const { epoch } = life;
    const { runId, workflowId } = run.state;
    const attempts = ++run.failures;
    const nextTry = clock.now() + quarantineDelayMs(attempts) * 1000;
    const { cause, message } = quarantineCause(isHistoryConflict(error) ? conflict(run, error) : error);
    const told = { runId, workflowId, code: 'RUN_QUARANTINED', cause, attempt: attempts, err: error };
    logger.error({ ...told, nextTry: new Date(nextTry / 1000) }, 'run quarantined');
    try {
      await putIntoQuarantine(database, { runId, nextTry, attempts, cause, message, epoch, owner: epoch });
    } catch (failure) {
      if (!isGone(run)) logger.warn({ err: failure, runId }, 'a quarantine could not be recorded');
    }
    return nextTry;
  }
}

function isGone(run: LiveRun): boolean {
  return run.phase === 'gone';
}

function conflict({ runId }: LiveRun, cause: unknown): RuntimeError {
  const text = `Another writer appended to run ${runId} while this worker owned it: ${String(cause)}`;
  return new RuntimeError('HISTORY_CONFLICT', text, { runId, cause });
}

/** The error for an append that deleted fewer messages than its turns had consumed. */
export function messagesGone({ runId }: LiveRun): RuntimeError {
  const text =
    'Messages were deleted by somebody else than the owner of their run: of this run, or of another one whose turn was ' +
    'appended with it.';
  return new RuntimeError('ASSERTION_FAILED', text, { runId });
}
