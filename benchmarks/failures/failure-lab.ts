// Where questions lose workers: the workers of one task queue, all with the same code, and a file that counts the
// executions of activities. All workers are killed at the end.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { bundleWorkflowCode } from 'reprise/worker';
import type { Bench } from '../bench.ts';
import { BenchWorker, type BenchWorkerOptions } from '../bench-worker.ts';
import { type Effect, effectFileVariable, effectsOf } from './effect-log.ts';

/** The files of the workflows and of the activities. */
export interface Code {
  readonly workflows: URL;
  readonly activities: URL;
}

const usualCode: Code = {
  workflows: new URL('./workflows.ts', import.meta.url),
  activities: new URL('./activities.ts', import.meta.url),
};

type WorkerOptions = Omit<BenchWorkerOptions, 'taskQueue' | 'workflows' | 'workflowBundle' | 'activities' | 'env'>;

export class FailureLab {
  readonly bench: Bench;
  readonly taskQueue: string;
  readonly #code: Code;
  readonly #folder: string;
  readonly #workers = new Set<BenchWorker>();
  readonly #bundles = new Map<string, Promise<string>>();

  private constructor(bench: Bench, taskQueue: string, code: Code, folder: string) {
    this.bench = bench;
    this.taskQueue = taskQueue;
    this.#code = code;
    this.#folder = folder;
  }

  static async open<T>(
    bench: Bench,
    taskQueue: string,
    work: (lab: FailureLab) => Promise<T>,
    code: Partial<Code> = {},
  ): Promise<T> {
    const folder = await mkdtemp(join(tmpdir(), 'reprise-failures-'));
    const lab = new FailureLab(bench, taskQueue, { ...usualCode, ...code }, folder);
    try {
      await writeFile(lab.#effectFile, '');
      return await work(lab);
    } finally {
      await lab.killAll();
      await rm(folder, { recursive: true });
    }
  }

  /** Starts a worker. `workflows`: a file that takes the place of the lab's. */
  async worker(options: WorkerOptions = {}, workflows = this.#code.workflows): Promise<BenchWorker> {
    const worker = await BenchWorker.start({
      ...options,
      taskQueue: this.taskQueue,
      workflowBundle: { codePath: await this.#bundle(workflows) },
      activities: this.#code.activities.href,
      env: { [effectFileVariable]: this.#effectFile },
    });
    this.#workers.add(worker);
    return worker;
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.stop('SIGKILL')));
    this.#workers.clear();
  }

  /** All executions of activities so far. */
  effects(): Effect[] {
    return effectsOf(this.#effectFile);
  }

  /** The worker in whose memory the run is; undefined while the run is in none of this lab's living workers. */
  async ownerOf(runId: string): Promise<BenchWorker | undefined> {
    const { rows } = await this.bench.pool.query<{ identity: string }>(
      'select w.identity from reprise.ready r join reprise.workers w on w.epoch = r.owner where r.run_id = $1',
      [runId],
    );
    const pid = Number(rows[0]?.identity.split('@')[0]);
    return [...this.#workers].find((worker) => worker.pid === pid && worker.isAlive);
  }

  get #effectFile(): string {
    return join(this.#folder, 'effects');
  }

  /** Bundles the code once, so that workers start faster. */
  #bundle(code: URL): Promise<string> {
    const made = this.#bundles.get(code.href) ?? this.#makeBundle(code);
    this.#bundles.set(code.href, made);
    return made;
  }

  async #makeBundle(code: URL): Promise<string> {
    const path = join(this.#folder, `${basename(code.pathname)}.bundle`);
    const bundle = await bundleWorkflowCode({ workflowsPath: code });
    await writeFile(path, JSON.stringify(bundle));
    return path;
  }
}
