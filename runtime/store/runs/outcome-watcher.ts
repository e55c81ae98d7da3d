// Waits for runs to close. A worker of this process reports at once, a notice arrives soon after, and polling finds the
// rest.
import type pg from 'pg';
import type { Deferred } from '../../core/deferred.ts';
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import { type Looker, Poller } from '../../flow/poller.ts';
import type { ClosedOutcome, Database } from '../sql/database.ts';
import { channelName, listen, splitPayload } from '../sql/notifier.ts';
import { readOutcomes } from './runs.ts';
import { type QueryAnswer, takeAnswer } from '../messages/requests.ts';

/**
 * Interval of looking up awaited runs. Longer while notices arrive, because polling then only finds runs whose notice
 * was lost.
 */
const pollMs = { deaf: 250, listening: 1_000 } as const;

export interface Subscription {
  /**
   * Resolves on a notice, or at once if one has already arrived. Otherwise resolves after `ms` or a shorter poll
   * interval, because a notice may be lost.
   */
  within(ms: number): Promise<void>;
  done(): void;
}

export class OutcomeWatcher implements BatchSender<string>, Looker {
  readonly #database: Database;
  readonly #runs = new Map<string, Deferred<ClosedOutcome>>();
  readonly #answers = new Map<string, Set<() => void>>();
  #listener: Promise<pg.Client | undefined> | undefined;
  /** The session that listens for notices; undefined until it listens. */
  #listening: pg.Client | undefined;
  /** Runs to look up: new runs, and runs that a notice names. */
  readonly #lookups = new Batcher<string>(this);
  readonly #poller = new Poller(this);
  #closed = false;

  constructor(database: Database) {
    this.#database = database;
    database.local.on('closed', (runId, outcome) => this.#resolve(runId, outcome));
  }

  /**
   * Call this before starting a run whose outcome will be awaited. The run's notice then cannot be missed, and no
   * lookup is needed. Call `forget` if the run was not started.
   */
  expect(runId: string): void {
    if (this.#listening === undefined) {
      void this.#listen();
      return;
    }
    void this.#await(runId);
  }

  forget(runId: string): void {
    this.#runs.delete(runId);
  }

  /** Waits until the run closes and returns its outcome. */
  outcome(runId: string): Promise<ClosedOutcome> {
    const waiting = this.#runs.get(runId);
    if (waiting !== undefined) return waiting.promise;
    void this.#listen();
    this.#lookups.add(runId);
    return this.#await(runId);
  }

  #await(runId: string): Promise<ClosedOutcome> {
    const waiting = Promise.withResolvers<ClosedOutcome>();
    waiting.promise.catch(() => undefined);
    this.#runs.set(runId, waiting);
    this.#poller.start();
    return waiting.promise;
  }

  /** The answer to a request; undefined when none came in time, or when the caller has given up. */
  async answer(id: string, timeoutMs: number, isGivenUp: () => boolean): Promise<QueryAnswer | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (let wait = 5; ; wait *= 2) {
      const subscription = await this.subscribe(id);
      const found = await takeAnswer(this.#database, id);
      const left = isGivenUp() ? 0 : deadline - performance.now();
      if (found === undefined && left > 0) await subscription.within(Math.min(wait, left));
      subscription.done();
      if (found !== undefined || left <= 0) return found;
    }
  }

  /** Listens for notices about a request or an update until `done`. */
  async subscribe(id: string): Promise<Subscription> {
    await this.#listen();
    const notice = Promise.withResolvers<void>();
    const listeners = this.#answers.get(id) ?? new Set();
    this.#answers.set(id, listeners.add(notice.resolve));
    return {
      async within(ms) {
        let timer: NodeJS.Timeout | undefined;
        const late = new Promise<void>((resolve) => {
          timer = setTimeout(resolve, Math.min(ms, pollMs.deaf));
        });
        await Promise.race([notice.promise, late]);
        clearTimeout(timer);
      },
      done: () => {
        listeners.delete(notice.resolve);
        if (listeners.size === 0) this.#answers.delete(id);
      },
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#lookups.close();
    void this.#poller.stop();
    const closed = new Error('The connection was closed while a result was awaited.');
    for (const waiting of this.#runs.values()) waiting.reject(closed);
    this.#runs.clear();
    await (await this.#listener)?.end().catch(() => undefined);
  }

  #resolve(runId: string, outcome: ClosedOutcome): void {
    const waiting = this.#runs.get(runId);
    if (waiting === undefined) return;
    this.#runs.delete(runId);
    waiting.resolve(outcome);
  }

  /**
   * Polls only while a caller awaits an outcome. The timer then keeps the process alive, because nothing else may do
   * so.
   */
  get everyMs(): number | undefined {
    if (this.#runs.size === 0) return undefined;
    return this.#listening === undefined ? pollMs.deaf : pollMs.listening;
  }

  async look(): Promise<void> {
    await this.#lookUp([...this.#runs.keys()]);
  }

  failed(error: unknown): void {
    if (!this.#closed) process.emitWarning(`reprise: results could not be looked up, will try again: ${String(error)}`);
  }

  async send(runIds: readonly string[]): Promise<void> {
    await this.#lookUp(runIds).catch((error: unknown) => this.failed(error));
  }

  async #lookUp(runIds: readonly string[]): Promise<void> {
    const awaited = runIds.filter((runId) => this.#runs.has(runId));
    if (awaited.length === 0) return;
    void this.#listen(); // reconnects a lost session
    for (const [runId, outcome] of await readOutcomes(this.#database, awaited)) this.#resolve(runId, outcome);
  }

  #listen(): Promise<pg.Client | undefined> {
    this.#listener ??= this.#connect().catch(() => {
      this.#listener = undefined; // polling needs no session; the next wait reconnects
      return undefined;
    });
    return this.#listener;
  }

  async #connect(): Promise<pg.Client> {
    const { schema } = this.#database;
    const client = await this.#database.dedicated('reprise client');
    const lost = (): void => {
      // A lost session may emit `error` and `end`, and a new session may already listen when `end` arrives.
      if (this.#listening !== client) return;
      this.#listener = undefined;
      this.#listening = undefined;
    };
    client.on('error', lost);
    client.on('end', lost);
    client.on('notification', ({ channel, payload }) => {
      const items = splitPayload(payload ?? '');
      if (channel === channelName(schema, 'answered')) {
        for (const id of items) for (const notice of this.#answers.get(id) ?? []) notice();
        return;
      }
      for (const runId of items) if (this.#runs.has(runId)) this.#lookups.put(runId);
      this.#lookups.pump();
    });
    await listen(client, schema, ['closed', 'answered']);
    this.#listening = client;
    return client;
  }
}
