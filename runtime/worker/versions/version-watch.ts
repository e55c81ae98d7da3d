// Keeps a worker's knowledge of what is current up to date, and the queues of its runs as their logs have it.
import type { Logger } from 'pino';
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

export class VersionWatch {
  readonly #options: VersionWatchOptions;
  #misfiled = new Set<LiveRun>();
  #asking = false;
  #askAgain = false;
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
  async refresh(): Promise<void> {
    if (this.#asking) {
      this.#askAgain = true;
      return;
    }
    this.#asking = true;
    try {
      do {
        this.#askAgain = false;
        const { database, namespace, versions } = this.#options;
        const routing = await readRouting(database, namespace, versions.version.deploymentName);
        if (versions.reroute(routing)) this.#options.changed();
      } while (this.#askAgain);
    } finally {
      this.#asking = false;
    }
  }

  /** The log of a run has grown: it may wait in another queue from now on, or be on its way to another version. */
  recorded(run: LiveRun): void {
    if (this.#options.versions.movesOn(run)) run.isLeaving = true;
    const queue = homeQueue(run, this.#options.versions.queues.open);
    if (queue === undefined || queue === run.queueKey) return;
    this.#misfiled.add(run);
    if (this.#misfiled.size === 1) setImmediate(() => void this.#file());
  }

  /** Activities that were offered when no worker of the version had polled the task queue wait for all of its workers. */
  async #gather(againMs: number): Promise<void> {
    const { database, versions } = this.#options;
    const { version, queues } = versions;
    await gatherTasks(database, queues.open, [versionPrefix(version), deploymentPrefix(version.deploymentName)]);
    this.#nextGathering = performance.now() + againMs;
  }

  async #file(): Promise<void> {
    const { versions, assign, logger } = this.#options;
    const runs = [...this.#misfiled].filter((run) => run.phase !== 'gone');
    this.#misfiled = new Set();
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
