// Collects everything that happened to runs and is not in their logs yet: outcomes of activities, timers, mail, answers
// of other runs. RunLoop is the only reader. Activates nothing and writes nothing.
import type { Input } from '../../core/run/input.ts';
import { Rounds } from '../../flow/rounds.ts';
import type { DatabaseClock } from '../life/clock.ts';
import type { Life } from '../life/life.ts';
import { isEarly, type LiveRun } from './live-run.ts';

/** A failure that concerns one run only. */
export interface RunFault {
  readonly error: unknown;
  /** True if only the run's mail cannot be read, so the run can finish its running activities. */
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

  /** Adds an input, which goes into the log with the run's next turn. */
  add(run: LiveRun, input: Input): void {
    if (run.phase === 'gone' || this.#life.isOver) return;
    run.queue.push(run.replay === undefined ? input : run.replay.admitted(input));
    if (run.waitsUntil > 0 && isEarly(run, input, this.#clock.now())) return;
    if (run.phase === 'idle') run.moveTo('queued');
    if (run.phase === 'queued' || run.phase === 'reloading' || run.phase === 'quarantined') this.#rounds.add(run);
  }

  /** Adds an input. Resolves when the input is in the log, or when the run is gone. */
  async addDurably(run: LiveRun, input: Input): Promise<void> {
    if (run.phase === 'gone' || this.#life.isOver) return;
    const durable = new Promise<void>((resolve) => this.#awaited.set(input, { run, resolve }));
    this.add(run, input);
    await durable;
  }

  /** Activates an idle run even without new inputs. */
  wake(run: LiveRun): void {
    if (run.phase === 'idle') run.moveTo('queued');
    this.#rounds.add(run);
  }

  /** Called when no write for the run's activities is under way any longer. The run may be able to leave memory. */
  settled(run: LiveRun): void {
    this.#rounds.add(run);
  }

  /** Reports that the run cannot continue in this process because of an engine fault. */
  fail(run: LiveRun, error: unknown): void {
    if (run.phase === 'gone') return;
    if (this.#faults.get(run)?.isOfMail !== false) this.#faults.set(run, { error, isOfMail: false });
    this.#rounds.add(run);
  }

  /** Reports that a message to the run cannot be read. That message and all later ones stay unread. */
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

  /** Returns why the run cannot continue, and forgets the reason. */
  takeFault(run: LiveRun): RunFault | undefined {
    if (this.#faults.size === 0) return undefined;
    const fault = this.#faults.get(run);
    this.#faults.delete(run);
    return fault;
  }

  /**
   * Yields sets of runs that need attention, to a single reader. A set is complete one macrotask after its first run
   * was added.
   */
  rounds(): AsyncIterable<ReadonlySet<LiveRun>> {
    return this.#rounds;
  }

  /** Called when these inputs are in the log. */
  appended(inputs: readonly Input[]): void {
    if (this.#awaited.size > 0) for (const input of inputs) this.#settle(input);
  }

  /** Called when this worker no longer owns the run. */
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
