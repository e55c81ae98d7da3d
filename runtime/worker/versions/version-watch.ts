// Knows which version of the worker's deployment is current, and files the worker's runs under the queues that their logs
// name. It moves no run by itself.
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import { SerialQueue } from '../../flow/serial-queue.ts';
import { deploymentPrefix, versionPrefix } from '../../core/run/deployment.ts';
import { readRouting, registerVersion } from '../../store/deployments/deployments.ts';
import { gatherTasks } from '../../store/activities/task-offers.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { homeQueue, type WorkerVersions } from './worker-versions.ts';
import type { RunWorker } from '../life/run-worker.ts';

/** An offer under way when this worker registered may not have seen it: look soon, and then now and then. */
const gatherAgainMs = 1_000;
const gatherEveryMs = 60_000;

export class VersionWatch implements BatchSender<LiveRun> {
  readonly #worker: RunWorker;
  readonly #versions: WorkerVersions;
  readonly #misfiled = new Batcher<LiveRun>(this);
  /** One read at a time: the last one counts. */
  readonly #reads = new SerialQueue();
  #nextGathering = 0;

  constructor(worker: RunWorker, versions: WorkerVersions) {
    this.#worker = worker;
    this.#versions = versions;
  }

  /** Makes the version known, has its activities wait for it, and learns what is current. */
  async begin(): Promise<void> {
    const { database, namespace } = this.#worker;
    const versions = this.#versions;
    await registerVersion(database, namespace, versions.version);
    await this.#gather(gatherAgainMs);
    await this.refresh();
  }

  /** Collects again, now and then, the activities that were offered before this version had workers. */
  async sweep(): Promise<void> {
    if (performance.now() >= this.#nextGathering) await this.#gather(gatherEveryMs);
  }

  /** Asks what is current. True when it has changed: runs may have to go, others may come. */
  refresh(): Promise<boolean> {
    const { database, namespace } = this.#worker;
    const versions = this.#versions;
    return this.#reads.run(async () =>
      versions.reroute(await readRouting(database, namespace, versions.version.deploymentName)),
    );
  }

  /** A turn of the run is durable: from now on the run may belong to another queue or to another version. */
  recorded(run: LiveRun): void {
    if (this.#versions.movesOn(run)) run.isLeaving = true;
    const queue = homeQueue(run, this.#versions.queues.open);
    if (queue === undefined || queue === run.queueKey) return;
    this.#misfiled.add(run);
  }

  /** Activities offered before the version has workers are in the shared queue: its first worker moves them to its own. */
  async #gather(againMs: number): Promise<void> {
    const { database } = this.#worker;
    const { version, queues } = this.#versions;
    await gatherTasks(database, queues.open, [versionPrefix(version), deploymentPrefix(version.deploymentName)]);
    this.#nextGathering = performance.now() + againMs;
  }

  /** Writes where these runs wait, should this worker die. */
  async send(misfiled: readonly LiveRun[]): Promise<void> {
    const { control, logger } = this.#worker;
    const { open } = this.#versions.queues;
    const runs = misfiled.filter((run) => run.phase !== 'gone');
    if (runs.length === 0) return;
    const filed = runs.map((run) => ({ run, queue: homeQueue(run, open)! }));
    try {
      const done = new Set(await control.assignQueues(filed.map(({ run, queue }) => ({ runKey: run.runKey, queue }))));
      for (const { run, queue } of filed) if (done.has(run.runId)) run.queueKey = queue;
    } catch (error) {
      // A worker that claims them from the old queue sends them on.
      logger.debug({ err: error }, 'queues of runs could not be changed');
    }
  }
}
