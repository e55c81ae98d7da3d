// Which runs have something to see, and activating them together: what completes in one macrotask makes one turn of its
// run, and the turns of all runs are flushed together.
import { rejectionsKnown } from '../../sandbox/realm/unhandled-rejections.ts';
import { Yielder } from '../../flow/yield.ts';
import type { Input } from '../../core/run/input.ts';
import type { LiveRun } from './live-run.ts';
import type { BuiltTurn } from './turn.ts';

export interface TurnRoundsOptions {
  isStopped(): boolean;
  /** Runs whose code is being made again: their inputs go to the log before it sees them. */
  defer(run: LiveRun): void;
  /** Makes the code of a run again that has none. */
  reload(run: LiveRun): void;
  /** Activates; undefined when the run cannot go on, which is dealt with. */
  build(run: LiveRun, inputs: readonly Input[]): BuiltTurn | undefined;
  /** Sends a turn off, now that rejections are known. */
  flush(run: LiveRun, built: BuiltTurn, inputs: Input[]): void;
  /** All turns of a round were sent off. */
  flushed(): void;
}

interface Built {
  readonly run: LiveRun;
  readonly inputs: Input[];
  readonly built: BuiltTurn;
}

export class TurnRounds {
  readonly #options: TurnRoundsOptions;
  constructor(options: TurnRoundsOptions) {
    this.#options = options;
  }

  async process(dirty: ReadonlySet<LiveRun>): Promise<void> {
    const yielder = new Yielder();
    let turns: Built[] = [];
    for (const run of dirty) {
      if (this.#options.isStopped()) return;
      const turn = this.#activate(run);
      if (turn !== undefined) turns.push(turn);
      if (!yielder.isDue) continue;
      await this.#flush(turns);
      turns = [];
      await yielder.yield();
    }
    await this.#flush(turns);
  }

  #activate(run: LiveRun): Built | undefined {
    if (run.phase === 'reloading' || run.phase === 'quarantined') this.#options.defer(run);
    if (run.phase !== 'queued') return undefined;
    if (run.sandbox === undefined) {
      this.#options.reload(run);
      return undefined;
    }
    run.phase = 'flushing';
    const inputs = run.takeQueue();
    const built = this.#options.build(run, inputs);
    return built === undefined ? undefined : { run, inputs, built };
  }

  async #flush(turns: readonly Built[]): Promise<void> {
    if (turns.some(({ built }) => built.activated)) await rejectionsKnown();
    for (const { run, inputs, built } of turns) this.#options.flush(run, built, inputs);
    this.#options.flushed();
  }
}
