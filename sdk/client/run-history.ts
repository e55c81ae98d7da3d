// The part of a handle that reads a run's log. Needs no worker and no workflow code, and changes nothing.
import type { Json } from '../../runtime/core/json/json.ts';
import { type LineageRun, lineageTree } from '../../runtime/core/run/lineage-tree.ts';
import type { HistorySource } from '../../runtime/core/log/history-source.ts';
import {
  checkOptions,
  optionTable,
  textOf,
  trueOrFalse,
  wholeNumber,
} from '../../runtime/core/options/option-table.ts';
import { type RunDiff, runDiff } from '../../runtime/replay/run-diff.ts';
import type { ExportedCode, ExportedRun } from '../../runtime/replay/run-bundle/export-run.ts';
import { type Verification, verifySource } from '../../runtime/replay/verify-source.ts';
import { StoredHistory } from '../../runtime/store/log/stored-history.ts';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import { readBundle } from '../../runtime/store/runs/recorded-bundle.ts';
import { readLineage } from '../../runtime/store/runs/lineage.ts';
import type { ReplayOptions } from '../../runtime/replay/replay-options.ts';
import { isLiveReplay, type LiveReplayOptions } from '../../runtime/replay/live/live-options.ts';
import type { LiveEstimate } from '../../runtime/replay/live/live-plan.ts';
import type { LiveReplayReport } from '../../runtime/replay/live/live-report.ts';
import type { ReplayReport } from '../../runtime/replay/report.ts';
import { blame, type BlameEntry, timeline, type TimelineEntry } from '../../runtime/replay/context/context-blame.ts';
import { contextDiff, type ContextDiff } from '../../runtime/replay/context/context-diff.ts';
import { contextPatches, type PatchFilter, type PatchRecord } from '../../runtime/replay/context/context-patches.ts';
import type { ChainChoice, StatePoint } from '../../runtime/replay/context/history-point.ts';
import { stateAt, type StateResult } from '../../runtime/replay/context/state-at.ts';
import { type CheckpointInfo, listCheckpoints } from '../../runtime/store/checkpoints/checkpoints.ts';
import type { RunRow } from '../../runtime/store/runs/run-row.ts';
import type { Database } from '../../runtime/store/sql/database.ts';
import type { Connection } from '../common/connection.ts';
import { decodedHistory, type HistoryRecord, temporalHistory, type TemporalHistory } from './history-view.ts';

export interface LineageOptions {
  /** Maximum number of runs; default 1,000. */
  limit?: number;
}

export interface Lineage {
  /** In the order of the tree: each run, then what branched off from it, then its successor. */
  readonly runs: readonly LineageRun[];
  /** False when there are more runs than the limit. */
  readonly isComplete: boolean;
}

export interface ExportOptions {
  /** Path of the file; default `<run id>.reprise.gz` in the current folder. */
  file?: string;
  /** Also writes the workflow code that worked on the run last. Default false. */
  withCode?: boolean;
}

const checkpointsOptions = optionTable<{ check?: boolean }>({ check: trueOrFalse });
const exportOptions = optionTable<ExportOptions>({ file: textOf(1, 10_000), withCode: trueOrFalse });
const lineageOptions = optionTable<LineageOptions>({ limit: wholeNumber(1) });

export abstract class RunHistory {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The run that this handle was created for; undefined if the handle is for the latest run of a workflow id. */
  abstract get runId(): string | undefined;

  /** The run that the handle stands for. @throws WorkflowNotFoundError */
  protected abstract run(): Promise<RunRow>;

  /** The events of the log, decoded. `after` and `upTo` (inclusive) limit their seqs. */
  async history(range: { after?: number; upTo?: number } = {}): Promise<HistoryRecord[]> {
    return this.read((database, runId) => decodedHistory(database, runId, range));
  }

  /** The history in Temporal's format. */
  async fetchHistory(): Promise<TemporalHistory> {
    return this.read(temporalHistory);
  }

  /** The context document at a point, by default now. Folds the context patches and runs no workflow code. */
  async stateAt<T = Json>(point: StatePoint = {}): Promise<StateResult<T>> {
    return this.read((database, runId) => stateAt<T>(database, runId, point));
  }

  /**
   * Context patches in order, with author and reason, of this run and of the earlier runs of its chain. With `path`, only
   * patches at, above or below that path.
   */
  async patches(filter: PatchFilter = {}): Promise<PatchRecord[]> {
    return this.read((database, runId) => contextPatches(database, runId, filter));
  }

  /**
   * The runs that came from each other: origins, forks, continuations, retries, scheduled runs and children. A handle
   * for one run gives the tree that holds this run; a handle for a workflow id gives the trees of all its runs.
   */
  async lineage(options: LineageOptions = {}): Promise<Lineage> {
    checkOptions('lineage', options, lineageOptions);
    const { limit = 1_000 } = options;
    const { namespace, workflow_id: workflowId } = await this.run();
    const place = { namespace, workflowId, limit };
    const { rows, isComplete } = await this.#connection.reach((database) => readLineage(database, place));
    const { runId } = this;
    const isMeant = (row: { runId: string; workflowId: string }): boolean =>
      runId === undefined ? row.workflowId === workflowId : row.runId === runId;
    return { runs: lineageTree(rows, isMeant), isComplete };
  }

