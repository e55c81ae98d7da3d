// Keeps a number of workers alive, as a supervisor does: when a worker ends, whatever ended it, another one starts at
// once.
import type { BenchWorker, BenchWorkerOptions } from '../bench-worker.ts';
import type { FailureLab } from './failure-lab.ts';

type Options = Pick<BenchWorkerOptions, 'maxConcurrentActivities' | 'maxHeartbeatThrottleInterval'>;

export class WorkerPool {
  readonly #lab: FailureLab;
  readonly #options: Options;
  readonly #starting = new Set<Promise<void>>();
  readonly #working = new Set<BenchWorker>();
  #isClosed = false;

  private constructor(lab: FailureLab, options: Options) {
    this.#lab = lab;
    this.#options = options;
  }

  /** Runs `work` with `count` workers. */
  static async open<T>(
    lab: FailureLab,
    count: number,
    work: (workers: WorkerPool) => Promise<T>,
    options: Options = {},
  ): Promise<T> {
    const pool = new WorkerPool(lab, options);
    try {
      await Promise.all(Array.from({ length: count }, () => pool.#start()));
      return await work(pool);
    } finally {
      pool.#isClosed = true;
      await pool.isComplete();
      await lab.killAll();
    }
  }

  /** Resolves when all workers work. @throws if a worker did not start */
  async isComplete(): Promise<void> {
    while (this.#starting.size > 0) await Promise.all(this.#starting);
  }

  /** Resolves when at least `count` workers work. @throws if a worker did not start */
  async haveStarted(count: number): Promise<void> {
    while (this.#working.size < count) await Promise.race(this.#starting);
  }

  /** Whether a worker with this process id works. */
  has(pid: number): boolean {
    return [...this.#working].some((worker) => worker.pid === pid && worker.isAlive);
  }

  kill(pid: number): void {
    [...this.#working].find((worker) => worker.pid === pid)?.signal('SIGKILL');
  }

  /** Kills the worker in whose memory the run is. False when the run is in no living worker at the moment. */
  async killOwner(runId: string): Promise<boolean> {
    const owner = await this.#lab.ownerOf(runId);
    if (owner === undefined) return false;
    owner.signal('SIGKILL');
    await owner.ended();
    return true;
  }

  async #start(): Promise<void> {
    const worker = await this.#lab.worker(this.#options);
    this.#working.add(worker);
    void worker.ended().then(() => {
      this.#working.delete(worker);
      if (this.#isClosed) return;
      const started = this.#start();
      this.#starting.add(started);
      started.then(
        () => this.#starting.delete(started),
        () => undefined, // stays, so that isComplete() throws
      );
    });
  }
}
