// One life of a worker: an epoch, its sessions and its runs. It ends when it stops, is declared dead, or loses touch
// with the database. The worker then begins another incarnation, which knows only what is in the log. It builds, starts
// and stops the parts, and decides nothing about runs.
import type { Logger } from 'pino';
import { activitiesNamespace } from '../../core/activity/standalone.ts';
import type { RuntimeError } from '../../core/failure/runtime-error.ts';
import { queueKey } from '../../core/run/deployment.ts';
import type { Sandbox } from '../../sandbox/realm/sandbox.ts';
import { declareDead } from '../../store/ownership/lease.ts';
import type { Database } from '../../store/sql/database.ts';
import type { Activities } from '../activities/activity-context.ts';
import { ActivityDispatcher } from '../activities/activity-dispatcher.ts';
import type { ActivityLimits } from '../activities/activity-worker.ts';
import { ProgressStore } from '../activities/progress-store.ts';
import { CodeReloader } from '../cache/code-reloader.ts';
import { OwnedRuns } from '../cache/owned-runs.ts';
import { RunCache } from '../cache/run-cache.ts';
import { RunLoader } from '../cache/run-loader.ts';
import { RunTimers } from '../cache/run-timers.ts';
import { claimSources, taskSources } from '../claim/claim-sources.ts';
import { Claims } from '../claim/claims.ts';
import { LocalStarts } from '../claim/local-starts.ts';
import { Links } from '../links/links.ts';
import { ReplayForks } from '../replays/replay-forks.ts';
import { QueryAnswerer } from '../queries/query-answerer.ts';
import { AnnouncedMail } from '../turns/announced-mail.ts';
import { Checkpoints } from '../turns/checkpoints.ts';
import { EventActions } from '../turns/event-actions.ts';
import { GroupCommit } from '../turns/group-commit.ts';
import { LockedClose } from '../turns/locked-close.ts';
import { MailDelivery } from '../turns/mail-delivery.ts';
import { RunInputs } from '../turns/run-inputs.ts';
import { RunLoop } from '../turns/run-loop.ts';
import type { RunStages } from '../turns/run-stages.ts';
import { VersionWatch } from '../versions/version-watch.ts';
import { type WorkerVersion, WorkerVersions } from '../versions/worker-versions.ts';
import { DatabaseClock } from './clock.ts';
import { ControlSession } from './control-session.ts';
import type { FailPointListener } from './fail-point.ts';
import { Heartbeat } from './heartbeat.ts';
import { Housekeeping } from './housekeeping.ts';
import { Life } from './life.ts';
import { LookAround } from './look-around.ts';
import { Quarantine } from './quarantine.ts';
import { openSessions, type Sessions } from './sessions.ts';

/** How long a stopping worker waits for checkpoints that are being written. A lost one costs nothing but time. */
const checkpointsMs = 5_000;

export interface IncarnationOptions extends ActivityLimits {
  readonly database: Database;
  readonly sandbox: Sandbox;
  /** Null for a worker that only executes activities. */
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

export class Incarnation {
  readonly #database: Database;
  readonly #life: Life;
  readonly #heartbeat: Heartbeat;
  readonly #lookAround: LookAround;
  readonly #stages: RunStages;
  readonly #loop: RunLoop;
  readonly #claims: Claims;
  readonly #localStarts: LocalStarts;
  readonly #house: Housekeeping;

  /** Registers the incarnation and begins to work. @throws the error of a failed connection */
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

