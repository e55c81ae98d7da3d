// Whatever goes wrong with one run concerns that run alone: it is taken out of this worker's memory, recorded, and given
// back with a back-off, so that this or a newer worker tries again. Only a lost fence ends the incarnation. It never
// writes to the run's log.
import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import type { Micros } from '../../core/log/event.ts';
import { quarantineCause, quarantineDelayMs } from '../../core/run/quarantine-info.ts';
import { leaveQuarantine, putIntoQuarantine } from '../../store/ownership/quarantine.ts';
import type { Database } from '../../store/sql/database.ts';
import { isHistoryConflict } from '../../store/sql/sqlstate.ts';
import type { ActivityDesk } from '../activities/activity-desk.ts';
import type { CodeReloader } from '../cache/code-reloader.ts';
import type { RunParking } from '../cache/run-parking.ts';
import type { RunTimers } from '../cache/run-timers.ts';
import type { Input } from '../../core/run/input.ts';
import type { LiveRun } from '../turns/live-run.ts';
import type { DatabaseClock } from './clock.ts';
import type { Life } from './life.ts';

export interface QuarantineOptions {
  readonly database: Database;
  readonly life: Life;
  readonly clock: DatabaseClock;
  readonly logger: Logger;
  readonly activities: ActivityDesk;
  readonly parking: RunParking;
  readonly reloader: CodeReloader;
  readonly timers: RunTimers;
}

/** How often it is looked whether a run has come to rest. */
const restMs = 20;
const outageMs = 1_000;

export class Quarantine {
  readonly #options: QuarantineOptions;
  /** Failures in a row of runs in memory that were in quarantine when they were claimed, or are to go there. */
  readonly #failures = new Map<LiveRun, number>();

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  /** A run was claimed that failed so many times in a row. */
  claimed(run: LiveRun, failures: number): void {
    this.#failures.set(run, failures);
  }

  /** The run goes on: it was loaded and has nothing to do, or a turn of it is durable. */
  passed(run: LiveRun): void {
    if (!this.#failures.delete(run)) return;
    const { database, logger } = this.#options;
    logger.info({ runId: run.runId, workflowId: run.state.workflowId }, 'run left quarantine');
    leaveQuarantine(database, run.runId).catch((error: unknown) =>
      logger.warn({ err: error, runId: run.runId }, 'the record of a quarantine could not be deleted'),
    );
  }

  forget(run: LiveRun): void {
    this.#failures.delete(run);
  }

  /** Does work of one run: whatever fails in it is that run's own. `inputs` as for `take`. */
  async guard(run: LiveRun, work: () => Promise<void> | void, inputs?: readonly Input[]): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.take(run, error, inputs);
    }
  }

  /** The same for work that waits for nothing. Undefined when it failed. */
  attempt<T>(run: LiveRun, work: () => T, inputs?: readonly Input[]): T | undefined {
    try {
      return work();
    } catch (error) {
      this.take(run, error, inputs);
      return undefined;
    }
  }

  /**
   * Takes a run that cannot go on in this process, and gives it back. What happened to it and is not in its log yet
   * (`inputs`, then its queue) is appended if that is possible, and attempts at work are waited for: else activities would
   * be executed again. No turn of the run may be on its way into the log.
   */
  take(run: LiveRun, error: unknown, inputs: readonly Input[] = []): void {
    if (run.phase === 'gone' || run.phase === 'quarantined') return;
    run.queue.unshift(...inputs);
    if (error instanceof RuntimeError && error.code === 'LEASE_LOST') return this.#options.life.end(error);
    run.phase = 'quarantined';
    run.isLeaving = true;
    run.dropSandbox();
    this.#options.timers.clear(run);
    void this.#giveBack(run, error);
  }

  /** A run cannot read its mail. It goes on with the activities that it has at work, and is given back when it rests. */
  leaveUnread(run: LiveRun, error: unknown): void {
    if (run.isMailUnreadable || run.phase === 'gone' || run.phase === 'quarantined') return;
    run.isMailUnreadable = true;
    run.isLeaving = true;
    const { parking, logger } = this.#options;
    this.#record(run, error)
      .then(() => parking.letGo(run))
      .catch((cause: unknown) =>
        logger.warn({ err: cause, runId: run.runId }, 'a run could not be let go, will try again'),
      );
  }

  async #giveBack(run: LiveRun, error: unknown): Promise<void> {
    const { activities, reloader, parking, logger } = this.#options;
    const nextTry = await this.#record(run, error);
    for (;;) {
      reloader.rescue(run);
      const isResting = run.deferring === undefined && !activities.executes(run) && !activities.isSending(run);
      if (isGone(run) || isResting) break;
      await setTimeout(restMs);
    }
    while (!isGone(run)) {
      try {
        await parking.giveBack(run, nextTry);
      } catch (cause) {
        if (isGone(run)) return;
        logger.warn({ err: cause, runId: run.runId }, 'a run in quarantine could not be given back, will try again');
        await setTimeout(outageMs);
      }
    }
  }

  async #record(run: LiveRun, error: unknown): Promise<Micros> {
    const { database, life, clock, logger } = this.#options;
    const { epoch } = life;
    const { runId, workflowId } = run.state;
    const attempts = (this.#failures.get(run) ?? 0) + 1;
    this.#failures.set(run, attempts);
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

/** An append has found fewer messages than its turns came from. */
export function messagesGone({ runId }: LiveRun): RuntimeError {
  const text =
    'Messages were deleted by somebody else than the owner of their run: of this run, or of another one whose turn was ' +
    'appended with it.';
  return new RuntimeError('ASSERTION_FAILED', text, { runId });
}