  /**
   * Compares the run with another one: what each did and received, where they first differ, how they ended, and their
   * contexts. Runs no workflow code.
   */
  async compare(other: RunHistory | HistorySource): Promise<RunDiff> {
    const sources = async (): Promise<[HistorySource, HistorySource]> => [
      await this.#source(),
      other instanceof RunHistory ? await other.#source() : other,
    ];
    return this.#connection.reach(async () => runDiff(...(await sources())));
  }

  /**
   * Writes the run to one file: its history with lineage and hashes. `readRunBundle` reads it without a database.
   * @throws RuntimeError HISTORY_CONFLICT when the log was changed, INVALID_INPUT when the file cannot be written,
   * CODE_NOT_RECORDED
   */
  async export(options: ExportOptions = {}): Promise<ExportedRun> {
    checkOptions('export', options, exportOptions);
    const { exportRun } = await import('../../runtime/replay/run-bundle/export-run.ts');
    return this.#connection.reach(async (database) => {
      const source = await this.#source();
      const code = options.withCode === true ? await recordedCode(database, source) : undefined;
      return exportRun(source, options.file ?? `${source.runId}.reprise.gz`, { now: new Date(), code });
    });
  }

  /**
   * Checks the hash chain of the log, and that a closed run ends where its row says. Finds edited and missing events; the
   * missing end of an open run only a copy of the head shows.
   */
  async verify(): Promise<Verification> {
    const { run_id: runId, final_seq: seq, final_hash: hash } = await this.run();
    return this.#connection.reach(async (database) => {
      const found = await verifySource(await StoredHistory.open(database, runId));
      if (!found.ok || seq === null || (found.events === seq && found.headHash === hash?.toString('hex'))) return found;
      const problem = `the closed run ended at seq ${seq}, its log ends ${found.events === seq ? 'with another hash' : `at seq ${found.events}`}`;
      return { ...found, ok: false, fault: { seq: Math.min(seq, found.events), problem } };
    });
  }

  #source(): Promise<StoredHistory> {
    return this.read((database, runId) => StoredHistory.open(database, runId));
  }

  /**
   * Replays the run. PATCH_ONLY (default) folds the recorded context patches and runs no code. MOCK_TOOLS (default with
   * `code`, `mocks` and other options that PATCH_ONLY lacks) runs the workflow code on the recorded results. Both enter no activity and write nothing. LIVE_TOOLS makes a hidden fork that
   * a worker of the task queue executes: it enters only activities that are declared with `effect: 'none'` or named in
   * `live`, and the record answers all others.
   * @throws RuntimeError INVALID_INPUT, BUNDLE_FAILED, CODE_NOT_RECORDED, NOT_SUPPORTED; TIMEOUT for LIVE_TOOLS with a
   * deadline
   */
  async replay(options: LiveReplayOptions): Promise<LiveReplayReport>;
  async replay(options?: ReplayOptions): Promise<ReplayReport>;
  async replay(options: ReplayOptions | LiveReplayOptions = {}): Promise<ReplayReport> {
    if (isLiveReplay(options)) {
      const { replayLive } = await import('./recovery/live-replay.ts');
      const { run_id: runId } = await this.run();
      return replayLive(this.#connection, runId, options);
    }
    // Loaded on demand, because it loads the sandbox and the bundler.
    const { replayRun } = await import('../../runtime/replay/replay-run.ts');
    return this.read((database, runId) => replayRun(database, runId, options));
  }

  /** What a replay with live activities may cost, from what the recorded calls have cost. Writes nothing. */
  async estimateReplay(options: LiveReplayOptions): Promise<LiveEstimate> {
    const { estimateLive } = await import('./recovery/live-replay.ts');
    const { run_id: runId } = await this.run();
    return estimateLive(this.#connection, runId, options);
  }

  /** What changed in the context between two points, as RFC 6902 operations. */
  async diff(from: StatePoint, to: StatePoint = {}): Promise<ContextDiff> {
    return this.read((database, runId) => contextDiff(database, runId, from, to));
  }

  /** Who wrote each value at and below a path, by default of the whole document, as it was at a point. */
  async blame(path = '', point: StatePoint = {}): Promise<BlameEntry[]> {
    return this.read((database, runId) => blame(database, runId, path, point));
  }

  /** Each value that a path had, with who wrote it and why. */
  async timeline(path: string, choice: ChainChoice = {}): Promise<TimelineEntry[]> {
    return this.read((database, runId) => timeline(database, runId, path, choice));
  }

  /**
   * The cached states of the context and the names that the code gave, in order. Any of them can be deleted. `check`: also
   * says which ones no longer prove themselves; this reads all of them.
   */
  async checkpoints(options: { check?: boolean } = {}): Promise<CheckpointInfo[]> {
    checkOptions('checkpoints', options, checkpointsOptions);
    return this.read((database, runId) => listCheckpoints(database, runId, options.check));
  }

  /** Calls `work` with the run, again after a lost connection. */
  protected async read<T>(work: (database: Database, runId: string) => Promise<T>): Promise<T> {
    const { run_id: runId } = await this.run();
    return this.#connection.reach((database) => work(database, runId));
  }
}

async function recordedCode(database: Database, { bundleHash, runId }: StoredHistory): Promise<ExportedCode> {
  const text = bundleHash === undefined ? undefined : await readBundle(database, bundleHash);
  if (bundleHash !== undefined && text !== undefined) return { hash: bundleHash, text };
  throw new RuntimeError(
    'CODE_NOT_RECORDED',
    `The workflow code that worked on run ${runId} is not in the database. Export the run without its code.`,
    { runId },
  );
}
