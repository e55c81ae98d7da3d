// Batches the starts of one process: starts that are requested while a statement runs share the next statement and its
// commit.
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import type { Database } from '../sql/database.ts';
import { sendNotices } from '../sql/notifier.ts';
import { isCleanRefusal } from '../sql/sqlstate.ts';
import { lockMs } from '../sql/transaction.ts';
import { type NewRun, startRuns } from './start-run.ts';

interface Waiting {
  readonly run: NewRun;
  resolve(started: boolean): void;
  reject(error: unknown): void;
}

const limits = { inFlightMax: 2, itemsMax: 500, bytesMax: 8 * 1024 * 1024 } as const;
export class StartBatcher implements BatchSender<Waiting> {
  readonly #database: Database;
  readonly #waitMs: number;
  readonly #batcher = new Batcher<Waiting>(this, limits);

  /** `waitMs`: how long a statement waits for another transaction that uses the same workflow id. */
  constructor(database: Database, waitMs: number = lockMs) {
    this.#database = database;
    this.#waitMs = waitMs;
  }

  /**
   * Starts a run. Returns false when an open run has its workflow id. `isRepeated`: another transaction used the
   * workflow id at the last try, so this start waits in a statement of its own.
   * @throws lock_not_available when another transaction uses the workflow id
   */
  start(run: NewRun, isRepeated = false): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (isRepeated) void this.send([{ run, resolve, reject }]);
      else this.#batcher.add({ run, resolve, reject });
    });
  }

  sizeOf({ run }: Waiting): number {
    return run.args.length;
  }

  async send(batch: readonly Waiting[]): Promise<void> {
    try {
      const runs = batch.map((waiting) => waiting.run);
      const started = await (this.#startHere(runs) ?? this.#startAnywhere(runs));
      for (const { run, resolve } of batch) resolve(started.has(run.runId));
    } catch (error) {
      await this.#separately(batch, error);
    }
  }

  /**
   * Lets a worker of this process start the runs, so that no claim is needed. Undefined when no worker accepts them.
   */
  #startHere(runs: readonly NewRun[]): Promise<Set<string>> | undefined {
    const { queue } = runs[0]!;
    const workers = this.#database.localWorkers.get(queue);
    if (workers === undefined || runs.some((run) => run.queue !== queue)) return undefined;
    for (const worker of workers) {
      const starting = worker.start(runs);
      if (starting !== undefined) return starting;
    }
    return undefined;
  }

  async #startAnywhere(runs: readonly NewRun[]): Promise<Set<string>> {
    const { starters, schema, localWorkers } = this.#database;
    const here = new Set<string>();
    const elsewhere = new Set<string>();
    for (const { queue } of runs) (localWorkers.has(queue) ? here : elsewhere).add(queue);
    const client = await starters.connect();
    const starting = startRuns(client, schema, runs, this.#waitMs);
    const told = elsewhere.size === 0 ? undefined : sendNotices(client, schema, new Map([['wake', elsewhere]]));
    try {
      const started = await starting;
      for (const queue of here) for (const worker of localWorkers.get(queue) ?? []) worker.wake();
      void Promise.resolve(told).then(() => client.release());
      return started;
    } catch (error) {
      await told;
      client.release(!isCleanRefusal(error));
      throw error;
    }
  }

  /**
   * Retries the starts one by one: a start that the database refuses, or that waits for a lock, must not fail the
   * others that shared its statement. After a lost session the outcome is unknown, so all fail: a second try would
   * mistake the caller's own run for another caller's run.
   */
  async #separately(batch: readonly Waiting[], error: unknown): Promise<void> {
    if (batch.length === 1 || !isCleanRefusal(error)) {
      for (const waiting of batch) waiting.reject(error);
      return;
    }
    await Promise.all(batch.map((waiting) => this.send([waiting])));
  }
}
