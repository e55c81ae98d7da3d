// Starts by clients of this worker's own process: the run belongs to the worker from its first moment, so it needs no
// notice, no claim and no reading back. Its first turn goes into the log with its start, in one commit: code has no effects,
// so it may run before anybody knows whether the workflow id is free.
import type pg from 'pg';
import { newEvent } from '../../core/log/new-event.ts';
import { rejectionsKnown } from '../../sandbox/realm/unhandled-rejections.ts';
import type { Fence } from '../../store/ownership/fence.ts';
import type { LocalWorker } from '../../store/sql/database.ts';
import type { EventRows } from '../../store/codec/event-rows.ts';
import { isCleanRefusal, isLockTimeout } from '../../store/sql/sqlstate.ts';
import { type NewRun, type OwnedStart, startOwnedRuns } from '../../store/runs/start-run.ts';
import { InFlight } from '../../flow/in-flight.ts';
import { Yielder } from '../../flow/yield.ts';
import { LiveRun } from '../turns/live-run.ts';
import type { RunCache } from '../cache/run-cache.ts';
import type { RunLoader } from '../cache/run-loader.ts';
import type { RunLoop, RunStages } from '../turns/run-loop.ts';
import { type BuiltTurn, buildTurn, checkTurn } from '../turns/turn-builder.ts';
import type { Claims } from './claims.ts';
import type { RunWorker } from '../life/run-worker.ts';

/** The session of starts. */
export interface StartSession {
  /** A connection for nothing else: its fence is held as long as a start waits for somebody's workflow id. */
  readonly starts: pg.Client;
  readonly rows: EventRows;
}

const leastGraceMs = 1000;

interface FirstTurn {
  readonly start: OwnedStart;
  readonly run: LiveRun;
  readonly built: BuiltTurn;
}

/** No turn could be made: a start that is stored without one. */
interface FailedTurn extends Omit<FirstTurn, 'built'> {
  readonly error: unknown;
}

export class LocalStarts implements LocalWorker {
  readonly #worker: RunWorker;
  readonly #session: StartSession;
  readonly #fence: Fence;
  readonly #loader: RunLoader;
  readonly #cache: RunCache;
  readonly #loop: RunLoop;
  readonly #claims: Claims;
  readonly #starting = new InFlight();
  #stopped = false;

  constructor(
    worker: RunWorker,
    session: StartSession,
    fence: Fence,
    stages: RunStages,
    loop: RunLoop,
    claims: Claims,
  ) {
    this.#worker = worker;
    this.#session = session;
    this.#fence = fence;
    this.#loader = stages.loader;
    this.#cache = stages.cache;
    this.#loop = loop;
    this.#claims = claims;
  }

  /** Takes starts of clients in this process. */
  join(): void {
    const { database, queue } = this.#worker;
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
   * Starts nothing any more; resolves when what was started is in memory. A start that waits for somebody's transaction is
   * given `graceMs`, and a second at least: after that it fails, because its fence is taken.
   */
  async drain(graceMs: number): Promise<void> {
    this.#stopped = true;
    this.#leave();
    await this.#starting.drained(Math.max(graceMs, leastGraceMs));
  }

  /** The incarnation is over. A start under way has a caller who waits for it; the fence decides whose run it is. */
  async stop(): Promise<void> {
    await this.drain(0);
    await this.#session.starts.end().catch(() => undefined);
  }

  async #start(runs: readonly NewRun[]): Promise<Set<string>> {
    const { turns, failed } = await this.#firstTurns(runs);
    const starts = [...turns, ...failed].map(({ start }) => start);
    // A closing turn, a failed task and a change of the run's row have their own ways of being stored.
    const together = turns.filter(
      ({ built }) => built.failure === undefined && built.closes === undefined && built.changes === undefined,
    );
    let owned: Map<string, boolean>;
    let durable: readonly FirstTurn[] = together;
    try {
      owned = await this.#store(starts, together);
    } catch (error) {
      if (together.length === 0 || !isCleanRefusal(error) || isLockTimeout(error)) throw error;
      // Perhaps it was not a start that cannot be stored, but what its code asked for.
      durable = [];
      owned = await this.#store(starts, durable);
    }
    for (const turn of turns) {
      if (owned.get(turn.run.runId) === true) this.#loop.begin(turn.run, turn.built, durable.includes(turn));
      else turn.run.dropSandbox();
    }
    for (const { run, error } of failed) {
      if (owned.get(run.runId) === true) this.#loop.beginFailed(run, error);
      else run.dropSandbox();
    }
    if ([...owned.values()].includes(false)) this.wake();
    return new Set(owned.keys());
  }

  /** One that fails keeps no other from its start. */
  async #firstTurns(runs: readonly NewRun[]): Promise<{ turns: FirstTurn[]; failed: FailedTurn[] }> {
    const { clock, maxPayloadBytes, versions } = this.#worker;
    const yielder = new Yielder();
    const failed: FailedTurn[] = [];
    const built: FirstTurn[] = [];
    for (const newRun of runs) {
      const start: OwnedStart = { run: newRun, at: clock.now() };
      const { runId, workflowType, args, meta } = newRun;
      const columns = newEvent(1, 'WorkflowStarted', { name: workflowType, payload: args, meta });
      const run = new LiveRun(runId, 0, null, versions);
      try {
        this.#loader.replay(run, [{ ...columns, runId, at: start.at, hash: null }]);
        built.push({ start, run, built: buildTurn(run, [], clock.now()) });
      } catch (error) {
        failed.push({ start, run, error });
      }
      if (yielder.isDue) await yielder.yield();
    }
    await rejectionsKnown();
    const turns: FirstTurn[] = [];
    for (const turn of built) {
      try {
        turns.push({ ...turn, built: checkTurn(turn.run, [], turn.built, clock.now(), maxPayloadBytes) });
      } catch (error) {
        failed.push({ ...turn, error });
      }
    }
    return { turns, failed };
  }

  #store(starts: readonly OwnedStart[], durable: readonly FirstTurn[]): Promise<Map<string, boolean>> {
    const { starts: client, rows } = this.#session;
    for (const { run, built } of durable) for (const event of built.events) rows.add(run.runKey, event);
    return startOwnedRuns(client, this.#worker.database.schema, this.#fence, starts, rows.take());
  }
}
