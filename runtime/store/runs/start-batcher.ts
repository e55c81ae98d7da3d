// Starts of one process share commits: what is asked for while a statement is under way goes out with the next.
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import { InFlight } from '../../flow/in-flight.ts';
import type { Database } from '../sql/database.ts';
import { sendNotices } from '../sql/notifier.ts';
import { isCleanRefusal } from '../sql/sqlstate.ts';
import { type NewRun, startRuns } from './start-run.ts';

interface Waiting {
  readonly run: NewRun;
  resolve(started: boolean): void;
  reject(error: unknown): void;
}

const limits = { inFlightMax: 2, itemsMax: 500, bytesMax: 8 * 1024 * 1024 } as const;
/**
 * A statement that takes longer, ms, gives its place to the next one: it may wait for the end of a transaction that has
 * started a run of the same workflow id. The others go on beside it, as long as there are connections.
 */
const stuckMs = 200;

export class StartBatcher implements BatchSender<Waiting> {
  readonly #database: Database;
  readonly #batcher = new Batcher<Waiting>(this, limits);

  constructor(database: Database) {
    this.#database = database;
  }

  /** Starts a run; false when its workflow id belongs to an open run. */
  start(run: NewRun): Promise<boolean> {
    return new Promise((resolve, reject) => this.#batcher.add({ run, resolve, reject }));
  }

  sizeOf({ run }: Waiting): number {
    return run.args.length;
  }

  async send(batch: readonly Waiting[]): Promise<void> {
    const statement = new InFlight();
    void statement.track(this.#start(batch));
    await statement.drained(stuckMs);
  }

  async #start(batch: readonly Waiting[]): Promise<void> {
    try {
      const runs = batch.map((waiting) => waiting.run);
      const started = await (this.#startHere(runs) ?? this.#startAnywhere(runs));
      for (const { run, resolve } of batch) resolve(started.has(run.runId));
    } catch (error) {
      await this.#separately(batch, error);
    }
  }

  /** By a worker of this process, which need not find them then. Undefined when none takes them. */
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
    const starting = startRuns(client, schema, runs);
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
   * One start that the database refuses, or that waits for somebody, must not fail the others that happened to share its
   * statement. After a lost session nobody knows what was committed: a second try would take the caller's own run for
   * somebody else's.
   */
  async #separately(batch: readonly Waiting[], error: unknown): Promise<void> {
    if (batch.length === 1 || !isCleanRefusal(error)) {
      for (const waiting of batch) waiting.reject(error);
      return;
    }
    await Promise.all(batch.map((waiting) => this.#start([waiting])));
  }
}
