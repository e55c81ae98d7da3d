// A worker in a separate process. A task queue may have any number of workers, on several machines.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface WorkerProcessOptions {
  /** The program of the worker, which gets the task queue and the identity as arguments. */
  readonly program: URL;
  readonly identity: string;
  readonly taskQueue: string;
  /** Where the worker's log is written. */
  readonly folder: string;
  readonly env: Record<string, string>;
}

export class WorkerProcess {
  readonly identity: string;
  readonly logFile: string;
  readonly #child: ChildProcess;
  #expectedToEnd = false;

  constructor(options: WorkerProcessOptions) {
    this.identity = options.identity;
    this.logFile = join(options.folder, `${options.identity}.log`);
    const log = openSync(this.logFile, 'a');
    const program = fileURLToPath(options.program);
    this.#child = spawn(process.execPath, [...process.execArgv, program, options.taskQueue, options.identity], {
      env: { ...process.env, ...options.env },
      stdio: ['ignore', log, log, 'ipc'],
      // A separate process group, so that Ctrl-C reaches only main.ts, which then stops everything in order.
      detached: true,
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Rejects if the process ends before this program stops or kills it. */
  async watch(): Promise<never> {
    const [code, signal] = await once(this.#child, 'exit');
    if (this.#expectedToEnd) return new Promise(() => {});
    const log = readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-30).join('\n');
    throw new Error(
      `${this.identity} ended by itself (${signal ?? `exit code ${code}`}). ${this.logFile} ends:\n${log}`,
    );
  }

  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#expectedToEnd = true;
    this.#child.kill(signal);
  }

  /** Stops the worker. Its running activities may end within 5 s. */
  async stop(): Promise<void> {
    this.#expectedToEnd = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGCONT');
    this.#child.kill('SIGTERM');
    const tooLate = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(tooLate);
  }
}
