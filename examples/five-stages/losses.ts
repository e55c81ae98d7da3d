// Takes two of the three workers away while the job runs: one hangs and later wakes, the other is killed.
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { WorkflowHandle } from 'reprise/client';
import type { WorkerGroup } from '../processes/worker-group.ts';
import { fatalEpoch } from './activities.ts';
import { lossFile, readStageLog, type StageLine } from './stage-log.ts';

export interface Loss {
  readonly worker: string;
  readonly signal: 'SIGSTOP' | 'SIGKILL';
  readonly stage: string;
  /** ms since 1970. */
  readonly at: number;
}

export class Losses {
  readonly #handle: WorkflowHandle;
  readonly #pool: pg.Pool;
  readonly #workers: WorkerGroup;
  readonly #folder: string;

  constructor(handle: WorkflowHandle, pool: pg.Pool, workers: WorkerGroup, folder: string) {
    this.#handle = handle;
    this.#pool = pool;
    this.#workers = workers;
    this.#folder = folder;
  }

  /** The worker hangs, as in a long swap or a frozen virtual machine. Its lease must expire. */
  async hang(): Promise<Loss> {
    const { worker } = await this.#line('clean', 'starts');
    await this.#pollers(3);
    return this.#lose('SIGSTOP', 'clean', worker);
  }

  /** The worker dies. Postgres notices at once that its session has ended. */
  async kill(): Promise<Loss> {
    const { worker } = await this.#line('train', `epoch ${fatalEpoch}`);
    await until(async () => (await this.#storedEpoch()) === fatalEpoch);
    await this.#pollers(2);
    return this.#lose('SIGKILL', 'train', worker);
  }

  /** Wakes the worker that hangs. It does not know that its stage was given to another, and finishes it. */
  async wake({ worker, stage }: Loss): Promise<void> {
    await until(async () => this.#lines('train', `epoch ${fatalEpoch}`).length === 2);
    this.#workers.get(worker).kill('SIGCONT');
    await until(async () => this.#lines(stage, 'ends').some((line) => line.worker === worker));
  }

  #lose(signal: Loss['signal'], stage: string, worker: string): Loss {
    this.#workers.get(worker).kill(signal);
    const at = Date.now();
    writeFileSync(lossFile(this.#folder, stage), '');
    return { worker, signal, stage, at };
  }

  #lines(stage: string, what: string): StageLine[] {
    return readStageLog(this.#folder).filter((line) => line.stage === stage && line.what === what);
  }

  async #line(stage: string, what: string): Promise<StageLine> {
    await until(async () => this.#lines(stage, what).length > 0);
    return this.#lines(stage, what)[0]!;
  }

  /** Waits until so many workers could take the run, so that the time of the takeover is not that of a start. */
  async #pollers(count: number): Promise<void> {
    await until(async () => (await this.#handle.describe()).pollers >= count);
  }

  /** The epoch of the last heartbeat that the database has. After the first byte, which names the form, it is JSON. */
  async #storedEpoch(): Promise<number | undefined> {
    const { runId } = await this.#handle.describe();
    const { rows } = await this.#pool.query<{ epoch: number }>(
      `select (convert_from(substring(details from 2), 'UTF8')::json->>'epoch')::int as epoch
from reprise.activity_heartbeats where run_id = $1`,
      [runId],
    );
    return rows[0]?.epoch;
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10);
}
