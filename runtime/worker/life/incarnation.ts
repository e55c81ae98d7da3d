// One life of a worker: an epoch, its connections, its runs. It ends by stopping, by being declared dead, or by losing
// touch with the database; the worker then begins another one. Nothing is carried over but what is in the log.
import type pg from 'pg';
import type { Logger } from 'pino';
import { queueKey } from '../../core/run/deployment.ts';
import { activitiesNamespace } from '../../core/activity/standalone.ts';
import type { RuntimeError } from '../../core/failure/runtime-error.ts';
import { Poller } from '../../flow/poller.ts';
import type { Sandbox } from '../../sandbox/realm/sandbox.ts';
import type { ClaimedRun } from '../../store/ownership/claim.ts';
import { attemptsItem, listen, splitPayload } from '../../store/sql/notifier.ts';
import type { Database } from '../../store/sql/database.ts';
import { lookAround } from '../../store/ownership/poll.ts';
import { declareDead } from '../../store/ownership/lease.ts';
import type { Activities } from '../activities/activity-context.ts';
import { ActivityDesk, type ActivityLimits } from '../activities/activity-desk.ts';
import { OwnedRuns } from '../cache/owned-runs.ts';
import { AnnouncedMail } from '../turns/announced-mail.ts';
import { Appender } from '../turns/appender.ts';
import { RunInputs } from '../turns/run-inputs.ts';
import { Claims, claimSources, taskSources } from '../claim/claims.ts';
import { Housekeeping } from './housekeeping.ts';
import { LocalStarts } from '../claim/local-starts.ts';
import { DatabaseClock } from './clock.ts';
import { ControlSession } from './control-session.ts';
import type { FailPointListener } from './fail-point.ts';
import { Life } from './life.ts';
import { Pulse } from './pulse.ts';
import { ProgressStore } from '../activities/progress-store.ts';
import { QueryAnswerer } from '../queries/query-answerer.ts';
import { RunLoop } from '../turns/run-loop.ts';
import { openSessions, type Sessions } from './sessions.ts';
import { VersionWatch } from '../versions/version-watch.ts';
import { type WorkerVersion, WorkerVersions } from '../versions/worker-versions.ts';

export interface IncarnationOptions extends ActivityLimits {
  readonly database: Database;
  readonly sandbox: Sandbox;
  /** Null: it executes activities only, and takes no runs. */
  readonly bundleHash: string | null;
  readonly identity: string;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly activities: Activities;
  readonly client: () => unknown;
  readonly maxCachedRuns: number;
  readonly maxPayloadBytes: number;
  readonly leaseMs: number;
  readonly version?: WorkerVersion | undefined;
  readonly logger: Logger;
  readonly failPoint?: FailPointListener | undefined;
}

const idlePollMs = 100;

