// Outcomes of attempts on their way to the owners of their runs: what arrives during a statement goes with the next. Each is
// sent until it is committed, or its attempt turns out to be over.
import type { Logger } from 'pino';
import { type AttemptReport, reportAttempts, type SentOutcome } from '../../store/activities/activity-outcomes.ts';
import { taskName, tasksOfWorker } from '../../store/activities/activity-tasks.ts';
import type { Fence } from '../../store/ownership/claim.ts';
import type { Database } from '../../store/sql/database.ts';
import { isCleanRefusal } from '../../store/sql/sqlstate.ts';
import type { FailPointListener } from '../life/fail-point.ts';

/** `gone`: the attempt was over, or this worker is. `refused`: the database cannot store it. */
export type ReportResult = 'sent' | 'gone' | 'refused';

interface Waiting {
  readonly report: AttemptReport;
  readonly resolve: (result: ReportResult) => void;
}

const reportsMax = 500;
const bytesMax = 8 * 1024 * 1024;
/** When a run's row is locked by somebody. */
const lockedMs = 5;
/** When the database cannot be reached. */
const outageMs = 100;

export class AttemptReporter {
  readonly #database: Database;
  readonly #fence: Fence;
  readonly #logger: Logger;
  readonly #announced: (outcomes: readonly SentOutcome[]) => void;
  readonly #failPoint: FailPointListener | undefined;
  #waiting: Waiting[] = [];
  #sending = false;
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

  send(report: AttemptReport): Promise<ReportResult> {
    return new Promise((resolve) => {
      if (this.#stopped) return resolve('gone');
      this.#waiting.push({ report, resolve });
      if (!this.#sending) {
        this.#sending = true;
        setImmediate(() => void this.#pump());
      }
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const { resolve } of this.#waiting.splice(0)) resolve('gone');
  }

  async #pump(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#stopped) {
      const batch = this.#take();
      try {
        await this.#flush(batch);
      } catch (error) {
        this.#logger.warn({ err: error }, 'outcomes of activities could not be sent, will try again');
        this.#waiting.unshift(...batch);
        await pause(outageMs);
      }
    }
    this.#sending = false;
    if (this.#stopped) this.stop(); // what was put back has nobody to tell
  }

  #take(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { report } of this.#waiting) {
      bytes += report.payload?.length ?? 0;
      if (count > 0 && (bytes > bytesMax || count >= reportsMax)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #flush(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#send(batch);
    } catch (error) {
      if (!isCleanRefusal(error)) throw error;
      if (batch.length === 1) {
        this.#logger.error({ err: error }, 'the outcome of an activity cannot be stored');
        batch[0]!.resolve('refused');
        return;
      }
      for (const waiting of batch) await this.#flush([waiting]);
    }
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    const reports = batch.map((waiting) => waiting.report);
    this.#failPoint?.('before report');
    const sent = await reportAttempts(this.#database, this.#fence, reports);
    this.#failPoint?.('after report');
    if (sent === undefined) {
      for (const { resolve } of batch) resolve('gone');
      return;
    }
    this.#announced(sent);
    const names = new Set(sent.map(({ runId, seq }) => `${runId}:${seq}`));
    const unsent: Waiting[] = [];
    for (const waiting of batch) {
      if (names.has(`${waiting.report.runId}:${waiting.report.seq}`)) waiting.resolve('sent');
      else unsent.push(waiting);
    }
    if (unsent.length > 0) await this.#again(unsent);
  }

  async #again(unsent: readonly Waiting[]): Promise<void> {
    const mine = await tasksOfWorker(this.#database, this.#fence.epoch);
    const locked: Waiting[] = [];
    for (const waiting of unsent) {
      const { runId, seq, attempt } = waiting.report;
      if (mine.has(taskName(runId, seq, attempt))) locked.push(waiting);
      else waiting.resolve('gone');
    }
    if (locked.length === 0) return;
    this.#waiting.push(...locked);
    await pause(lockedMs);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
