// A worker in a separate process. Questions start the worker, ask how much memory it uses, and stop or kill it.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

export interface BenchWorkerOptions {
  readonly taskQueue: string;
  /** File URL of the workflow code. Default: workflows.ts. */
  readonly workflows?: string;
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

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when the worker polls its task queue. */
  static async start(options: BenchWorkerOptions): Promise<BenchWorker> {
    // The worker logs to stderr, because stdout is for figures.
    const child = fork(new URL('./worker-process.ts', import.meta.url), [JSON.stringify(options)], {
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    const failed = once(child, 'exit').then(([code]) => {
      throw new Error(`A worker process ended by itself with code ${String(code)}.`);
    });
    await Promise.race([once(child, 'message'), failed]);
    failed.catch(() => undefined); // no unhandled rejection when a question stops the worker
    return new BenchWorker(child);
  }

  async memory(): Promise<Memory> {
    const answer = once(this.#child, 'message');
    this.#child.send('memory');
    const [memory] = (await answer) as [Memory];
    return memory;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGCONT'); // a stopped process handles SIGTERM only after SIGCONT
    this.#child.kill(signal);
    await ended;
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
