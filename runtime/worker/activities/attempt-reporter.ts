// Outcomes of attempts on their way to the owners of their runs: what arrives during a statement goes with the next. Each is
// sent until it is committed, or its attempt turns out to be over.
import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import { type AttemptReport, reportAttempts, type SentOutcome } from '../../store/activities/activity-outcomes.ts';
import { taskName, tasksOfWorker } from '../../store/activities/activity-tasks.ts';
import type { Fence } from '../../store/ownership/fence.ts';
import type { Database } from '../../store/sql/database.ts';
import { isCleanRefusal } from '../../store/sql/sqlstate.ts';
import type { FailPointListener } from '../life/fail-point.ts';

/** `gone`: the attempt was over, or this worker is. `refused`: the database cannot store it. */
export type ReportResult = 'sent' | 'gone' | 'refused';

interface Waiting {
  readonly report: AttemptReport;
  readonly resolve: (result: ReportResult) => void;
}

const limits = { itemsMax: 500, bytesMax: 8 * 1024 * 1024 } as const;
/** When a run's row is locked by somebody. */
const lockedMs = 5;
/** When the database cannot be reached. */
const outageMs = 100;

export class AttemptReporter implements BatchSender<Waiting> {
  readonly #database: Database;
  readonly #fence: Fence;
  readonly #logger: Logger;
  readonly #announced: (outcomes: readonly SentOutcome[]) => void;
  readonly #failPoint: FailPointListener | undefined;
  readonly #batcher = new Batcher<Waiting>(this, limits);
  #stopped = false;

  constructor(options: {
    readonly database: Database;
    readonly fence: Fence;
    readonly logger: Logger;
    /** Outcomes are durable, and their runs' owners are to be told. */
    announced(outcomes: readonly SentOutcome[]): void;
    readonly failPoint: FailPointListener | undefined;
  }) {
    this.#database = options.database;
    this.#fence = options.fence;
    this.#logger = options.logger;
    this.#announced = options.announced;
    this.#failPoint = options.failPoint;
  }

  report(report: AttemptReport): Promise<ReportResult> {
    return new Promise((resolve) => {
      if (this.#stopped) resolve('gone');
      else this.#batcher.add({ report, resolve });
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const { resolve } of this.#batcher.close()) resolve('gone');
  }

  sizeOf({ report }: Waiting): number {
    return report.payload?.length ?? 0;
  }

  async send(batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    let again: readonly Waiting[];
    try {
      again = await this.#flush(batch);
      if (again.length > 0) await setTimeout(lockedMs);
    } catch (error) {
      this.#logger.warn({ err: error }, 'outcomes of activities could not be sent, will try again');
      again = batch;
      await setTimeout(outageMs);
    }
    if (!this.#stopped) return again;
    for (const { resolve } of again) resolve('gone');
    return [];
  }

  /** Returns those that are to be sent again. */
  async #flush(batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    try {
      return await this.#send(batch);
    } catch (error) {
      if (!isCleanRefusal(error)) throw error;
      if (batch.length === 1) {
        this.#logger.error({ err: error }, 'the outcome of an activity cannot be stored');
        batch[0]!.resolve('refused');
        return [];
      }
      const again: Waiting[] = [];
      for (const waiting of batch) again.push(...(await this.#flush([waiting])));
      return again;
    }
  }

  async #send(batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    const reports = batch.map((waiting) => waiting.report);
    this.#failPoint?.('before report');
    const sent = await reportAttempts(this.#database, this.#fence, reports);
    this.#failPoint?.('after report');
    if (sent === undefined) {
      for (const { resolve } of batch) resolve('gone');
      return [];
    }
    this.#announced(sent);
    const names = new Set(sent.map(({ runId, seq }) => `${runId}:${seq}`));
    const unsent: Waiting[] = [];
    for (const waiting of batch) {
      if (names.has(`${waiting.report.runId}:${waiting.report.seq}`)) waiting.resolve('sent');
      else unsent.push(waiting);
    }
    return unsent.length === 0 ? [] : this.#locked(unsent);
  }

  /** Those whose attempts are not over: somebody holds the rows of their runs. */
  async #locked(unsent: readonly Waiting[]): Promise<readonly Waiting[]> {
    const mine = await tasksOfWorker(this.#database, this.#fence.epoch);
    const locked: Waiting[] = [];
    for (const waiting of unsent) {
      const { runId, seq, attempt } = waiting.report;
      if (mine.has(taskName(runId, seq, attempt))) locked.push(waiting);
      else waiting.resolve('gone');
    }
    return locked;
  }
}
