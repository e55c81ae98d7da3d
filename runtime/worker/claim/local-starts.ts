// Starts that clients in this process request. The worker owns such a run from its start, so the run needs no notice,
// no claim and no read from the database. The run's first turn is committed together with its start. Workflow code has
// no effects outside, so it may run before the database has checked whether the workflow id is free.
import { newEvent } from '../../core/log/new-event.ts';
import { rejectionsKnown } from '../../sandbox/realm/unhandled-rejections.ts';
import type { LocalWorker } from '../../store/sql/database.ts';
import { isCleanRefusal, isLockTimeout } from '../../store/sql/sqlstate.ts';
import { type NewRun, type OwnedStart, startOwnedRuns } from '../../store/runs/start-run.ts';
import { InFlight } from '../../flow/in-flight.ts';
import { Yielder } from '../../flow/yield.ts';
import { LiveRun } from '../turns/live-run.ts';
import type { RunCache } from '../cache/run-cache.ts';
import type { RunLoader } from '../cache/run-loader.ts';
import type { RunLoop } from '../turns/run-loop.ts';
import type { RunStages } from '../turns/run-stages.ts';
import { type BuiltTurn, buildTurn, checkTurn } from '../turns/turn-builder.ts';
import type { Claims } from './claims.ts';
import type { RunWorker } from '../life/run-worker.ts';
import type { Sessions } from '../life/sessions.ts';

const leastGraceMs = 1000;

/** A start, and the turn that the run's code makes at once. */
interface FirstTurn {
  readonly start: OwnedStart;
  readonly run: LiveRun;
  /** Undefined when the turn could not be built: the start is then stored without it. */
  built: BuiltTurn | undefined;
  error: unknown;
}

export class LocalStarts implements LocalWorker {
  readonly #worker: RunWorker;
  readonly #sessions: Sessions;
  readonly #loader: RunLoader;
  readonly #cache: RunCache;
  readonly #loop: RunLoop;
  readonly #claims: Claims;
  readonly #starting = new InFlight();
  #stopped = false;

  constructor(worker: RunWorker, sessions: Sessions, stages: RunStages, loop: RunLoop, claims: Claims) {
    this.#worker = worker;
    this.#sessions = sessions;
    this.#loader = stages.loader;
    this.#cache = stages.cache;
    this.#loop = loop;
    this.#claims = claims;
  }

  /**
   * Accepts starts of clients in this process. A worker that takes runs by version does not: its claims decide on the
   * version.
   */
  join(): void {
    const { database, queue, takesRuns, versions } = this.#worker;
    if (!takesRuns || versions?.isRouted === true) return;
    const { localWorkers } = database;
    localWorkers.set(queue, (localWorkers.get(queue) ?? new Set()).add(this));
  }

  #leave(): void {
    const { database, queue } = this.#worker;
    const workers = database.localWorkers.get(queue);
    workers?.delete(this);
    if (workers?.size === 0) database.localWorkers.delete(queue);
  }

  wake(): void {
    this.#claims.poke();
  }

  start(runs: readonly NewRun[]): Promise<Set<string>> | undefined {
    if (this.#stopped || this.#starting.count > 0 || this.#cache.room < runs.length) return undefined;
    return this.#starting.track(this.#start(runs));
  }

  /**
   * Starts no more runs; resolves when all runs already started are in memory. A start that is blocked by another
   * transaction gets `graceMs`, but at least one second. Then it fails, because the worker gives up its fence as it
   * leaves.
   */
  async drain(graceMs: number): Promise<void> {
    this.#stopped = true;
    this.#leave();
    await this.#starting.drained(Math.max(graceMs, leastGraceMs));
  }

  /**
   * Called when the incarnation is over. The caller of a start under way still waits; the fence decides who owns that
   * run.
   */
  async stop(): Promise<void> {
    await this.drain(0);
    await this.#sessions.starts.end().catch(() => undefined);
  }

  async #start(runs: readonly NewRun[]): Promise<Set<string>> {
    const turns = await this.#firstTurns(runs);
    const starts = turns.map(({ start }) => start);
    // A closing turn, a failed task and a change of the run's row cannot be stored by the statement that starts runs.
    const together = turns.filter(({ built }) => built !== undefined && isPlain(built));
    let owned: Map<string, boolean>;
    let durable: readonly FirstTurn[] = together;
    try {
      owned = await this.#store(starts, together);
    } catch (error) {
      if (together.length === 0 || !isCleanRefusal(error) || isLockTimeout(error)) throw error;
      // The database may have refused an event of a first turn instead of a start, so the starts are tried alone.
      durable = [];
      owned = await this.#store(starts, durable);
    }
    for (const turn of turns) {
      const { run, built, error } = turn;
      if (owned.get(run.runId) !== true) run.dropSandbox();
      else if (built === undefined) this.#loop.beginFailed(run, error);
      else this.#loop.begin(run, built, durable.includes(turn));
    }
    if ([...owned.values()].includes(false)) this.wake();
    return new Set(owned.keys());
  }

  /** Builds the first turns. A run that fails must not prevent the start of another run. */
  async #firstTurns(runs: readonly NewRun[]): Promise<FirstTurn[]> {
    const { clock, maxPayloadBytes, versions } = this.#worker;
    const yielder = new Yielder();
    const turns: FirstTurn[] = [];
    for (const newRun of runs) {
      const start: OwnedStart = { run: newRun, at: clock.now() };
      const { runId, workflowType, args, meta } = newRun;
      const columns = newEvent(1, 'WorkflowStarted', { name: workflowType, payload: args, meta });
      const turn: FirstTurn = { start, run: new LiveRun(runId, 0, null, versions), built: undefined, error: undefined };
      turns.push(turn);
      try {
        this.#loader.replay(turn.run, [{ ...columns, runId, at: start.at, hash: null }]);
        turn.built = buildTurn(turn.run, [], clock.now());
      } catch (error) {
        turn.error = error;
      }
      if (yielder.isDue) await yielder.yield();
    }
    await rejectionsKnown();
    for (const turn of turns) {
      try {
        turn.built &&= checkTurn(turn.run, [], turn.built, clock.now(), maxPayloadBytes);
      } catch (error) {
        turn.built = undefined;
        turn.error = error;
      }
    }
    return turns;
  }

  #store(starts: readonly OwnedStart[], durable: readonly FirstTurn[]): Promise<Map<string, boolean>> {
    const { starts: client, rows, startFence } = this.#sessions;
    for (const { run, built } of durable) for (const event of built?.events ?? []) rows.add(run.runKey, event);
    return startOwnedRuns(client, this.#worker.database.schema, startFence, starts, rows.take());
  }
}

function isPlain({ failure, closes, changes }: BuiltTurn): boolean {
  return failure === undefined && closes === undefined && changes === undefined;
}
