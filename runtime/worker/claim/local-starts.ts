// Starts by clients of this worker's own process: the run belongs to the worker from its first moment, so that it needs
// no notice, no claim and no reading back. Its first turn goes into the log with its start, in one commit: code has no
// effects, so it may run before anybody knows whether the workflow id is free.
import type pg from 'pg';
import { newEvent } from '../../core/log/new-event.ts';
import type { Micros } from '../../core/log/event.ts';
import { rejectionsKnown } from '../../sandbox/realm/unhandled-rejections.ts';
import type { Sandbox } from '../../sandbox/realm/sandbox.ts';
import type { Fence } from '../../store/ownership/fence.ts';
import type { LocalWorker } from '../../store/sql/database.ts';
import type { EventRows } from '../../store/codec/event-rows.ts';
import { isCleanRefusal, isLockTimeout } from '../../store/sql/sqlstate.ts';
import { type NewRun, type OwnedStart, startOwnedRuns } from '../../store/runs/start-run.ts';
import { InFlight } from '../../flow/in-flight.ts';
import { Yielder } from '../../flow/yield.ts';
import { checkedTurn } from '../turns/checked-turn.ts';
import { LiveRun } from '../turns/live-run.ts';
import { replayed } from '../cache/run-loader.ts';
import { type BuiltTurn, buildTurn } from '../turns/turn.ts';
import type { WorkerVersions } from '../versions/worker-versions.ts';

export interface LocalStartsOptions {
  /** A connection for nothing else: its fence is held as long as a start waits for somebody's workflow id. */
  readonly client: pg.ClientBase;
  readonly rows: EventRows;
  readonly schema: string;
  readonly fence: Fence;
  readonly sandbox: Sandbox;
  readonly maxPayloadBytes: number;
  /** Of a worker that has a version and takes runs of none: who takes runs by version starts none. */
  readonly versions: WorkerVersions | undefined;
  now(): Micros;
  /** How many more runs this process has room for. */
  room(): number;
  wake(): void;
  /** A run was started and is this worker's. `durable`: its first turn is in the log already. */
  begin(run: LiveRun, built: BuiltTurn, durable: boolean): void;
  /** The same of a run that no first turn could be made of. */
  failed(run: LiveRun, error: unknown): void;
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
  readonly #options: LocalStartsOptions;
  readonly #starting = new InFlight();
  #stopped = false;

  constructor(options: LocalStartsOptions) {
    this.#options = options;
  }

  wake(): void {
    this.#options.wake();
  }

  start(runs: readonly NewRun[]): Promise<Set<string>> | undefined {
    if (this.#stopped || this.#starting.count > 0 || this.#options.room() < runs.length) return undefined;
    return this.#starting.track(this.#start(runs));
  }

  /**
   * Starts nothing any more; resolves when what was started is in memory. A start that waits for somebody's transaction is
   * given `graceMs`, and a second at least: after that it fails, because its fence is taken.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    await this.#starting.drained(Math.max(graceMs, leastGraceMs));
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
      if (owned.get(turn.run.runId) === true) this.#options.begin(turn.run, turn.built, durable.includes(turn));
      else turn.run.dropSandbox();
    }
    for (const { run, error } of failed) {
      if (owned.get(run.runId) === true) this.#options.failed(run, error);
      else run.dropSandbox();
    }
    if ([...owned.values()].includes(false)) this.#options.wake();
    return new Set(owned.keys());
  }

  /** One that fails keeps no other from its start. */
  async #firstTurns(runs: readonly NewRun[]): Promise<{ turns: FirstTurn[]; failed: FailedTurn[] }> {
    const { sandbox, now, maxPayloadBytes, versions } = this.#options;
    const yielder = new Yielder();
    const failed: FailedTurn[] = [];
    const built: FirstTurn[] = [];
    for (const newRun of runs) {
      const start: OwnedStart = { run: newRun, at: now() };
      const { runId, workflowType, args, meta } = newRun;
      const columns = newEvent(1, 'WorkflowStarted', { name: workflowType, payload: args, meta });
      const run = new LiveRun(runId, 0, null, versions);
      try {
        replayed(sandbox, run, [{ ...columns, runId, at: start.at, hash: null }]);
        run.phase = 'flushing';
        built.push({ start, run, built: buildTurn(run, [], now()) });
      } catch (error) {
        failed.push({ start, run, error });
      }
      if (yielder.isDue) await yielder.yield();
    }
    await rejectionsKnown();
    const turns: FirstTurn[] = [];
    for (const turn of built) {
      try {
        turns.push({ ...turn, built: checkedTurn(turn.run, [], turn.built, { now: now(), maxPayloadBytes }) });
      } catch (error) {
        failed.push({ ...turn, error });
      }
    }
    return { turns, failed };
  }

  #store(starts: readonly OwnedStart[], durable: readonly FirstTurn[]): Promise<Map<string, boolean>> {
    const { client, schema, fence, rows } = this.#options;
    for (const { run, built } of durable) for (const event of built.events) rows.add(run.runKey, event);
    return startOwnedRuns(client, schema, fence, starts, rows.take());
  }
}