  /** Builds the parts from the bottom up: each part uses only parts that are built before it. */
  private constructor(options: IncarnationOptions, sessions: Sessions) {
    const { epoch, heart, writers } = sessions;
    const { database, logger, namespace, taskQueue, failPoint } = options;
    const life = new Life(epoch, logger);
    sessions.bindTo(life);
    const clock = new DatabaseClock();
    const control = new ControlSession(sessions.control, database, epoch, failPoint);
    const queue = queueKey(namespace, taskQueue);
    const versions = options.version === undefined ? undefined : new WorkerVersions(options.version, queue);
    const sources = claimSources(queue, namespace, versions);
    const worker = {
      ...options,
      ...{ life, clock, control, queue, versions },
      sources: taskSources(queue, sources, versions),
      standaloneQueue: queueKey(activitiesNamespace(namespace), taskQueue),
      takesRuns: options.bundleHash !== null,
      runs: new OwnedRuns(),
      inputs: life.owns(new RunInputs(clock, life)),
      announcedMail: life.owns(new AnnouncedMail()),
      progress: new ProgressStore(database, epoch, logger),
    };
    const activities = life.owns(new ActivityDispatcher(worker, sessions.reportFence));

    const mail = new MailDelivery(worker, activities);
    const timers = new RunTimers(worker, mail);
    const links = new Links(worker);
    const cache = life.owns(new RunCache(worker, activities, timers));
    const commit = life.owns(new GroupCommit(worker, writers));
    const checkpoints = new Checkpoints(worker);
    const lockedClose = new LockedClose(database, epoch, worker.failPoint);
    const actions = new EventActions(worker, activities, timers, links);
    const loader = new RunLoader(worker);
    const reloader = new CodeReloader(worker, loader, commit, actions);
    const quarantine = new Quarantine(worker, activities, cache, timers, reloader);
    const versionWatch = versions?.isRouted === true ? new VersionWatch(worker, versions) : undefined;
    const acting = { activities, timers, links, actions, versionWatch };
    const replays = new ReplayForks(worker, options.activities, quarantine);
    const owning = { mail, cache, commit, checkpoints, lockedClose };
    const stages = { ...acting, ...owning, loader, reloader, quarantine, replays };
    const loop = new RunLoop(worker, stages);

    const claims = life.owns(new Claims(worker, cache, loop));
    const queries = life.owns(new QueryAnswerer(worker, claims));
    const lookAround = life.owns(new LookAround(worker, heart, claims, queries, stages));

    this.#database = database;
    this.#life = life;
    this.#stages = stages;
    this.#loop = loop;
    this.#claims = claims;
    this.#localStarts = life.owns(new LocalStarts(worker, sessions, stages, loop, claims));
    this.#lookAround = lookAround;
    this.#heartbeat = life.owns(new Heartbeat(worker, heart, claims));
    this.#house = life.owns(new Housekeeping(worker, stages, lookAround));
  }

  get epoch(): number {
    return this.#life.epoch;
  }

  /** Resolves when this incarnation is over: with undefined after `stop`, otherwise with the reason. */
  get ended(): Promise<RuntimeError | undefined> {
    return this.#life.ended;
  }

  get runCount(): number {
    return this.#stages.cache.size;
  }

  /** Lets running activities end (cancels them after `graceMs`), gives all runs back, and deregisters. */
  async stop(graceMs: number, reached: (state: 'DRAINING' | 'DRAINED') => void): Promise<void> {
    await this.#unlessOver(Promise.all([this.#claims.stop(), this.#localStarts.drain(graceMs)]));
    reached('DRAINING');
    await this.#unlessOver(this.#stages.activities.drain(graceMs));
    await this.#unlessOver(this.#stages.cache.releaseAll());
    await this.#unlessOver(this.#stages.checkpoints.drain(checkpointsMs));
    reached('DRAINED');
    if (!this.#life.isOver) await this.#leave('stopped');
  }

  /** Ends the incarnation at once and leaves its work as it is. Other workers take over. */
  async breakOff(): Promise<void> {
    await this.#leave('broke off');
  }

  async #leave(reason: string): Promise<void> {
    this.#life.end();
    await declareDead(this.#database, this.epoch, reason).catch(() => undefined);
  }

  async #unlessOver(work: Promise<unknown>): Promise<void> {
    await Promise.race([work, this.ended]);
  }

  async #start(): Promise<void> {
    await this.#lookAround.listen();
    await this.#stages.versionWatch?.begin();
    await this.#heartbeat.start();
    if (this.#life.isOver) return;
    this.#localStarts.join();
    this.#house.start();
    void this.#stages.mail.run();
    void this.#loop.run();
    this.#lookAround.start();
  }
}
