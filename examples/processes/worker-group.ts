// The worker processes of an example: started here, watched while the example works, and stopped together.
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { WorkerProcess, type WorkerProcessOptions } from './worker-process.ts';

/** One for the program: a group that starts later hears of an earlier interruption too. */
const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]).then((): never => {
  throw new Error('Interrupted.');
});
interrupted.catch(() => undefined); // whoever waits in `during` gets the error

export class WorkerGroup {
  readonly #common: Omit<WorkerProcessOptions, 'identity'>;
  readonly #workers: WorkerProcess[] = [];
  readonly #broken = Promise.withResolvers<never>();

  constructor(common: Omit<WorkerProcessOptions, 'identity'>) {
    this.#common = common;
    mkdirSync(common.folder, { recursive: true });
    this.#broken.promise.catch(() => undefined); // whoever waits in `during` gets the error
  }

  start(identity: string, env: Record<string, string> = {}): WorkerProcess {
    const worker = new WorkerProcess({ ...this.#common, identity, env: { ...this.#common.env, ...env } });
    worker.watch().catch((error: unknown) => this.#broken.reject(error));
    this.#workers.push(worker);
    return worker;
  }

  get(identity: string): WorkerProcess {
    const worker = this.#workers.find((started) => started.identity === identity);
    if (worker === undefined) throw new Error(`No worker ${identity} was started here.`);
    return worker;
  }

  /** The result of `work`. Rejects if a worker ends by itself, or if the user interrupts the program. */
  during<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#broken.promise, interrupted]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
  }
}
