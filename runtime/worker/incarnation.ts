// One life of a worker: an epoch, its connections, its runs. It ends by stopping, by being declared dead, or by losing
// touch with the database; the worker then begins another one. Nothing is carried over but what is in the log.
import type pg from 'pg';
import type { Logger } from 'pino';
import { RuntimeError } from '../history/runtime-error.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { EventRows } from '../store/event-rows.ts';
import { LogWriter } from '../store/append.ts';
import { claim, type ClaimedRun, park, type ParkedRun } from '../store/claim.ts';
import { attemptsItem, listen, splitPayload } from '../store/notifier.ts';
import type { Database } from '../store/database.ts';
import { lookAround } from '../store/poll.ts';
import { backendPid, declareDead, type Heartbeat, heartbeat, register } from '../store/lease.ts';
import type { ActivityFunction } from './activity-context.ts';
import { ActivityDesk } from './activity-desk.ts';
import { AnnouncedMail } from './announced-mail.ts';
import { Appender } from './appender.ts';
import { Claimer } from './claimer.ts';
import { Housekeeping } from './housekeeping.ts';
import { LocalStarts } from './local-starts.ts';
import { DatabaseClock } from './clock.ts';
import type { FailPointListener } from './fail-point.ts';
import { QueryAnswerer } from './query-answerer.ts';
import { RunLoop } from './run-loop.ts';

export interface IncarnationOptions {
  readonly database: Database;
  readonly sandbox: Sandbox;
  /** Null: it executes activities only, and takes no runs. */
  readonly bundleHash: string | null;
  readonly identity: string;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly activities: Readonly<Record<string, ActivityFunction>>;
  readonly maxCachedRuns: number;
  readonly maxConcurrentActivities: number;
  readonly maxActivitiesPerSecond?: number | undefined;
  readonly maxTaskQueueActivitiesPerSecond?: number | undefined;
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
  readonly #sessions: readonly pg.Client[];
  readonly #starts: pg.Client;
  readonly #clock = new DatabaseClock();
  readonly #loop: RunLoop;
  readonly #activities: ActivityDesk;
  readonly #claimer: Claimer;
  readonly #localStarts: LocalStarts;
  readonly #appender: Appender;
  readonly #queries: QueryAnswerer;
  readonly #house: Housekeeping;
  readonly #mail: AnnouncedMail;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #ended = Promise.withResolvers<RuntimeError | undefined>();
  #over = false;
  #beating = false;
  #lastBeat = performance.now();
  #healthySince = performance.now();
  #control_: Promise<unknown> = Promise.resolve();

