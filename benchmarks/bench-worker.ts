// A worker in a separate process. Questions start the worker, ask how much memory it uses, and stop or kill it.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

export interface BenchWorkerOptions {
  readonly taskQueue: string;
  /** File URL of the workflow code. Default: workflows.ts. */
  readonly workflows?: string;
  /** Workflow code that is already bundled; it takes the place of `workflows` and saves time at the start. */
  readonly workflowBundle?: { readonly codePath: string };
  /** File URL of the activities. Default: activities.ts. */
  readonly activities?: string;
  readonly leaseMs?: number;
  readonly maxCachedRuns?: number;
  /** Default: 1000. */
  readonly maxConcurrentActivities?: number;
  readonly maxHeartbeatThrottleInterval?: number;
  /** The process kills itself when it reaches this named moment for the nth time. */
  readonly dies?: { readonly at: string; readonly time: number };
  /** How far the process's clock is ahead of the real time. */
  readonly clockAheadMs?: number;
  /** Environment variables in addition to those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly maxPayloadBytes?: number;
  readonly bundlerOptions?: { readonly preloadModules: string[] };
}

export interface Memory {
  /** Resident set, bytes. */
  readonly rss: number;
  /** The highest resident set since the previous answer (for the first answer: since the process started), bytes. */
  readonly peak: number;
}

export class BenchWorker {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #isKilled = false;

  private constructor(child: ChildProcess, exited: Promise<unknown>) {
    this.#child = child;
    this.#exited = exited;
  }

  /** Resolves when the worker polls its task queue. A worker that `dies` may already be dead then. */
  static async start(options: BenchWorkerOptions): Promise<BenchWorker> {
    // The worker logs to stderr, because stdout is for figures.
    const child = fork(new URL('./worker-process.ts', import.meta.url), [JSON.stringify(options)], {
      stdio: ['ignore', 2, 2, 'ipc'],
      env: { ...process.env, ...options.env },
    });
    const exited = once(child, 'exit');
    const failed = exited.then(([code]) => {
      if (options.dies === undefined) throw new Error(`A worker process ended by itself with code ${String(code)}.`);
    });
    await Promise.race([once(child, 'message'), failed]);
    failed.catch(() => undefined); // no unhandled rejection when a question stops the worker
    return new BenchWorker(child, exited);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** False from the moment of SIGKILL. */
  get isAlive(): boolean {
    return !this.#isKilled && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when the process has ended, whatever ended it. */
  async ended(): Promise<void> {
    await this.#exited;
  }

  async memory(): Promise<Memory> {
    const answer = once(this.#child, 'message');
    this.#child.send('memory');
    const [memory] = (await answer) as [Memory];
    return memory;
  }

  signal(signal: NodeJS.Signals): void {
    if (signal === 'SIGKILL') this.#isKilled = true;
    this.#child.kill(signal);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.isAlive) {
      // A stopped process handles SIGTERM only after SIGCONT. SIGKILL needs none, and the process must not run once more.
      if (signal !== 'SIGKILL') this.#child.kill('SIGCONT');
      this.signal(signal);
    }
    await this.#exited;
  }
}

/** Runs workers for the duration of `work`. */
export async function withWorkers<T>(
  options: readonly BenchWorkerOptions[],
  work: (...workers: BenchWorker[]) => Promise<T>,
): Promise<T> {
  const workers: BenchWorker[] = [];
  try {
    for (const each of options) workers.push(await BenchWorker.start(each));
    return await work(...workers);
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
  }
}
