// What happened to runs and is not in their logs yet: outcomes of activities, timers, mail, answers of other runs. Whoever
// has something for a run puts it here; RunLoop is the only reader. It activates nothing and writes nothing.
import type { Input } from '../../core/run/input.ts';
import { Rounds } from '../../flow/rounds.ts';
import type { DatabaseClock } from '../life/clock.ts';
import { isEarly, type LiveRun } from './live-run.ts';

export class RunInputs {
  readonly #clock: DatabaseClock;
  readonly #rounds = new Rounds<LiveRun>();
  /** Inputs that somebody waits for until they are in the log, such as the start of an `unsafe` attempt. */
  readonly #awaited = new Map<Input, { run: LiveRun; resolve: () => void }>();
  readonly #broken = new Map<LiveRun, unknown>();
  #stopped = false;

  constructor(clock: DatabaseClock) {
    this.#clock = clock;
  }

  /** Something happened to the run: it goes into the log with the run's next turn. */
  add(run: LiveRun, input: Input): void {
    if (run.phase === 'gone' || this.#stopped) return;
    run.queue.push(input);
    if (run.waitsUntil > 0 && isEarly(run, input, this.#clock.now())) return;
    if (run.phase === 'idle') run.phase = 'queued';
    if (run.phase === 'queued' || run.phase === 'reloading' || run.phase === 'quarantined') this.#rounds.add(run);
  }

  /** The same; resolves when the input is in the log, or the run is gone. */
  async addDurably(run: LiveRun, input: Input): Promise<void> {
    if (run.phase === 'gone' || this.#stopped) return;
    const durable = new Promise<void>((resolve) => this.#awaited.set(input, { run, resolve }));
    this.add(run, input);
    await durable;
  }

  /** Activates an idle run although nothing new happened to it. */
  wake(run: LiveRun): void {
    if (run.phase === 'idle') run.phase = 'queued';
    this.#rounds.add(run);
  }

  /** Nothing of the run's activities is on its way any more: it may be able to leave memory. */
  settled(run: LiveRun): void {
    this.#rounds.add(run);
  }

  /** Work for the run failed for a fault of the engine: the run cannot go on in this process. */
  fail(run: LiveRun, error: unknown): void {
    if (!this.#broken.has(run)) this.#broken.set(run, error);
    this.#rounds.add(run);
  }

  /** Sets of runs that have something to see, for one reader: one macrotask after the first of them. */
  rounds(): AsyncIterable<ReadonlySet<LiveRun>> {
    return this.#rounds;
  }

  /** Why the run cannot go on, if `fail` was called for it. */
  faultOf(run: LiveRun): { readonly error: unknown } | undefined {
    return this.#broken.has(run) ? { error: this.#broken.get(run) } : undefined;
  }

  /** These inputs are in the log. */
  appended(inputs: readonly Input[]): void {
    if (this.#awaited.size > 0) for (const input of inputs) this.#settle(input);
  }

  /** The run is not owned any more. */
  forget(run: LiveRun): void {
    this.#broken.delete(run);
    for (const [input, awaited] of this.#awaited) if (awaited.run === run) this.#settle(input);
  }

  stop(): void {
    this.#stopped = true;
    this.#rounds.stop();
  }

  #settle(input: Input): void {
    this.#awaited.get(input)?.resolve();
    this.#awaited.delete(input);
  }
}
