// A worker in a separate process. A task queue may have any number of workers, on several machines.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export class WorkerProcess {
  readonly identity: string;
  readonly #child: ChildProcess;
  readonly #logFile: string;
  #expectedToEnd = false;

  constructor(options: { identity: string; taskQueue: string; folder: string; env: Record<string, string> }) {
    this.identity = options.identity;
    this.#logFile = join(options.folder, `${options.identity}.log`);
    const log = openSync(this.#logFile, 'a');
    const program = fileURLToPath(new URL('./worker.ts', import.meta.url));
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
    const log = readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-30).join('\n');
    throw new Error(
      `${this.identity} ended by itself (${signal ?? `exit code ${code}`}). ${this.#logFile} ends:\n${log}`,
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
