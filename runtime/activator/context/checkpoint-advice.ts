// What the code of a run says about checkpoints of its context: the strategy of the workflow, and the document's text.
import type { CheckpointStrategy, CheckpointTail } from '../../core/recovery/checkpoint-strategy.ts';
import { type CurrentRun, enterRun } from '../run/current-run.ts';
import { taskFailureOf } from '../run/task-failure.ts';

export class CheckpointAdvice {
  readonly #run: CurrentRun;
  /** From the workflow's options, which are known once its function is called. */
  strategy: CheckpointStrategy = 'automatic';

  constructor(run: CurrentRun) {
    this.#run = run;
  }

  /** What a strategy that is a function says, or the text of the error that it threw. It cannot write. */
  isDue(tail: CheckpointTail): boolean | string {
    const { strategy } = this;
    if (typeof strategy !== 'function') return false;
    enterRun(this.#run);
    this.#run.turn.openQuery();
    try {
      return strategy(tail) === true;
    } catch (thrown) {
      return taskFailureOf(thrown).message;
    } finally {
      this.#run.turn.takeLogs();
    }
  }

  /** JSON text of the context's document; undefined while the code has no context. */
  get text(): string | undefined {
    return this.#run.context.text;
  }
}
