// Inputs that somebody waits for until they are in the log, such as the beginning of an `unsafe` attempt.
import type { Input } from '../../core/run/input.ts';
import type { LiveRun } from './live-run.ts';

export class DurableInputs {
  readonly #waiting = new Map<Input, { run: LiveRun; resolve: () => void }>();

  /** Resolves when the input was appended, or its run is gone. */
  wait(run: LiveRun, input: Input): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(input, { run, resolve }));
  }

  appended(inputs: readonly Input[]): void {
    if (this.#waiting.size > 0) for (const input of inputs) this.#settle(input);
  }

  forget(run: LiveRun): void {
    for (const [input, waiting] of this.#waiting) if (waiting.run === run) this.#settle(input);
  }

  #settle(input: Input): void {
    this.#waiting.get(input)?.resolve();
    this.#waiting.delete(input);
  }
}
