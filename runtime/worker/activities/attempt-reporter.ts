// Sends outcomes of attempts to the owners of their runs. Outcomes that arrive during a statement go with the next
// statement. Repeats each outcome until it is committed or its attempt has ended. Never decides what follows from an
// outcome.
import { RetryingBatcher, type RetryingSender } from '../../flow/retrying-batcher.ts';
import { type AttemptReport, reportAttempts } from '../../store/activities/activity-outcomes.ts';
import { taskName, tasksOfWorker } from '../../store/activities/activity-tasks.ts';
import type { Fence } from '../../store/ownership/fence.ts';
import { isCleanRefusal } from '../../store/sql/sqlstate.ts';
import type { ActivityWorker } from './activity-worker.ts';
import type { StandaloneSettler } from './standalone-settler.ts';

/**
 * `gone`: the attempt has ended, or this worker was declared dead. `refused`: the database cannot store the outcome.
 */
export type ReportResult = 'sent' | 'gone' | 'refused';

interface Waiting {
  readonly report: AttemptReport;
  readonly resolve: (result: ReportResult) => void;
}

const limits = { itemsMax: 500, bytesMax: 8 * 1024 * 1024 } as const;

export class AttemptReporter implements RetryingSender<Waiting> {
  readonly #worker: ActivityWorker;
  readonly #fence: Fence;
  readonly #settler: StandaloneSettler;
  readonly #batcher = new RetryingBatcher<Waiting>(this, limits);

  constructor(worker: ActivityWorker, fence: Fence, settler: StandaloneSettler) {
    this.#worker = worker;
    this.#fence = fence;
    this.#settler = settler;
  }

  report(report: AttemptReport): Promise<ReportResult> {
    return new Promise((resolve) => this.#batcher.add({ report, resolve }));
  }

  stop(): void {
    this.#batcher.close();
  }

  sizeOf({ report }: Waiting): number {
    return report.payload?.length ?? 0;
  }

  isRefusal(error: unknown): boolean {
    return isCleanRefusal(error);
  }

  refused({ resolve }: Waiting, error: unknown): void {
    this.#worker.logger.error({ err: error }, 'the outcome of an activity cannot be stored');
    resolve('refused');
  }

  failed(error: unknown): void {
    this.#worker.logger.warn({ err: error }, 'outcomes of activities could not be sent, will try again');
  }

  dropped({ resolve }: Waiting): void {
    resolve('gone');
  }

  async send(batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    const { database, failPoint } = this.#worker;
    const reports = batch.map((waiting) => waiting.report);
    failPoint?.('before report');
    const sent = await reportAttempts(database, this.#fence, reports);
    failPoint?.('after report');
    if (sent === undefined) {
      for (const { resolve } of batch) resolve('gone');
      return [];
    }
    this.#settler.deliver(sent);
    const names = new Set(sent.map(({ runId, seq }) => `${runId}:${seq}`));
    const unsent: Waiting[] = [];
    for (const waiting of batch) {
      if (names.has(`${waiting.report.runId}:${waiting.report.seq}`)) waiting.resolve('sent');
      else unsent.push(waiting);
    }
    return unsent.length === 0 ? [] : this.#locked(unsent);
  }

  /** Returns the reports whose attempts have not ended: another session has locked the rows of their runs. */
  async #locked(unsent: readonly Waiting[]): Promise<readonly Waiting[]> {
    const mine = await tasksOfWorker(this.#worker.database, this.#fence.epoch);
    const locked: Waiting[] = [];
    for (const waiting of unsent) {
      const { runId, seq, attempt } = waiting.report;
      if (mine.has(taskName(runId, seq, attempt))) locked.push(waiting);
      else waiting.resolve('gone');
    }
    return locked;
  }
}
