// Loads claimed runs into memory. Short runs are read whole, many in one statement, and replayed at once. Of a long
// run, only pending work is read, so that its activities continue at once; its code is rebuilt later.
import type { TaskFailure } from '../../core/log/activation.ts';
import type { Sandbox } from '../../sandbox/realm/sandbox.ts';
import { rejectionsKnown } from '../../sandbox/realm/unhandled-rejections.ts';
import { readAttempts } from '../../store/activities/activity-heartbeats.ts';
import { sha256 } from '../../store/codec/sha256.ts';
import type { Database } from '../../store/sql/database.ts';
import { readArguments, readHeads, readHistory, readOpenEvents, type StoredEvent } from '../../store/log/history.ts';
import { readLine } from '../../store/log/line.ts';
import { InheritedKeys } from '../../core/recovery/inherited-keys.ts';
import type { Mail } from '../../core/run/mail.ts';
import { readMailByRun } from '../../store/messages/inbox.ts';
import { assert } from '../../core/failure/runtime-error.ts';
import { engineFault } from '../../core/log/engine-number.ts';
import { failsOnNondeterminism, failureErrorNames } from '../../core/failure/failure-types.ts';
import { Yielder } from '../../flow/yield.ts';
import type { LiveRun } from '../turns/live-run.ts';
import type { RunInputs } from '../turns/run-inputs.ts';
import { RunReplay } from '../../replay/run-replay.ts';
import { explained } from '../queries/run-tracer.ts';
import type { RunWorker } from '../life/run-worker.ts';

/** Runs with fewer events than this are read together and replayed at once. */
const shortEvents = 500;

/** Receives runs as soon as they are in memory. */
export interface LoadedRuns {
  /** The run is at the end of its log; a long run has no code yet. `failure`: why the code could not follow the log. */
  loaded(run: LiveRun, failure: TaskFailure | undefined, mail: readonly Mail[]): void;
}

/** A claimed run. `start`: its only event, if the claim has read it. */
export interface RunToLoad {
  readonly run: LiveRun;
  readonly start: StoredEvent | undefined;
}

interface ReadRuns {
  readonly heads: ReadonlyMap<string, readonly StoredEvent[]>;
  readonly mail: ReadonlyMap<string, readonly Mail[]>;
  readonly unreadable: ReadonlyMap<string, unknown>;
}

interface Loaded {
  readonly failure: TaskFailure | undefined;
  readonly mail: readonly Mail[];
}

export class RunLoader {
  readonly #database: Database;
  readonly #sandbox: Sandbox;
  readonly #inputs: RunInputs;

  constructor({ database, sandbox, inputs }: RunWorker) {
    this.#database = database;
    this.#sandbox = sandbox;
    this.#inputs = inputs;
  }

  /**
   * Loads all runs and hands over each run as soon as it is loaded. Never rejects: a failure concerns only the run that
   * it comes from.
   */
  async load(runs: readonly RunToLoad[], to: LoadedRuns): Promise<void> {
    const toRead: LiveRun[] = [];
    const yielder = new Yielder();
    for (const { run, start } of runs) {
      if (start === undefined || run.mailRead > 0) toRead.push(run);
      else await this.#handOver(run, to, () => this.#loadStart(run, start));
      if (yielder.isDue) await yielder.yield();
    }
    if (toRead.length > 0) await this.#readRuns(toRead, to);
  }

  /** Folds a run's whole log and replays its code. */
  replay(run: LiveRun, events: readonly StoredEvent[]): RunReplay {
    for (const event of events) run.record(event);
    const replay = this.#begin(run);
    replay.take(events);
    run.unhashedEvents = replay.finish();
    run.inputsToReplay = replay.carried;
    return replay;
  }

