// Keeps a worker's knowledge of what is current up to date, and the queues of its runs as their logs have it.
import type { Logger } from 'pino';
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import { SerialQueue } from '../../flow/serial-queue.ts';
import type { Database } from '../../store/sql/database.ts';
import { deploymentPrefix, versionPrefix } from '../../core/run/deployment.ts';
import { readRouting, registerVersion } from '../../store/deployments/deployments.ts';
import { gatherTasks } from '../../store/activities/task-offers.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { homeQueue, type WorkerVersions } from './worker-versions.ts';

/** Where a worker's runs wait, and what its version means for them. */
export interface VersionOptions {
  /** The key of the task queue. */
  readonly queue: string;
  /** Of a worker that has a version. */
  readonly versions: WorkerVersions | undefined;
  /** Of a worker that takes runs by version. */
  readonly versionWatch: VersionWatch | undefined;
}

export interface VersionWatchOptions {
  readonly database: Database;
  readonly namespace: string;
  readonly versions: WorkerVersions;
  readonly logger: Logger;
  /** Writes where runs wait, should this worker die; answers with the ids of those whose rows were free. */
  assign(runs: readonly { readonly runKey: Uint8Array; readonly queue: string }[]): Promise<string[]>;
  /** Another version is current or ramping: runs may have to go, others may come. */
  changed(): void;
}

/** An offer that was under way when this worker came may not have seen it: looked for soon, and should it have taken long. */
const gatherAgainMs = 1_000;
const gatherEveryMs = 60_000;

export class VersionWatch implements BatchSender<LiveRun> {
  readonly #options: VersionWatchOptions;
  readonly #misfiled = new Batcher<LiveRun>(this);
  /** One read at a time: the last one is to be believed. */
  readonly #reads = new SerialQueue();
  #nextGathering = 0;

  constructor(options: VersionWatchOptions) {
    this.#options = options;
  }

  /** Makes the version known, has its activities wait for it, and learns what is current. */
  async begin(): Promise<void> {
    const { database, namespace, versions } = this.#options;
    await registerVersion(database, namespace, versions.version);
    await this.#gather(gatherAgainMs);
    await this.refresh();
  }

  /** What is done again now and then. */
  async keep(): Promise<void> {
    await this.refresh();
    if (performance.now() >= this.#nextGathering) await this.#gather(gatherEveryMs);
  }

  /** Asks what is current. */
  refresh(): Promise<void> {
    const { database, namespace, versions, changed } = this.#options;
    return this.#reads.run(async () => {
      if (versions.reroute(await readRouting(database, namespace, versions.version.deploymentName))) changed();
    });
  }

  /** The log of a run has grown: it may wait in another queue from now on, or be on its way to another version. */
  recorded(run: LiveRun): void {
    if (this.#options.versions.movesOn(run)) run.isLeaving = true;
    const queue = homeQueue(run, this.#options.versions.queues.open);
    if (queue === undefined || queue === run.queueKey) return;
    this.#misfiled.add(run);
  }

  /** Activities that were offered when no worker of the version had polled the task queue wait for all of its workers. */
  async #gather(againMs: number): Promise<void> {
    const { database, versions } = this.#options;
    const { version, queues } = versions;
    await gatherTasks(database, queues.open, [versionPrefix(version), deploymentPrefix(version.deploymentName)]);
    this.#nextGathering = performance.now() + againMs;
  }

  /** Has these runs wait where their logs say. */
  async send(misfiled: readonly LiveRun[]): Promise<void> {
    const { versions, assign, logger } = this.#options;
    const runs = misfiled.filter((run) => run.phase !== 'gone');
    if (runs.length === 0) return;
    const filed = runs.map((run) => ({ run, queue: homeQueue(run, versions.queues.open)! }));
    try {
      const done = new Set(await assign(filed.map(({ run, queue }) => ({ runKey: run.runKey, queue }))));
      for (const { run, queue } of filed) if (done.has(run.runId)) run.queueKey = queue;
    } catch (error) {
      // Whoever claims them from the old place sends them on.
      logger.debug({ err: error }, 'queues of runs could not be changed');
    }
  }
}