export class Incarnation {
  readonly #options: IncarnationOptions;
  readonly #queue: string;
  readonly #standaloneQueue: string;
  readonly #heart: pg.Client;
  readonly #life: Life;
  readonly #pulse: Pulse;
  readonly #control: ControlSession;
  readonly #mail: AnnouncedMail;
  readonly #clock = new DatabaseClock();
  readonly #loop: RunLoop;
  readonly #activities: ActivityDesk;
  readonly #claims: Claims;
  readonly #watch: VersionWatch | undefined;
  readonly #localStarts: LocalStarts;
  readonly #queries: QueryAnswerer;
  readonly #house: Housekeeping;
  /** Behind the notices: what is looked for now and then in any case. */
  readonly #pollers = [
    new Poller({
      everyMs: idlePollMs,
      look: async () => {
        this.#claims.poke();
        this.#answerQueries();
      },
      failed: (error) => this.#failed('runs could not be looked for', error),
    }),
    new Poller({
      everyMs: idlePollMs,
      look: () => this.#lookAround(),
      failed: (error) => this.#failed('mail could not be looked for', error),
    }),
  ];

  /** Registers and begins to work. @throws what connecting throws */
  static async begin(options: IncarnationOptions): Promise<Incarnation> {
    const sessions = await openSessions(options);
    try {
      const incarnation = new Incarnation(options, sessions);
      await incarnation.#start();
      return incarnation;
    } catch (error) {
      await sessions.close();
      throw error;
    }
  }

  private constructor(options: IncarnationOptions, sessions: Sessions) {
    const { epoch, heart, control, starts, rows, writers } = sessions;
    const { database, sandbox, logger, failPoint, version, namespace } = options;
    this.#options = options;
    this.#heart = heart;
    this.#queue = queueKey(options.namespace, options.taskQueue);
    this.#standaloneQueue = queueKey(activitiesNamespace(options.namespace), options.taskQueue);
    const life = new Life(epoch);
    this.#life = life;
    const connections = [heart, control, ...writers.map((writer) => writer.client as pg.Client)];
    life.owns({ stop: () => connections.forEach((client) => void client.end().catch(() => undefined)) });
    for (const client of [...connections, starts]) {
      client.on('error', (error) => life.lose(`a connection broke: ${error.message}`, error));
      client.on('end', () => life.lose('a connection ended'));
    }
    this.#control = new ControlSession(control, database, epoch, failPoint);
    const runs = new OwnedRuns();
    const inputs = life.owns(new RunInputs(this.#clock));
    this.#mail = life.owns(new AnnouncedMail());
    const progress = new ProgressStore(database, epoch, logger);
    const appender = life.owns(new Appender(writers, life, failPoint));
    const versions = version === undefined ? undefined : new WorkerVersions(version, this.#queue);
    this.#watch = versions?.isRouted === true ? this.#watchOf(versions) : undefined;
    const sources = claimSources(this.#queue, namespace, versions);
    this.#activities = new ActivityDesk({
      ...options,
      queue: this.#queue,
      sources: taskSources(this.#queue, sources, versions),
      standaloneQueue: this.#standaloneQueue,
      fence: { epoch, slot: 0 },
      reportFence: { epoch, slot: writers.length + 2 },
      clock: this.#clock,
      claimTasks: (due) => this.#control.claimTasks(due),
      mailed: (runIds) => this.#mail.announce(runIds),
      settled: (run) => inputs.settled(run),
      report: (run, input) => inputs.add(run, input),
      broken: (run, error) => inputs.fail(run, error),
      reportDurably: (run, input) => inputs.addDurably(run, input),
      progress,
    });
    this.#loop = new RunLoop({
      database,
      queue: this.#queue,
      versions,
      versionWatch: this.#watch,
      life,
      runs,
      inputs,
      announced: this.#mail,
      activities: this.#activities,
      control: this.#control,
      progress,
      sandbox,
      appender,
      clock: this.#clock,
      logger,
      maxCachedRuns: options.maxCachedRuns,
      maxPayloadBytes: options.maxPayloadBytes,
    });
    life.owns({ stop: () => this.#loop.abort() });
    life.owns({ stop: () => this.#activities.abort() });
    this.#claims = new Claims({
      sources,
      room: () => this.#room,
      now: () => this.#clock.now(),
      claim: ({ queue, route }, due) => this.#control.claim({ queue, route, ...due }),
      adopt: (claimed, queue) => this.#adopt(claimed, queue),
      failed: (error) => this.#failed('runs could not be claimed', error),
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
      versions,
      wake: () => this.#claims.poke(),
      begin: (run, built, durable) => this.#loop.begin(run, built, durable),
      failed: (run, error) => this.#loop.beginFailed(run, error),
    });
    // A start that is under way has a caller who wants to know how it went; the fence decides whose run it is.
    life.owns({ stop: () => void this.#localStarts.stop(0).then(() => starts.end().catch(() => undefined)) });
    life.owns(this.#claims);
    this.#pulse = life.owns(
      new Pulse({
        client: heart,
        schema: database.schema,
        leaseMs: options.leaseMs,
        clock: this.#clock,
        life,
        bury: (suspect, reason) => this.#bury(suspect, reason),
      }),
    );
    for (const poller of this.#pollers) life.owns(poller);
    this.#queries = life.owns(
      new QueryAnswerer({
        ...{ database, sandbox, runs, epoch, versions, logger },
        queues: sources.map((source) => source.queue),
        open: () => this.#claims.open,
      }),
    );
    this.#house = life.owns(
      new Housekeeping(database, logger, async () => {
        await this.#loop.parking.evict();
        await this.#activities.sweep();
        await this.#watch?.keep();
      }),
    );
  }

  get epoch(): number {
    return this.#life.epoch;
  }

  /** Resolves when this life is over: undefined after `stop`, else why. */
  get ended(): Promise<RuntimeError | undefined> {
    return this.#life.ended;
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
    await Promise.race([Promise.all([this.#claims.stop(), this.#localStarts.stop(graceMs)]), this.ended]);
    reached('DRAINING');
    await Promise.race([this.#activities.drain(graceMs), this.ended]);
    await Promise.race([this.#loop.parking.release(), this.ended]);
    reached('DRAINED');
    if (this.#life.isOver) return;
    this.#life.end();
    await declareDead(this.#options.database, this.epoch, 'stopped').catch(() => undefined);
  }

  /** Leaves everything as it is, at once: others take it over. */
  async breakOff(): Promise<void> {
    this.#life.end();
    await declareDead(this.#options.database, this.epoch, 'broke off').catch(() => undefined);
  }

  async #start(): Promise<void> {
    const { database } = this.#options;
    const { schema } = database;
    this.#heart.on('notification', ({ channel, payload }) => this.#notified(channel, payload ?? ''));
    const topics = ['wake', 'request', 'task', `mail_${this.epoch}`];
    await listen(this.#heart, schema, this.#watch === undefined ? topics : [...topics, 'deployment']);
    await this.#watch?.begin();
    await this.#pulse.start();
    if (this.#life.isOver) return;
    this.#joinLocal();
    this.#house.start();
    void this.#loop.run();
    for (const poller of this.#pollers) poller.nudge();
  }

  async #bury(epoch: number, reason: string): Promise<void> {
    const { database, logger } = this.#options;
    try {
      const freed = await declareDead(database, epoch, reason);
      logger.warn({ epoch, reason, runs: freed }, 'worker died, its runs are free');
      if (freed > 0) this.#claims.poke(true);
    } catch (error) {
      logger.warn({ err: error, epoch }, 'could not declare a worker dead, will try again');
    }
  }

  #notified(channel: string, payload: string): void {
    const topic = channel.slice(this.#options.database.schema.length + 1);
    if (topic === 'wake') this.#woken(splitPayload(payload));
    else if (topic === 'request') {
      if (this.#queries.isAsked(splitPayload(payload))) this.#answerQueries();
    } else if (topic === 'deployment') void this.#reroute();
    else if (topic === 'task') {
      if (this.#activities.looksInto(splitPayload(payload))) this.#activities.poke();
    } else {
      const items = splitPayload(payload);
      if (items.includes(attemptsItem)) this.#activities.check();
      this.#mail.announce(items);
    }
  }

  #woken(queues: readonly string[]): void {
    this.#claims.woken(queues);
    if (queues.includes(this.#standaloneQueue)) this.#activities.pokeStandalone();
  }

  #answerQueries(): void {
    if (this.#options.bundleHash !== null) this.#queries.poke();
  }

  async #lookAround(): Promise<void> {
    const { open } = this.#activities;
    const looked = { queues: open, standaloneQueue: this.#standaloneQueue, now: this.#clock.now() };
    const found = await lookAround(this.#options.database, this.epoch, looked);
    this.#activities.found(found);
    this.#mail.announce(found.mailed);
  }

  async #adopt(claimed: readonly ClaimedRun[], queue: string): Promise<void> {
    if (this.#life.isOver) return;
    this.#options.failPoint?.('claimed');
    await this.#loop.adopt(claimed, queue);
    this.#options.failPoint?.('loaded');
    this.#loop.parking.evict().catch((error: unknown) => this.#failed('idle runs could not be let go', error));
  }

  #watchOf(versions: WorkerVersions): VersionWatch {
    const { database, namespace, logger } = this.#options;
    return new VersionWatch({
      ...{ database, namespace, versions, logger },
      assign: (runs) => this.#control.assignQueues(runs),
      changed: () => {
        const letGo = this.#loop.parking.letGoMoving(versions);
        letGo.catch((error: unknown) => this.#failed('runs could not be handed over', error));
        this.#claims.poke(true);
      },
    });
  }

  async #reroute(): Promise<void> {
    try {
      await this.#watch?.refresh();
    } catch (error) {
      this.#failed('what is current could not be asked', error);
    }
  }

  /** Who takes runs by version starts none itself: which version a new run is for is decided where it is claimed. */
  #joinLocal(): void {
    if (this.#watch !== undefined || this.#options.bundleHash === null) return;
    const { localWorkers } = this.#options.database;
    localWorkers.set(this.#queue, (localWorkers.get(this.#queue) ?? new Set()).add(this.#localStarts));
    this.#life.owns({ stop: () => this.#leaveLocal() });
  }

  /** Of work that the next poll repeats. */
  #failed(what: string, error: unknown): void {
    if (!this.#life.isOver) this.#options.logger.warn({ err: error }, `${what}, will try again`);
  }

  #leaveLocal(): void {
    const { localWorkers } = this.#options.database;
    const workers = localWorkers.get(this.#queue);
    workers?.delete(this.#localStarts);
    if (workers?.size === 0) localWorkers.delete(this.#queue);
  }
}
