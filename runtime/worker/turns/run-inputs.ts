// What happened to runs and is not in their logs yet: outcomes of activities, timers, mail, answers of other runs.
// Everything that happens to a run enters here; RunLoop is the only reader. It activates nothing and writes nothing.
import type { Input } from '../../core/run/input.ts';
import { Rounds } from '../../flow/rounds.ts';
import type { DatabaseClock } from '../life/clock.ts';
import type { Life } from '../life/life.ts';
import { isEarly, type LiveRun } from './live-run.ts';

/** Something that failed for one run alone. */
export interface RunFault {
  readonly error: unknown;
  /** The run can go on with what it has at work, without its mail. */
  readonly isOfMail: boolean;
}

export class RunInputs {
  readonly #clock: DatabaseClock;
  readonly #rounds = new Rounds<LiveRun>();
  /** Inputs whose sender waits until they are in the log, such as the start of an `unsafe` attempt. */
  readonly #awaited = new Map<Input, { run: LiveRun; resolve: () => void }>();
  readonly #faults = new Map<LiveRun, RunFault>();
  readonly #life: Life;

  constructor(clock: DatabaseClock, life: Life) {
    this.#clock = clock;
    this.#life = life;
  }

  /** Something happened to the run: it goes into the log with the run's next turn. */
  add(run: LiveRun, input: Input): void {
    if (run.phase === 'gone' || this.#life.isOver) return;
    run.queue.push(input);
    if (run.waitsUntil > 0 && isEarly(run, input, this.#clock.now())) return;
    if (run.phase === 'idle') run.moveTo('queued');
    if (run.phase === 'queued' || run.phase === 'reloading' || run.phase === 'quarantined') this.#rounds.add(run);
  }

  /** The same; resolves when the input is in the log, or the run is gone. */
  async addDurably(run: LiveRun, input: Input): Promise<void> {
    if (run.phase === 'gone' || this.#life.isOver) return;
    const durable = new Promise<void>((resolve) => this.#awaited.set(input, { run, resolve }));
    this.add(run, input);
    await durable;
  }

  /** Activates an idle run although nothing new happened to it. */
  wake(run: LiveRun): void {
    if (run.phase === 'idle') run.moveTo('queued');
    this.#rounds.add(run);
  }

  /** Nothing of the run's activities is on its way any more: it may be able to leave memory. */
  settled(run: LiveRun): void {
    this.#rounds.add(run);
  }

  /** The run cannot go on in this process: work for it failed for a fault of the engine. */
  fail(run: LiveRun, error: unknown): void {
    if (run.phase === 'gone') return;
    if (this.#faults.get(run)?.isOfMail !== false) this.#faults.set(run, { error, isOfMail: false });
    this.#rounds.add(run);
  }

  /** A message to the run cannot be read: it and all after it stay unread. */
  failMail(run: LiveRun, error: unknown): void {
    if (run.phase === 'gone') return;
    run.isMailUnreadable = true;
    run.isLeaving = true;
    if (!this.#faults.has(run)) this.#faults.set(run, { error, isOfMail: true });
    this.#rounds.add(run);
  }

  hasFault(run: LiveRun): boolean {
    return this.#faults.has(run);
  }

  /** Why the run cannot go on, once. */
  takeFault(run: LiveRun): RunFault | undefined {
    if (this.#faults.size === 0) return undefined;
    const fault = this.#faults.get(run);
    this.#faults.delete(run);
    return fault;
  }

  /** Sets of runs that have something to see, for one reader: one macrotask after the first of them. */
  rounds(): AsyncIterable<ReadonlySet<LiveRun>> {
    return this.#rounds;
  }

  /** These inputs are in the log. */
  appended(inputs: readonly Input[]): void {
    if (this.#awaited.size > 0) for (const input of inputs) this.#settle(input);
  }

  /** The run is not owned any more. */
  forget(run: LiveRun): void {
    this.#faults.delete(run);
    for (const [input, awaited] of this.#awaited) if (awaited.run === run) this.#settle(input);
  }

  stop(): void {
    this.#rounds.stop();
  }

  #settle(input: Input): void {
    this.#awaited.get(input)?.resolve();
    this.#awaited.delete(input);
  }
}