  /** Registers and begins to work. @throws what connecting throws */
  static async begin(options: IncarnationOptions): Promise<Incarnation> {
    const { database } = options;
    const clients: pg.Client[] = [];
    try {
      const opening = ['heart', 'control', 'starts'].map((name) => database.dedicated(`reprise ${name}`));
      for (let i = 1; i <= writerCount; i++)
        opening.push(database.dedicated(`reprise writer ${i}`, { pipeline: true }));
      const opened = await Promise.allSettled(opening);
      for (const each of opened) if (each.status === 'fulfilled') clients.push(each.value);
      for (const each of opened) if (each.status === 'rejected') throw each.reason;
      const [heart, control, starts, ...writing] = clients as [pg.Client, pg.Client, pg.Client, ...pg.Client[]];
      // The last guards reports of activities, which go through the pool.
      const backendPids = [...(await Promise.all([control, ...writing, starts].map(backendPid))), null];
      const epoch = await register(heart, database.schema, {
        identity: options.identity,
        queue: queueKey(options.namespace, options.taskQueue),
        bundleHash: options.bundleHash,
        leaseMs: options.leaseMs,
        backendPids,
        activityTypes: Object.keys(options.activities),
      });
      const writers = await Promise.all(
        writing.map((client, i) => LogWriter.open(client, database.schema, epoch, i + 1)),
      );
      const rows = await EventRows.open(starts, database.schema);
      const incarnation = new Incarnation(options, epoch, { heart, control, starts, rows, writers });
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
    sessions: {
      heart: pg.Client;
      control: pg.Client;
      starts: pg.Client;
      rows: EventRows;
      writers: readonly LogWriter[];
    },
  ) {
    const { heart, control, starts, rows, writers } = sessions;
    this.#options = options;
    this.epoch = epoch;
    this.#heart = heart;
    this.#control = control;
    this.#sessions = [heart, control, ...writers.map((writer) => writer.client as pg.Client)];
    this.#starts = starts;
    const { database, sandbox, logger } = options;
    this.#queue = queueKey(options.namespace, options.taskQueue);
    for (const client of [...this.#sessions, starts]) {
      client.on('error', (error) => this.#lose(`a connection broke: ${error.message}`, error));
      client.on('end', () => this.#lose('a connection ended'));
    }
    this.#appender = new Appender(writers, (error) => this.#end(error), options.failPoint);
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
      mailed: (runId) => void this.#mail.announce([runId]),
      fatal: (error) => this.#end(error),
    });
    this.#activities = new ActivityDesk({
      ...options,
      queue: this.#queue,
      fence: { epoch, slot: 0 },
      reportFence: { epoch, slot: writers.length + 2 },
      maxConcurrent: options.maxConcurrentActivities,
      clock: this.#clock,
      serially: (work) => this.#serially(() => work(control)),
      mailed: (runIds) => void this.#mail.announce(runIds),
      settled: (run) => this.#loop.settled(run),
      report: (run, input) => this.#loop.enqueue(run, input),
      reportDurably: (run, input) => this.#loop.enqueueDurably(run, input),
    });
    this.#loop.attach(this.#activities);
    this.#claimer = new Claimer({
      room: () => this.#room,
      now: () => this.#clock.now(),
      claim: (due) =>
        this.#serially(() => claim(control, database.schema, { epoch, slot: 0 }, { queue: this.#queue, ...due })),
      adopt: (claimed) => this.#adopt(claimed),
      failed: (error) => {
        if (!this.#over) logger.warn({ err: error }, 'runs could not be claimed, will try again');
      },
      // Owned but not in memory: only a new incarnation lets others have these runs.
      lost: (error) => this.#lose(`claimed runs could not be loaded: ${String(error)}`, error),
    });
    this.#localStarts = new LocalStarts({
      client: starts,
      rows,
      schema: database.schema,
      fence: { epoch, slot: writers.length + 1 },
      room: () => this.#room,
      sandbox,
      maxPayloadBytes: options.maxPayloadBytes,
      now: () => this.#clock.now(),
      wake: () => this.#claimer.poke(),
      begin: (run, built, durable) => this.#loop.begin(run, built, durable),
    });
    this.#mail = new AnnouncedMail(logger, (runIds) => this.#loop.mail.read(runIds));
    this.#house = new Housekeeping(database, logger, async () => {
      await this.#loop.parking.evict();
      await this.#activities.sweep();
    });
    this.#queries = new QueryAnswerer({ database, sandbox, loop: this.#loop, queue: this.#queue, epoch, logger });
  }

  /** Resolves when this life is over: undefined after `stop`, else why. */
  get ended(): Promise<RuntimeError | undefined> {
    return this.#ended.promise;
  }

  get #room(): number {
    return this.#options.bundleHash === null ? 0 : this.#loop.parking.room;
  }

  get runCount(): number {
    return this.#loop.parking.size;
  }

  /** Lets running activities end (or tells them to after `graceMs`), gives all runs back and leaves. */
  async stop(graceMs: number, reached: (state: 'DRAINING' | 'DRAINED') => void): Promise<void> {
    this.#leaveLocal();
    await Promise.race([Promise.all([this.#claimer.stop(), this.#localStarts.stop(graceMs)]), this.ended]);
    reached('DRAINING');
    await Promise.race([this.#activities.drain(graceMs), this.ended]);
    await Promise.race([this.#loop.parking.release(), this.ended]);
    reached('DRAINED');
    if (this.#over) return;
    this.#end(undefined);
    await declareDead(this.#options.database, this.epoch, 'stopped').catch(() => undefined);
  }

  /** Leaves everything as it is, at once: others take it over. */
  async breakOff(): Promise<void> {
    this.#end(undefined);
    await declareDead(this.#options.database, this.epoch, 'broke off').catch(() => undefined);
  }

  async #start(): Promise<void> {
    const { database } = this.#options;
    const { schema } = database;
    this.#heart.on('notification', ({ channel, payload }) => this.#notified(channel, payload ?? ''));
    await listen(this.#heart, schema, ['wake', 'request', 'task', `mail_${this.epoch}`]);
    await this.#beat();
    if (this.#over) return;
    this.#joinLocal();
    this.#timers.push(
      setInterval(() => void this.#beat(), heartbeatMs),
      setInterval(() => void this.#house.keep(), housekeepingMs),
      setInterval(() => void this.#poll(), idlePollMs),
    );
    void this.#poll();
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
    for (const { epoch, sessionEnded } of beat.suspects) {
      if (sessionEnded || trusted) await this.#bury(epoch, sessionEnded ? 'session ended' : 'lease expired');
    }
  }

  async #bury(epoch: number, reason: string): Promise<void> {
    const { database, logger } = this.#options;
    try {
      const freed = await declareDead(database, epoch, reason);
      logger.warn({ epoch, reason, runs: freed }, 'worker died, its runs are free');
      if (freed > 0) this.#claimer.poke(true);
    } catch (error) {
      logger.warn({ err: error, epoch }, 'could not declare a worker dead, will try again');
    }
  }

  #notified(channel: string, payload: string): void {
    const topic = channel.slice(this.#options.database.schema.length + 1);
    if (topic === 'wake') {
      if (splitPayload(payload).includes(this.#queue)) this.#claimer.poke();
    } else if (topic === 'request') {
      if (splitPayload(payload).includes(this.#queue)) void this.#answerQueries();
    } else if (topic === 'task') {
      if (splitPayload(payload).includes(this.#queue)) this.#activities.poke();
    } else {
      const items = splitPayload(payload);
      if (items.includes(attemptsItem)) this.#activities.check();
      void this.#mail.announce(items);
    }
  }

  async #answerQueries(): Promise<void> {
    if (this.#options.bundleHash === null) return;
    try {
      await this.#queries.poll();
    } catch (error) {
      if (!this.#over) this.#options.logger.warn({ err: error }, 'queries could not be answered, will try again');
    }
  }

  /** What notices may have missed. */
  async #poll(): Promise<void> {
    this.#claimer.poke();
    void this.#answerQueries();
    try {
      const looked = { queue: this.#queue, now: this.#clock.now() };
      const found = await lookAround(this.#options.database, this.epoch, looked);
      if (found.tasks) this.#activities.poke();
      if (found.expired) void this.#activities.expire();
      await this.#mail.announce(found.mailed);
    } catch (error) {
      if (!this.#over) this.#options.logger.warn({ err: error }, 'mail could not be looked for, will try again');
    }
  }

  async #adopt(claimed: readonly ClaimedRun[]): Promise<void> {
    if (this.#over) return;
    this.#options.failPoint?.('claimed');
    await this.#loop.adopt(claimed);
    this.#options.failPoint?.('loaded');
    this.#loop.parking.evict().catch((error: unknown) => {
      if (!this.#over) this.#options.logger.warn({ err: error }, 'idle runs could not be let go, will try again');
    });
  }

  #joinLocal(): void {
    if (this.#options.bundleHash === null) return;
    const { localWorkers } = this.#options.database;
    localWorkers.set(this.#queue, (localWorkers.get(this.#queue) ?? new Set()).add(this.#localStarts));
  }

  #leaveLocal(): void {
    const { localWorkers } = this.#options.database;
    const workers = localWorkers.get(this.#queue);
    workers?.delete(this.#localStarts);
    if (workers?.size === 0) localWorkers.delete(this.#queue);
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
    this.#house.stop();
    this.#mail.stop();
    for (const timer of this.#timers) clearInterval(timer);
    this.#leaveLocal();
    void this.#claimer.stop();
    // A start that is under way has a caller who wants to know how it went; the fence decides whose run it is.
    void this.#localStarts.stop(0).then(() => this.#starts.end().catch(() => undefined));
    this.#appender.stop();
    this.#activities.abort();
    this.#loop.abort();
    for (const client of this.#sessions) void client.end().catch(() => undefined);
    this.#ended.resolve(error);
  }
}
