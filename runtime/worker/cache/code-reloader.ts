// Rebuilds the code of runs from their logs while everything else continues. Inputs that arrive during a rebuild are
// appended and acted upon at once, and the code receives them when it has reached the end of the log. It never
// activates a run for new inputs.
import type { TaskFailure } from '../../core/log/activation.ts';
import { endsRun } from '../../core/run/input.ts';
import { visibleInputs } from '../../core/log/visible.ts';
import type { EventActions } from '../turns/event-actions.ts';
import { type AppendResult, type GroupCommit, PendingTurn, type TurnOwner } from '../turns/group-commit.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { buildTurn } from '../turns/turn-builder.ts';
import type { RunLoader } from './run-loader.ts';
import type { RunWorker } from '../life/run-worker.ts';

export class CodeReloader implements TurnOwner {
  readonly #worker: RunWorker;
  readonly #loader: RunLoader;
  readonly #commit: GroupCommit;
  readonly #actions: EventActions;
  /** Functions that resolve `appendingDuringReload` of the runs. */
  readonly #arrived = new Map<LiveRun, () => void>();

  constructor(worker: RunWorker, loader: RunLoader, commit: GroupCommit, actions: EventActions) {
    this.#worker = worker;
    this.#loader = loader;
    this.#commit = commit;
    this.#actions = actions;
  }

  /** Rebuilds the code of a run in phase `reloading`. Returns why the code could not follow the log. */
  async reload(run: LiveRun): Promise<TaskFailure | undefined> {
    const failure = await this.#loader.reload(run);
    while (run.appendingDuringReload !== undefined) await run.appendingDuringReload;
    run.inputsToReplay.push(...run.inputsDuringReload);
    run.inputsDuringReload = [];
    return failure;
  }

  /**
   * Appends the inputs of a run whose code is being rebuilt, with the turns of this round. Inputs that end the run
   * wait.
   */
  append(run: LiveRun): void {
    if (run.appendingDuringReload !== undefined || run.queue.length === 0) return;
    if (run.queue.some(({ type }) => endsRun(type))) return;
    const inputs = run.takeQueue();
    try {
      const built = buildTurn(run, inputs, this.#worker.clock.now(), 'defer');
      run.unseenInputs.push(...built.unseenInputs);
      if (built.events.length === 0 && built.consumed.length === 0) return;
      run.appendingDuringReload = new Promise((resolve) => this.#arrived.set(run, resolve));
      this.#commit.submit(new PendingTurn(this, run, inputs, built));
    } catch (error) {
      this.#worker.inputs.fail(run, error);
    }
  }

  /** Like `append`, but sends the turn at once, for a run that is about to be given back. */
  rescue(run: LiveRun): void {
    this.append(run);
    this.#commit.pump();
  }

  appended({ run, inputs, built: { events } }: PendingTurn, result: AppendResult): void {
    const { inputs: runInputs } = this.#worker;
    run.appendingDuringReload = undefined;
    this.#arrived.get(run)?.();
    this.#arrived.delete(run);
    if (run.phase === 'gone') return; // or the incarnation has ended
    if (result.outcome === 'refused') return runInputs.fail(run, result.error);
    try {
      run.inputsDuringReload.push(...visibleInputs(events));
      for (const event of events) run.record(event);
      run.unhashedEvents = [];
      runInputs.appended(inputs);
      for (const event of events) this.#actions.act(run, event);
      if (run.queue.length > 0) runInputs.wake(run);
    } catch (error) {
      runInputs.fail(run, error);
    }
  }
}
