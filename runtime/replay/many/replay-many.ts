// Replays many runs with MOCK_TOOLS, a few at a time, each in a thread. Keeps no run and no verdict, so its memory does
// not grow with their number.
import { RuntimeError, type ErrorCode } from '../../core/failure/runtime-error.ts';
import { thrownMessage } from '../../core/failure/thrown-message.ts';
import type { HistoryPages } from '../../core/log/history-source.ts';
import type { WorkflowBundle } from '../../sandbox/bundle/bundle.ts';
import type { MockToolsOptions } from '../mock/mock-tools.ts';
import { Replayer } from '../thread/replayer.ts';
import type { ReplayDivergence, ReplayEnd } from '../report.ts';

/** A run that is opened only when its turn comes. */
export interface RunToReplay {
  readonly workflowId: string;
  readonly runId: string;
  open(): Promise<HistoryPages>;
}

/** Where the workflow code of each run comes from. */
export interface CodeOfRuns {
  bundleOf(source: HistoryPages): Promise<WorkflowBundle>;
}

/** What the replay of one run says. */
export interface RunVerdict {
  readonly workflowId: string;
  readonly runId: string;
  /** Undefined when the run could not be read. */
  readonly workflowType?: string;
  readonly success: boolean;
  readonly end?: ReplayEnd;
  readonly events: number;
  readonly divergences: readonly ReplayDivergence[];
  /** Numbers of recorded commands that the code does not issue, and of commands that the log does not hold. */
  readonly missing: number;
  readonly extra: number;
  /** The run was not replayed, because its log or its code cannot be read. */
  readonly error?: { readonly code: ErrorCode; readonly message: string };
  readonly ms: number;
}

/** A thread with the code that it has loaded. */
class Slot {
  #replayer: Replayer | undefined;
  #hash: string | undefined;

  async replayerOf(bundle: WorkflowBundle): Promise<Replayer> {
    if (this.#replayer !== undefined && this.#hash === bundle.hash) return this.#replayer;
    await this.close();
    this.#hash = bundle.hash;
    this.#replayer = new Replayer(bundle);
    return this.#replayer;
  }

  async close(): Promise<void> {
    const replayer = this.#replayer;
    this.#replayer = undefined;
    await replayer?.close();
  }
}

interface Done {
  readonly slot: Slot;
  readonly verdict: RunVerdict;
  readonly work: Promise<Done>;
}

export class ReplayMany {
  readonly #code: CodeOfRuns;
  readonly #options: MockToolsOptions;
  readonly #parallel: number;

  constructor(code: CodeOfRuns, parallel: number, options: MockToolsOptions = {}) {
    this.#code = code;
    this.#parallel = parallel;
    this.#options = { ...options, omitsState: true };
  }

  /** Verdicts in the order in which the replays end. */
  async *verdicts(runs: AsyncIterable<RunToReplay>): AsyncGenerator<RunVerdict, void, undefined> {
    const iterator = runs[Symbol.asyncIterator]();
    const slots = Array.from({ length: this.#parallel }, () => new Slot());
    const free = [...slots];
    const working = new Set<Promise<Done>>();
    let hasMore = true;
    try {
      while (hasMore || working.size > 0) {
        while (hasMore && free.length > 0) {
          const next = await iterator.next();
          if (next.done === true) hasMore = false;
          else working.add(this.#begin(free.pop()!, next.value));
        }
        if (working.size === 0) return;
        const { slot, verdict, work } = await Promise.race(working);
        working.delete(work);
        free.push(slot);
        yield verdict;
      }
    } finally {
      await iterator.return?.();
      await Promise.all(slots.map((slot) => slot.close()));
    }
  }

  #begin(slot: Slot, run: RunToReplay): Promise<Done> {
    const work: Promise<Done> = this.#verdict(slot, run).then((verdict) => ({ slot, verdict, work }));
    return work;
  }

  async #verdict(slot: Slot, { workflowId, runId, ...run }: RunToReplay): Promise<RunVerdict> {
    const begun = performance.now();
    const facts = { workflowId, runId };
    try {
      const source = await run.open();
      const replayer = await slot.replayerOf(await this.#code.bundleOf(source));
      const { workflowType, success, end, events, divergences, missing, extra } = await replayer.replay(
        source,
        this.#options,
      );
      const counts = { missing: missing.length, extra: extra.length };
      return { ...facts, workflowType, success, end, events, divergences, ...counts, ms: performance.now() - begun };
    } catch (error) {
      // The thread may be in the middle of a run.
      await slot.close();
      const code = error instanceof RuntimeError ? error.code : 'ASSERTION_FAILED';
      const none = { success: false, events: 0, divergences: [], missing: 0, extra: 0 };
      return { ...facts, ...none, error: { code, message: thrownMessage(error) }, ms: performance.now() - begun };
    }
  }
}