  /**
   * Rebuilds workflow code up to the end of the log; pending work stays unchanged. Returns why the code could not
   * follow.
   */
  async reload(run: LiveRun): Promise<TaskFailure | undefined> {
    const replay = this.#begin(run);
    const { seq: upTo } = run.state;
    for await (const page of readHistory(this.#database, run.runId, { upTo, forReplay: true })) replay.take(page);
    replay.finish();
    run.inputsToReplay = replay.carried;
    await rejectionsKnown();
    return explained(this.#database, this.#sandbox, run.runId, this.#failureOf(run, replay));
  }

  async #handOver(run: LiveRun, to: LoadedRuns, load: () => Loaded | Promise<Loaded>): Promise<void> {
    try {
      const { failure, mail } = await load();
      to.loaded(run, failure, mail);
    } catch (error) {
      this.#inputs.fail(run, error);
    }
  }

  #loadStart(run: LiveRun, start: StoredEvent): Loaded {
    return { failure: this.#failureOf(run, this.replay(run, [start])), mail: [] };
  }

  async #readRuns(runs: readonly LiveRun[], to: LoadedRuns): Promise<void> {
    let read: ReadRuns;
    try {
      read = await this.#readBatch(runs);
    } catch (error) {
      if (runs.length === 1) return this.#inputs.fail(runs[0]!, error);
      // One run's log must not keep other runs from being loaded, so the batch is split in two.
      const half = runs.length >> 1;
      await Promise.all([runs.slice(0, half), runs.slice(half)].map((part) => this.#readRuns(part, to)));
      return;
    }
    const yielder = new Yielder();
    const loading: Promise<void>[] = [];
    for (const run of runs) {
      loading.push(this.#handOver(run, to, () => this.#loadRead(run, read)));
      if (yielder.isDue) await yielder.yield();
    }
    await Promise.all(loading);
  }

  async #readBatch(runs: readonly LiveRun[]): Promise<ReadRuns> {
    const withMail = runs.filter((run) => run.mailRead > 0).map((run) => ({ runId: run.runId, after: 0 }));
    const runIds = runs.map((run) => run.runId);
    const [heads, { mail, unreadable }] = await Promise.all([
      readHeads(this.#database, runIds, shortEvents),
      withMail.length === 0 ? { mail: [], unreadable: new Map() } : readMailByRun(this.#database, withMail),
    ]);
    return {
      heads: Map.groupBy(heads, (event) => event.runId),
      mail: Map.groupBy(mail, (message) => message.runId),
      unreadable,
    };
  }

  async #loadRead(run: LiveRun, read: ReadRuns): Promise<Loaded> {
    const { runId } = run;
    if (read.unreadable.has(runId)) throw read.unreadable.get(runId);
    const head = read.heads.get(runId) ?? [];
    const mail = read.mail.get(runId) ?? [];
    const isFork = head[0]?.type === 'WorkflowForked';
    assert(isFork || head[0]?.type === 'WorkflowStarted', `the log of run ${runId} does not begin with its start`);
    const isShort = head.length < shortEvents && head.at(-1)!.seq < shortEvents;
    let replay: RunReplay | undefined;
    // Without an await before the replay, the loop over the runs yields between two replays.
    if (isShort) replay = this.replay(run, isFork ? await this.#wholeLog(runId, head) : head);
    else for (const event of await readOpenEvents(this.#database, runId)) run.record(event);
    if (mail.length > 0) run.mailRead = mail[0]!.id - 1;
    await this.#readPending(run);
    if (isFork) await this.#readKeys(run);
    if (run.state.hash.length > 0) await rejectionsKnown();
    const failure = replay && this.#failureOf(run, replay);
    return { failure: await explained(this.#database, this.#sandbox, runId, failure), mail };
  }

  /** `own`: all rows of a fork. Its history begins with rows of its ancestors. */
  async #wholeLog(runId: string, own: readonly StoredEvent[]): Promise<readonly StoredEvent[]> {
    const events: StoredEvent[] = [];
    const prefix = readHistory(this.#database, runId, { upTo: own[0]!.seq - 1, forReplay: true });
    for await (const page of prefix) events.push(...page);
    return [...events, ...own];
  }

  /** Reads the calls in the abandoned part of the origin's history whose keys the fork takes over. */
  async #readKeys(run: LiveRun): Promise<void> {
    const { keysFrom } = run.state;
    if (keysFrom === undefined) return;
    const { runId, after } = keysFrom;
    const origin = { runId, line: (await readLine(this.#database, runId)).slice(0, -1) };
    const keys = new InheritedKeys(sha256);
    for await (const page of readHistory(this.#database, runId, { after, forReplay: 'digests' })) {
      for (const event of page) if (event.type === 'ActivityScheduled') keys.add(origin, event);
    }
    run.inheritedKeys = keys;
  }

  /** Reads arguments and attempts of pending activities only. */
  async #readPending(run: LiveRun): Promise<void> {
    if (run.state.activities.size === 0) return;
    const [args, attempts] = await Promise.all([
      readArguments(this.#database, run.runId, [...run.state.activities.keys()]),
      readAttempts(this.#database, run.runId),
    ]);
    for (const activity of run.state.activities.values()) {
      run.state.giveArguments(activity.seq, args.get(activity.seq) ?? null);
      run.places.found(activity.seq, attempts.places.get(activity.seq) ?? 'local');
    }
    run.progress = attempts.progress;
    run.hasHeldTasks = attempts.hasHeldTasks;
  }

  #begin(run: LiveRun): RunReplay {
    run.dropSandbox();
    // Workflow code has the identity of the run that the history began with, until the replay reaches the fork.
    run.sandbox = this.#sandbox.createRun(run.state.runIdAt(1));
    const replay = new RunReplay(run.sandbox);
    // A run that this version cannot replay must not be activated.
    replay.failure = engineFault(run.state);
    return replay;
  }

  /** Why the code could not follow the log. */
  #failureOf(run: LiveRun, replay: RunReplay): TaskFailure | undefined {
    const failure = replay.failure ?? run.sandbox?.rejection;
    if (failure?.code !== 'DETERMINISM') return failure;
    const names = failureErrorNames(this.#sandbox.failureErrorTypes, run.state.workflowType);
    const failsRun = failsOnNondeterminism(names);
    return failsRun ? { ...failure, failsRun } : failure;
  }
}
