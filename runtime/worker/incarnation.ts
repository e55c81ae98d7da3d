// One life of a worker: an epoch, its connections, its runs. It ends by stopping, by being declared dead, or by losing
// touch with the database; the worker then begins another one. Nothing is carried over but what is in the log.
import type pg from 'pg';
import type { Logger } from 'pino';
import { RuntimeError } from '../history/runtime-error.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { deleteHeartbeat, storeHeartbeat } from '../store/activity-heartbeats.ts';
import { LogWriter } from '../store/append.ts';
import { claim, park, type ParkedRun } from '../store/claim.ts';
import { listen, splitPayload } from '../store/notifier.ts';
import type { Database } from '../store/database.ts';
import { runsWithMail } from '../store/inbox.ts';
import { backendPid, declareDead, type Heartbeat, heartbeat, register, sweepDead } from '../store/lease.ts';
import { expireRequests } from '../store/requests.ts';
import type { ActivityFunction } from './activity-context.ts';
import { ActivityExecutor } from './activity-executor.ts';
import { Appender } from './appender.ts';
import { DatabaseClock } from './clock.ts';
import type { FailPointListener } from './fail-point.ts';
import { QueryAnswerer } from './query-answerer.ts';
import { RunLoop } from './run-loop.ts';

export interface IncarnationOptions {
  readonly database: Database;
  readonly sandbox: Sandbox;
  readonly bundleHash: string;
  readonly identity: string;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly activities: Readonly<Record<string, ActivityFunction>>;
  readonly maxCachedRuns: number;
  readonly maxConcurrentActivities: number;
  readonly maxPayloadBytes: number;
  readonly leaseMs: number;
  readonly logger: Logger;
  readonly failPoint?: FailPointListener | undefined;
}

const heartbeatMs = 100;
/** A lost session counts as a death only with a missed heartbeat as well. */
const missedMs = 150;
const idlePollMs = 100;
const housekeepingMs = 1_000;
const sweepEveryMs = 2_000;
/** How far below the last claimed wake-up a claim looks; later commits are found by the sweep. */
const watermarkSlackMicros = 1_000_000;
const claimMax = 200;
const writerCount = 2;

/** The name under which the runs of a task queue wait. */
export function queueKey(namespace: string, taskQueue: string): string {
  return `${namespace}/${taskQueue}`;
}

export class Incarnation {
  readonly epoch: number;
  readonly #options: IncarnationOptions;
  readonly #queue: string;
  readonly #heart: pg.Client;
  readonly #control: pg.Client;
  readonly #writers: readonly pg.Client[];
  readonly #clock = new DatabaseClock();
  readonly #loop: RunLoop;
  readonly #executor: ActivityExecutor;
  readonly #appender: Appender;
  readonly #queries: QueryAnswerer;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #onWake = (queue: string): void => {
    if (queue === this.#queue) this.#poke();
  };
  readonly #ended = Promise.withResolvers<RuntimeError | undefined>();
  #over = false;
  #claiming = true;
  #beating = false;
  #keepingHouse = false;
  readonly #mailed = new Set<string>();
  #readingMail = false;
  #lastBeat = performance.now();
  #healthySince = performance.now();
  #watermark = 0;
  #lastSweep = 0;
  #poked = false;
  #pollTimer: NodeJS.Timeout | undefined;
  #polling: Promise<void> | undefined;
  #control_: Promise<unknown> = Promise.resolve();

  /** Registers and begins to work. @throws what connecting throws */
  static async begin(options: IncarnationOptions): Promise<Incarnation> {
    const { database } = options;
    const clients: pg.Client[] = [];
    try {
      const names = ['heart', 'control', ...Array.from({ length: writerCount }, (_, i) => `writer ${i + 1}`)];
      for (const name of names) clients.push(await database.dedicated(`reprise ${name}`));
      const [heart, control, ...writers] = clients as [pg.Client, pg.Client, ...pg.Client[]];
      const backendPids = await Promise.all([control, ...writers].map(backendPid));
      const epoch = await register(heart, database.schema, {
        identity: options.identity,
        queue: queueKey(options.namespace, options.taskQueue),
        bundleHash: options.bundleHash,
        leaseMs: options.leaseMs,
        backendPids,
      });
      const incarnation = new Incarnation(options, epoch, heart, control, writers);
      await incarnation.#start();
      return incarnation;
    } catch (error) {
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
      throw error;
    }
  }

