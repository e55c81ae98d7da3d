// The runs that this incarnation owns and has in memory. Decides nothing about the runs.
import type { LiveRun } from '../turns/live-run.ts';

export class OwnedRuns implements Iterable<LiveRun> {
  readonly #runs = new Map<string, LiveRun>();

  get size(): number {
    return this.#runs.size;
  }

  get(runId: string): LiveRun | undefined {
    return this.#runs.get(runId);
  }

  add(run: LiveRun): void {
    this.#runs.set(run.runId, run);
  }

  delete(run: LiveRun): void {
    this.#runs.delete(run.runId);
  }

  [Symbol.iterator](): IterableIterator<LiveRun> {
    return this.#runs.values();
  }
}
