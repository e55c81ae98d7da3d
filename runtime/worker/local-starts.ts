// Starts by clients of this worker's own process: the run belongs to the worker from its first moment, so that it needs
// no notice, no claim and no reading back of what the client just wrote.
import type pg from 'pg';
import { draft } from '../history/draft.ts';
import type { ClaimedRun, Fence } from '../store/claim.ts';
import type { LocalWorker } from '../store/database.ts';
import { type NewRun, type OwnedStart, startOwnedRuns } from '../store/start-run.ts';

export interface LocalStartsOptions {
  /** A connection for nothing else: its fence is held as long as a start waits for somebody's workflow id. */
  readonly client: pg.ClientBase;
  readonly schema: string;
  readonly fence: Fence;
  /** How many more runs this process has room for. */
  room(): number;
  wake(): void;
  adopt(started: readonly ClaimedRun[]): Promise<void>;
}

export class LocalStarts implements LocalWorker {
  readonly #options: LocalStartsOptions;
  #starting: Promise<unknown> | undefined;
  #stopped = false;

  constructor(options: LocalStartsOptions) {
    this.#options = options;
  }

  wake(): void {
    this.#options.wake();
  }

  start(runs: readonly NewRun[]): Promise<Set<string>> | undefined {
    if (this.#stopped || this.#starting !== undefined || this.#options.room() < runs.length) return undefined;
    const starting = this.#start(runs).finally(() => {
      this.#starting = undefined;
    });
    this.#starting = starting.catch(() => undefined);
    return starting;
  }

  /** Starts nothing any more; resolves when what was started is adopted. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#starting;
  }

  async #start(runs: readonly NewRun[]): Promise<Set<string>> {
    const { client, schema, fence, adopt, wake } = this.#options;
    const started = await startOwnedRuns(client, schema, fence, runs);
    const own: ClaimedRun[] = [];
    for (const run of runs) {
      const start = started.get(run.runId);
      if (start?.owned === true) own.push(asClaimed(run, start));
    }
    if (own.length < started.size) wake();
    if (own.length > 0) void adopt(own);
    return new Set(started.keys());
  }
}

function asClaimed({ runId, workflowType, args, meta }: NewRun, { at }: OwnedStart): ClaimedRun {
  const columns = draft(1, 'WorkflowStarted', { name: workflowType, payload: args, meta });
  return { runId, mail: 0, lost: null, wakeAt: at, start: { ...columns, runId, at, hash: null } };
}
