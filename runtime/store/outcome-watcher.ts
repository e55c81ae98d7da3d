// Waits for runs to close: told at once by a worker of this process, soon by a notice, in the end by looking.
import type pg from 'pg';
import type { ClosedOutcome, Database } from './database.ts';
import { channelName, listen, splitPayload } from './notifier.ts';
import { readOutcomes } from './runs.ts';
import { type QueryAnswer, takeAnswer } from './requests.ts';

const pollMs = 250;

export class OutcomeWatcher {
  readonly #database: Database;
  readonly #runs = new Map<string, PromiseWithResolvers<ClosedOutcome>>();
  readonly #answers = new Map<string, () => void>();
  #listener: Promise<pg.Client | undefined> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #unchecked: string[] = [];
  #checking = false;
  #closed = false;

  constructor(database: Database) {
    this.#database = database;
    database.local.on('closed', (runId, outcome) => this.#settle(runId, outcome));
  }

  /** How the run ended; waits until it has. */
  outcome(runId: string): Promise<ClosedOutcome> {
    let waiting = this.#runs.get(runId);
    if (waiting === undefined) {
      waiting = Promise.withResolvers();
      waiting.promise.catch(() => undefined);
      this.#runs.set(runId, waiting);
      void this.#listen();
      this.#unchecked.push(runId);
      if (!this.#checking) {
        this.#checking = true;
        setImmediate(() => void this.#check());
      }
    }
    return waiting.promise;
  }

  /** The answer to a request, or undefined when none came in time. */
  async answer(id: string, timeoutMs: number): Promise<QueryAnswer | undefined> {
    const deadline = performance.now() + timeoutMs;
    await this.#listen();
    for (let wait = 5; ; wait = Math.min(wait * 2, pollMs)) {
      const told = new Promise<void>((resolve) => this.#answers.set(id, resolve));
      const found = await takeAnswer(this.#database, id);
      const left = deadline - performance.now();
      if (found !== undefined || left <= 0) {
        this.#answers.delete(id);
        return found;
      }
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([
        told,
        new Promise((resolve) => {
          timer = setTimeout(resolve, Math.min(wait, left));
        }),
      ]);
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const closed = new Error('The connection was closed while a result was awaited.');
    for (const waiting of this.#runs.values()) waiting.reject(closed);
    this.#runs.clear();
    await (await this.#listener)?.end().catch(() => undefined);
  }

  #settle(runId: string, outcome: ClosedOutcome): void {
    const waiting = this.#runs.get(runId);
    if (waiting === undefined) return;
    this.#runs.delete(runId);
    waiting.resolve(outcome);
  }

  /** Looks at the runs that were never looked at, then now and then at all that are still awaited. */
  async #check(): Promise<void> {
    clearTimeout(this.#timer);
    const runIds = this.#unchecked;
    this.#unchecked = [];
    try {
      const awaited = runIds.filter((runId) => this.#runs.has(runId));
      if (awaited.length > 0) {
        for (const [runId, outcome] of await readOutcomes(this.#database, awaited)) this.#settle(runId, outcome);
      }
    } catch (error) {
      if (!this.#closed)
        process.emitWarning(`reprise: results could not be looked up, will try again: ${String(error)}`);
    }
    this.#checking = false;
    if (this.#closed || this.#runs.size === 0) return;
    if (this.#unchecked.length > 0) {
      this.#checking = true;
      setImmediate(() => void this.#check());
      return;
    }
    this.#timer = setTimeout(() => {
      this.#checking = true;
      this.#unchecked = [...this.#runs.keys()];
      void this.#check();
    }, pollMs);
    // Someone awaits a result, so the process must live; the poll itself is the only thing that may be left to wait on.
  }

  #listen(): Promise<pg.Client | undefined> {
    this.#listener ??= this.#connect().catch(() => {
      this.#listener = undefined; // polling does without; the next wait tries again
      return undefined;
    });
    return this.#listener;
  }

  async #connect(): Promise<pg.Client> {
    const { schema } = this.#database;
    const client = await this.#database.dedicated('reprise client');
    const lost = (): void => {
      this.#listener = undefined;
    };
    client.on('error', lost);
    client.on('end', lost);
    client.on('notification', ({ channel, payload }) => {
      const items = splitPayload(payload ?? '');
      if (channel === channelName(schema, 'answered')) {
        for (const id of items) this.#answers.get(id)?.();
        return;
      }
      this.#unchecked.push(...items.filter((runId) => this.#runs.has(runId)));
      if (this.#unchecked.length > 0 && !this.#checking) {
        this.#checking = true;
        void this.#check();
      }
    });
    await listen(client, schema, ['closed', 'answered']);
    return client;
  }
}
