// A worker in a process of its own: questions start it, ask for its memory, stop it or kill it.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

export interface BenchWorkerOptions {
  readonly taskQueue: string;
  /** File URL of the workflow code; default workflows.ts. */
  readonly workflows?: string;
  readonly maxPayloadBytes?: number;
  readonly bundlerOptions?: { readonly preloadModules: string[] };
}

export interface Memory {
  /** Resident set, bytes. */
  readonly rss: number;
  /** The highest resident set since the last answer; in the first answer, since the process started. */
  readonly peak: number;
}

export class BenchWorker {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when it polls its task queue. */
  static async start(options: BenchWorkerOptions): Promise<BenchWorker> {
    // Its log goes to stderr, because stdout is for figures.
    const child = fork(new URL('./worker-process.ts', import.meta.url), [JSON.stringify(options)], {
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    const failed = once(child, 'exit').then(([code]) => {
      throw new Error(`A worker process ended by itself with code ${String(code)}.`);
    });
    await Promise.race([once(child, 'message'), failed]);
    failed.catch(() => undefined); // no unhandled rejection when a question ends it
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
    this.#child.kill('SIGCONT'); // a stopped process takes no other signal
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
