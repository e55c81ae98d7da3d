// Knows which version of the worker's deployment is current, and writes which queues the worker's runs belong to,
// according to their logs. Moves no runs between workers itself.
import { Batcher, type BatchSender } from '../../flow/batcher.ts';
import { SerialQueue } from '../../flow/serial-queue.ts';
import { deploymentPrefix, versionPrefix } from '../../core/run/deployment.ts';
import { readRouting, registerVersion } from '../../store/deployments/deployments.ts';
import { gatherTasks } from '../../store/activities/task-offers.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { homeQueue, type WorkerVersions } from './worker-versions.ts';
import type { RunWorker } from '../life/run-worker.ts';

/**
 * An offer under way when this worker registered may have missed the registration, so look once soon and then
 * regularly.
 */
const gatherAgainMs = 1_000;
const gatherEveryMs = 60_000;

export class VersionWatch implements BatchSender<LiveRun> {
  readonly #worker: RunWorker;
  readonly #versions: WorkerVersions;
  readonly #misfiled = new Batcher<LiveRun>(this);
  /** Reads the routing one at a time, so that the last read counts. */
  readonly #reads = new SerialQueue();
  #nextGathering = 0;

  constructor(worker: RunWorker, versions: WorkerVersions) {
    this.#worker = worker;
    this.#versions = versions;
  }

  /** Registers the version, moves waiting activities to its queue, and reads which version is current. */
  async begin(): Promise<void> {
    const { database, namespace } = this.#worker;
    const versions = this.#versions;
    await registerVersion(database, namespace, versions.version);
    await this.#gather(gatherAgainMs);
    await this.refresh();
  }

  /** Moves, at intervals, activities that were offered before this version had workers. */
  async sweep(): Promise<void> {
    if (performance.now() >= this.#nextGathering) await this.#gather(gatherEveryMs);
  }

  /** Reads which version is current. Returns true after a change: runs may have to leave, and others may be claimed. */
  refresh(): Promise<boolean> {
    const { database, namespace } = this.#worker;
    const versions = this.#versions;
    return this.#reads.run(async () =>
      versions.reroute(await readRouting(database, namespace, versions.version.deploymentName)),
    );
  }

  /** Called when a turn of the run is durable, because the run may now belong to another queue or another version. */
  recorded(run: LiveRun): void {
    if (run.replay !== undefined) return;
    if (this.#versions.movesOn(run)) run.isLeaving = true;
    const queue = homeQueue(run, this.#versions.queues.open);
    if (queue === undefined || queue === run.queueKey) return;
    this.#misfiled.add(run);
  }

  /** Moves activities that were offered before the version had workers from the shared queue to the version's queue. */
  async #gather(againMs: number): Promise<void> {
    const { database } = this.#worker;
    const { version, queues } = this.#versions;
    await gatherTasks(database, queues.open, [versionPrefix(version), deploymentPrefix(version.deploymentName)]);
    this.#nextGathering = performance.now() + againMs;
  }

  /** Writes the queues where these runs wait if this worker dies. */
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
      // A worker that claims such a run from its old queue gives it to the right version.
      logger.debug({ err: error }, 'queues of runs could not be changed');
    }
  }
}
