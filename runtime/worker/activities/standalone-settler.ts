// Settles standalone activities that were started, have an outcome, or must be cancelled. Any worker that executes
// activities of the queue may settle one, in a short transaction. Keeps no state in memory and executes nothing.
import type { OfferedTask } from '../../core/activity/offered-task.ts';
import { isQueueOfActivities } from '../../core/activity/standalone.ts';
import { quarantineCause, quarantineDelayMs } from '../../core/run/quarantine-info.ts';
import { type Looker, Poller } from '../../flow/poller.ts';
import { isFaultOfRun, putIntoQuarantine, readQuarantine } from '../../store/ownership/quarantine.ts';
import { announceOutcomes, type SentOutcome } from '../../store/activities/activity-outcomes.ts';
import {
  dueStandalone,
  forsakenStandalone,
  settleStandalone,
  tellSettled,
} from '../../store/activities/standalone-run.ts';
import type { ActivityWorker } from './activity-worker.ts';
import type { TaskNotices } from './task-notices.ts';
import { settle } from '../../core/activity/standalone-turn.ts';
import { sha256 } from '../../store/codec/sha256.ts';

const dueMax = 100;
const atOnce = 4;
/** Interval of looks for activities that other workers should have settled, and how long those workers have for it. */
const forsakenMs = 10_000;

export class StandaloneSettler implements Looker {
  readonly #worker: ActivityWorker;
  readonly #notices: TaskNotices;
  readonly #poller = new Poller(this);
  #nextSweep = performance.now() + forsakenMs;
  #stopped = false;

  constructor(worker: ActivityWorker, notices: TaskNotices) {
    this.#worker = worker;
    this.#notices = notices;
  }

  /** Looks for activities that need settling. */
  poke(): void {
    this.#poller.nudge();
  }

  /** Notifies the owners of runs about outcomes. Standalone activities have no owner, so this settles them at once. */
  deliver(outcomes: readonly SentOutcome[]): void {
    const { standalone = [], owned = [] } = Object.groupBy(outcomes, ({ queue }) =>
      isQueueOfActivities(queue) ? 'standalone' : 'owned',
    );
    announceOutcomes(this.#worker.database, owned);
    if (standalone.length > 0) void this.settle(standalone.map(({ runId }) => runId));
  }

  /**
   * Settles these runs, whatever their queues are. If that fails, a worker of the run's queue finds the run at its next
   * look.
   */
  async settle(runIds: readonly string[]): Promise<void> {
    const rest = [...runIds];
    const worker = async (): Promise<void> => {
      for (let runId = rest.pop(); runId !== undefined && !this.#stopped; runId = rest.pop()) await this.#settle(runId);
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, rest.length) }, worker));
  }

  /** Settles runs that no other worker settles, for example after a move to a queue that nobody polls. */
  async sweep(): Promise<void> {
    if (this.#stopped || performance.now() < this.#nextSweep) return;
    this.#nextSweep = performance.now() + forsakenMs;
    const { database, clock } = this.#worker;
    await this.settle(await forsakenStandalone(database, { since: clock.now() - forsakenMs * 1000, limit: dueMax }));
  }

  /** Resolves when the current work is done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#poller.stop();
  }

  async look(): Promise<void> {
    const { database, standaloneQueue, clock } = this.#worker;
    for (let isFull = true; isFull && !this.#stopped; ) {
      const runIds = await dueStandalone(database, standaloneQueue, { now: clock.now(), limit: dueMax });
      await this.settle(runIds);
      isFull = runIds.length === dueMax;
    }
  }

  failed(error: unknown): void {
    this.#worker.logger.warn({ err: error }, 'standalone activities could not be looked for, will try again');
  }

  async #settle(runId: string): Promise<void> {
    const { database, logger, failPoint } = this.#worker;
    try {
      let offer: OfferedTask | undefined;
      const settled = await settleStandalone(database, runId, (state) => {
        const settlement = settle(state, sha256);
        failPoint?.('settling');
        ({ offer } = settlement);
        return settlement;
      });
      failPoint?.('settled');
      if (settled === undefined) return;
      if (offer !== undefined) this.#notices.tell(offer);
      tellSettled(database, runId, settled);
    } catch (error) {
      if (this.#stopped) return;
      if (isFaultOfRun(error)) return this.#quarantine(runId, error);
      logger.warn({ err: error, runId }, 'a standalone activity could not be settled, will try again');
    }
  }

  /** Records the failure, so that no worker tries this run again before its next try is due. */
  async #quarantine(runId: string, error: unknown): Promise<void> {
    const { database, clock, logger, life } = this.#worker;
    const fault = quarantineCause(error);
    logger.error({ runId, code: 'RUN_QUARANTINED', cause: fault.cause, err: error }, 'run quarantined');
    try {
      const attempts = ((await readQuarantine(database, runId))?.attempt ?? 0) + 1;
      const nextTry = clock.now() + quarantineDelayMs(attempts) * 1000;
      await putIntoQuarantine(database, { ...fault, runId, nextTry, attempts, epoch: life.epoch, owner: null });
    } catch (failure) {
      logger.warn({ err: failure, runId }, 'a quarantine could not be recorded');
    }
  }
}