  private constructor(
    options: IncarnationOptions,
    epoch: number,
    heart: pg.Client,
    control: pg.Client,
    writers: pg.Client[],
  ) {
    this.#options = options;
    this.epoch = epoch;
    this.#heart = heart;
    this.#control = control;
    this.#writers = writers;
    const { database, sandbox, logger } = options;
    this.#queue = queueKey(options.namespace, options.taskQueue);
    for (const client of [heart, control, ...writers]) {
      client.on('error', (error) => this.#lose(`a connection broke: ${error.message}`, error));
      client.on('end', () => this.#lose('a connection ended'));
    }
    this.#appender = new Appender(
      writers.map((client, i) => new LogWriter(client, database.schema, epoch, i + 1)),
      (error) => this.#end(error),
      options.failPoint,
    );
    this.#loop = new RunLoop({
      database,
      epoch,
      sandbox,
      appender: this.#appender,
      clock: this.#clock,
      logger,
      maxCachedRuns: options.maxCachedRuns,
      maxPayloadBytes: options.maxPayloadBytes,
      park: (runs) => this.#serially(() => this.#park(runs)),
      fatal: (error) => this.#end(error),
    });
    this.#executor = new ActivityExecutor({
      ...options,
      maxConcurrent: options.maxConcurrentActivities,
      clock: this.#clock,
      report: (run, input) => this.#loop.enqueue(run, input),
      reportDurably: (run, input) => this.#loop.enqueueDurably(run, input),
      storeProgress: (runId, seq, details) => {
        storeHeartbeat(database, epoch, runId, seq, details).catch((error) =>
          logger.warn({ err: error }, 'progress was not stored'),
        );
      },
      dropProgress: (runId, seq) => {
        deleteHeartbeat(database, runId, seq).catch((error) => logger.warn({ err: error }, 'progress was not dropped'));
      },
    });
    this.#loop.attach(this.#executor);
    this.#queries = new QueryAnswerer({ database, sandbox, loop: this.#loop, queue: this.#queue, epoch, logger });
  }

  /** Resolves when this life is over: undefined after `stop`, else why. */
  get ended(): Promise<RuntimeError | undefined> {
    return this.#ended.promise;
  }

  get runCount(): number {
    return this.#loop.parking.size;
  }

  /** Lets running activities end (or tells them to after `graceMs`), gives all runs back and leaves. */
  async stop(graceMs: number): Promise<void> {
    this.#claiming = false;
    this.#options.database.localQueues.delete(this.#queue);
    await this.#polling;
    await Promise.race([this.#executor.drain(graceMs), this.ended]);
    await Promise.race([this.#loop.parking.release(), this.ended]);
    if (this.#over) return;
    this.#end(undefined);
    await declareDead(this.#options.database, this.epoch, 'stopped').catch(() => undefined);
  }

  async #start(): Promise<void> {
    const { database } = this.#options;
    const { schema } = database;
    this.#heart.on('notification', ({ channel, payload }) => this.#notified(channel, payload ?? ''));
    await listen(this.#heart, schema, ['wake', 'request', `mail_${this.epoch}`]);
    database.local.on('wake', this.#onWake);
    database.localQueues.add(this.#queue);
    await this.#beat();
    this.#timers.push(
      setInterval(() => void this.#beat(), heartbeatMs),
      setInterval(() => void this.#keepHouse(), housekeepingMs),
    );
    this.#poke();
  }

  async #beat(): Promise<void> {
    if (this.#over || this.#beating) return;
    this.#beating = true;
    try {
      await this.#beatOnce();
    } finally {
      this.#beating = false;
    }
  }

  async #beatOnce(): Promise<void> {
    const { database, leaseMs } = this.#options;
    const late = performance.now() - this.#lastBeat;
    if (late > leaseMs) {
      this.#lose(`no heartbeat came through for ${Math.round(late)} ms`);
      return;
    }
    const sent = DatabaseClock.local();
    let beat: Heartbeat;
    try {
      beat = await heartbeat(this.#heart, database.schema, this.epoch, { leaseMs, missedMs });
    } catch (error) {
      this.#lose(`a heartbeat failed: ${String(error)}`, error);
      return;
    }
    if (this.#over) return;
    if (!beat.alive) {
      this.#end(new RuntimeError('LEASE_LOST', 'This worker was declared dead: its lease is gone.'));
      return;
    }
    this.#clock.observe(beat.databaseTime, sent, DatabaseClock.local());
    if (late > leaseMs / 2) this.#healthySince = performance.now();
    this.#lastBeat = performance.now();
    // After a pause of the database everybody's lease looks over: believe that only after a whole lease of own heartbeats.
    const trusted = performance.now() - this.#healthySince > leaseMs;
    for (const suspect of beat.suspects) {
      if (!suspect.expired || trusted)
        await this.#bury(suspect.epoch, suspect.expired ? 'lease expired' : 'session ended');
    }
  }

  async #bury(epoch: number, reason: string): Promise<void> {
    const { database, logger } = this.#options;
    try {
      const freed = await declareDead(database, epoch, reason);
      logger.warn({ epoch, reason, runs: freed }, 'worker died, its runs are free');
      if (freed > 0) this.#poke(true);
    } catch (error) {
      logger.warn({ err: error, epoch }, 'could not declare a worker dead, will try again');
    }
  }

  async #keepHouse(): Promise<void> {
    if (this.#over || this.#keepingHouse) return;
    this.#keepingHouse = true;
    try {
      await this.#loop.parking.evict();
      await sweepDead(this.#options.database);
      await expireRequests(this.#options.database);
    } catch (error) {
      if (!this.#over) this.#options.logger.warn({ err: error }, 'housekeeping failed, will try again');
    } finally {
      this.#keepingHouse = false;
    }
  }

  #notified(channel: string, payload: string): void {
    const topic = channel.slice(this.#options.database.schema.length + 1);
    if (topic === 'wake') {
      if (splitPayload(payload).includes(this.#queue)) this.#poke();
    } else if (topic === 'request') {
      if (splitPayload(payload).includes(this.#queue)) void this.#answerQueries();
    } else void this.#readMail(splitPayload(payload));
  }

  /** One read at a time: what is announced meanwhile goes with the next, or a stream of messages would be a stream of reads. */
  async #readMail(runIds: readonly string[]): Promise<void> {
    for (const runId of runIds) this.#mailed.add(runId);
    if (this.#readingMail) return;
    this.#readingMail = true;
    try {
      while (this.#mailed.size > 0 && !this.#over) {
        const announced = [...this.#mailed];
        this.#mailed.clear();
        await this.#loop.readMail(announced);
      }
    } catch (error) {
      if (!this.#over) this.#options.logger.warn({ err: error }, 'mail could not be read, will try again');
    } finally {
      this.#readingMail = false;
    }
  }

  async #answerQueries(): Promise<void> {
    try {
      await this.#queries.poll();
    } catch (error) {
      if (!this.#over) this.#options.logger.warn({ err: error }, 'queries could not be answered, will try again');
    }
  }

  /** Looks for work now instead of at the next poll. */
  #poke(sweep = false): void {
    if (sweep) this.#lastSweep = 0;
    this.#poked = true;
    if (this.#polling === undefined && !this.#over) {
      clearTimeout(this.#pollTimer);
      this.#polling = this.#poll().finally(() => {
        this.#polling = undefined;
        if (this.#over) return;
        if (this.#poked && this.#claiming) this.#poke();
        else this.#pollTimer = setTimeout(() => this.#poke(), idlePollMs);
      });
    }
  }

  async #poll(): Promise<void> {
    this.#poked = false;
    const { database, logger } = this.#options;
    try {
      if (this.#claiming) await this.#claim();
      const withMail = await runsWithMail(database, this.epoch);
      if (withMail.length > 0) await this.#readMail(withMail);
      await this.#queries.poll();
    } catch (error) {
      if (!this.#over) logger.warn({ err: error }, 'polling failed, will try again');
    }
  }

  async #claim(): Promise<void> {
    const { database } = this.#options;
    const { schema } = database;
    for (;;) {
      const limit = Math.min(claimMax, this.#loop.parking.room);
      if (limit === 0 || this.#over || !this.#claiming) return;
      const sweep = performance.now() - this.#lastSweep > sweepEveryMs;
      if (sweep) this.#lastSweep = performance.now();
      const now = this.#clock.now();
      const from = sweep ? 946_684_800_000_000 : Math.max(946_684_800_000_000, this.#watermark - watermarkSlackMicros);
      const claimed = await this.#serially(() =>
        claim(this.#control, schema, { epoch: this.epoch, slot: 0 }, { queue: this.#queue, now, from, limit }),
      );
      if (this.#over) return;
      for (const run of claimed) this.#watermark = Math.max(this.#watermark, run.wakeAt);
      if (claimed.length === 0) return;
      try {
        this.#options.failPoint?.('claimed');
        await this.#loop.adopt(claimed);
        this.#options.failPoint?.('loaded');
      } catch (error) {
        // Owned but not in memory: only a new incarnation lets others have these runs.
        this.#lose(`claimed runs could not be loaded: ${String(error)}`, error);
        return;
      }
      await this.#loop.parking.evict();
      if (claimed.length < limit) return;
    }
  }

  async #park(runs: readonly ParkedRun[]): Promise<string[]> {
    this.#options.failPoint?.('before park');
    const parked = await park(this.#control, this.#options.database.schema, { epoch: this.epoch, slot: 0 }, runs);
    this.#options.failPoint?.('after park');
    return parked;
  }

  /** One statement after the other on the control connection. */
  #serially<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#control_.then(work);
    this.#control_ = result.catch(() => undefined);
    return result;
  }

  #lose(what: string, cause?: unknown): void {
    if (this.#over) return;
    this.#end(new RuntimeError('LEASE_LOST', `This worker lost touch with the database: ${what}.`, { cause }));
  }

  #end(error: RuntimeError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#pollTimer);
    this.#options.database.local.off('wake', this.#onWake);
    this.#options.database.localQueues.delete(this.#queue);
    this.#appender.stop();
    this.#executor.abort();
    this.#loop.abort();
    for (const client of [this.#heart, this.#control, ...this.#writers]) void client.end().catch(() => undefined);
    this.#ended.resolve(error);
  }
}
