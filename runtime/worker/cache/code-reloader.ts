// Runs whose code is being made again from the log, beside whatever else happens: what comes in meanwhile is appended at
// once (deferred turns), acted upon, and activated when the code stands where the log ends.
import type { TaskFailure } from '../../core/log/activation.ts';
import type { HistoryEvent, Micros } from '../../core/log/event.ts';
import type { Sandbox } from '../../sandbox/realm/sandbox.ts';
import type { Database } from '../../store/sql/database.ts';
import type { Appender } from '../turns/appender.ts';
import type { Input } from '../../core/run/input.ts';
import { visibleInputs } from '../../core/log/visible.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { reloadSandbox } from './run-loader.ts';
import { buildTurn } from '../turns/turn.ts';

export interface CodeReloaderOptions {
  readonly database: Database;
  readonly sandbox: Sandbox;
  readonly appender: Appender;
  now(): Micros;
  /** Does work of a run; a failure puts the run into quarantine. */
  guard(run: LiveRun, work: () => Promise<void>): Promise<void>;
  /** The code stands again: on with the first turn. */
  reloaded(run: LiveRun, failure: TaskFailure | undefined): Promise<void>;
  /** A deferred turn is durable. */
  deferred(run: LiveRun, events: readonly HistoryEvent[], inputs: readonly Input[]): void;
  /** A deferred turn cannot be made or stored. */
  failed(run: LiveRun, error: unknown): void;
}

export class CodeReloader {
  readonly #options: CodeReloaderOptions;

  constructor(options: CodeReloaderOptions) {
    this.#options = options;
  }

  reload(run: LiveRun): Promise<void> {
    const { database, sandbox, guard, reloaded } = this.#options;
    run.phase = 'reloading';
    return guard(run, async () => {
      const failure = await reloadSandbox(database, sandbox, run);
      while (run.deferring !== undefined) await run.deferring;
      if (run.phase !== 'reloading') return; // quarantined, or gone with its incarnation
      run.carried.push(...run.deferred);
      run.deferred = [];
      await reloaded(run, failure);
    });
  }

  /** Appends what happened to a run whose code is being made again. A termination waits for it. */
  defer(run: LiveRun): void {
    try {
      this.#defer(run);
    } catch (error) {
      this.#options.failed(run, error);
    }
  }

  /** The same for a run that is to be given back. */
  rescue(run: LiveRun): void {
    this.defer(run);
    this.#options.appender.pump();
  }

  #defer(run: LiveRun): void {
    if (run.deferring !== undefined || run.queue.length === 0) return;
    if (run.queue.some((input) => input.type === 'WorkflowTerminated' || input.type === 'WorkflowTimedOut')) return;
    const inputs = run.takeQueue();
    const { events, consumed, kept, bytes } = buildTurn(run, inputs, this.#options.now(), 'defer');
    run.kept.push(...kept);
    if (events.length === 0 && consumed.length === 0) return;
    const arrived = Promise.withResolvers<void>();
    run.deferring = arrived.promise;
    this.#options.appender.submit({
      turn: { runId: run.runId, runKey: run.runKey, events, consumed },
      bytes,
      done: (result) => {
        run.deferring = undefined;
        arrived.resolve();
        if (isGone(run)) return;
        if (result.outcome === 'refused') return this.#options.failed(run, result.error);
        run.deferred.push(...visibleInputs(events));
        this.#options.deferred(run, events, inputs);
      },
    });
  }
}

/** Also after the incarnation ended, which forgets all its runs. */
function isGone(run: LiveRun): boolean {
  return run.phase === 'gone';
}
