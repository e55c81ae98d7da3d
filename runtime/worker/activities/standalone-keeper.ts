// Settles standalone activities: what was started, has an outcome, or is to be cancelled. Any worker that executes activities
// of the queue may do it, one short transaction each; nothing is kept in memory.
import type { Logger } from 'pino';
import { quarantineCause, quarantineDelayMs } from '../../core/run/quarantine-info.ts';
import { type Looker, Poller } from '../../flow/poller.ts';
import { isFaultOfRun, putIntoQuarantine, readQuarantine } from '../../store/ownership/quarantine.ts';
import type { Database } from '../../store/sql/database.ts';
import {
  dueStandalone,
  forsakenStandalone,
  settleStandalone,
  tellSettled,
} from '../../store/activities/standalone-run.ts';
import type { DatabaseClock } from '../life/clock.ts';
import type { FailPointListener } from '../life/fail-point.ts';
import { settle } from '../../core/activity/standalone-turn.ts';
import { sha256 } from '../../store/codec/sha256.ts';

export interface StandaloneKeeperOptions {
  readonly database: Database;
  /** Where standalone activities of the task queue wait. */
  readonly queue: string;
  readonly epoch: number;
  readonly clock: DatabaseClock;
  readonly logger: Logger;
  /** An activity of a task queue can be claimed, when its time has come. */
  offered(queue: string, dueAt: number): void;
  readonly failPoint?: FailPointListener | undefined;
}

const dueMax = 100;
const atOnce = 4;
/** How often to look for what the workers of other queues should have settled, and for how long they have had the time. */
const forsakenMs = 10_000;

export class StandaloneKeeper implements Looker {
  readonly #options: StandaloneKeeperOptions;
  readonly #poller = new Poller(this);
  #nextSweep = performance.now() + forsakenMs;
  #stopped = false;

  constructor(options: StandaloneKeeperOptions) {
    this.#options = options;
  }

  /** Looks for what has to be settled. */
  poke(): void {
    this.#poller.nudge();
  }

  /** Settles these runs, of whatever queue. What fails here is found by the next look of a worker of their queue. */
  async settle(runIds: readonly string[]): Promise<void> {
    const rest = [...runIds];
    const worker = async (): Promise<void> => {
      for (let runId = rest.pop(); runId !== undefined && !this.#stopped; runId = rest.pop()) await this.#settle(runId);
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, rest.length) }, worker));
  }

  /** Settles what nobody else does, of whatever queue: an activity may have been moved to one that nobody polls. */
  async sweep(): Promise<void> {
    if (this.#stopped || performance.now() < this.#nextSweep) return;
    this.#nextSweep = performance.now() + forsakenMs;
    const { database, clock } = this.#options;
    await this.settle(await forsakenStandalone(database, { since: clock.now() - forsakenMs * 1000, limit: dueMax }));
  }

  /** Resolves when what is under way is done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#poller.stop();
  }

  async look(): Promise<void> {
    const { database, queue, clock } = this.#options;
    for (let isFull = true; isFull && !this.#stopped; ) {
      const runIds = await dueStandalone(database, queue, { now: clock.now(), limit: dueMax });
      await this.settle(runIds);
      isFull = runIds.length === dueMax;
    }
  }

  failed(error: unknown): void {
    this.#options.logger.warn({ err: error }, 'standalone activities could not be looked for, will try again');
  }

  async #settle(runId: string): Promise<void> {
    const { database, logger, offered, failPoint } = this.#options;
    try {
      let offer: { queue: string; dueAt: number } | undefined;
      const settled = await settleStandalone(database, runId, (state) => {
        const settlement = settle(state, sha256);
        failPoint?.('settling');
        ({ offer } = settlement);
        return settlement;
      });
      failPoint?.('settled');
      if (settled === undefined) return;
      if (offer !== undefined) offered(offer.queue, offer.dueAt);
      tellSettled(database, runId, settled);
    } catch (error) {
      if (this.#stopped) return;
      if (isFaultOfRun(error)) return this.#quarantine(runId, error);
      logger.warn({ err: error, runId }, 'a standalone activity could not be settled, will try again');
    }
  }

  /** Nobody looks at it again before its next try. */
  async #quarantine(runId: string, error: unknown): Promise<void> {
    const { database, clock, logger, epoch } = this.#options;
    const fault = quarantineCause(error);
    logger.error({ runId, code: 'RUN_QUARANTINED', cause: fault.cause, err: error }, 'run quarantined');
    try {
      const attempts = ((await readQuarantine(database, runId))?.attempt ?? 0) + 1;
      const nextTry = clock.now() + quarantineDelayMs(attempts) * 1000;
      await putIntoQuarantine(database, { ...fault, runId, nextTry, attempts, epoch, owner: null });
    } catch (failure) {
      logger.warn({ err: failure, runId }, 'a quarantine could not be recorded');
    }
  }
}
