// The runs of a database as a deployment gate replays them: each with the code at hand, or with the code that recorded it.
import { availableParallelism } from 'node:os';
import { hash } from 'node:crypto';
import type { HistoryPages } from '../../core/log/history-source.ts';
import type { WorkflowBundle } from '../../sandbox/bundle/bundle.ts';
import { StoredHistory } from '../../store/log/stored-history.ts';
import type { Database } from '../../store/sql/database.ts';
import { GateSummary, type GateReport } from './gate-report.ts';
import { givenBundle, recordedBundle } from '../replay-code.ts';
import { type CodeOfRuns, ReplayMany, type RunToReplay, type RunVerdict } from './replay-many.ts';
import type { CodeOptions } from '../replay-options.ts';

/** A run in a list. */
export interface ListedRunId {
  readonly workflowId: string;
  readonly runId: string;
}

export interface ReplayRunsOptions extends CodeOptions {
  readonly onDivergence?: 'fail' | 'report' | undefined;
  /** Number of runs that are replayed at the same time; default: the number of processors. */
  readonly parallel?: number | undefined;
  /** Replays only this many of the runs: always the same ones of the same list. */
  readonly sample?: number | undefined;
  /** Called after each run. */
  readonly onVerdict?:
    | ((verdict: RunVerdict, counts: { readonly runs: number; readonly failed: number }) => void)
    | undefined;
}

/** One bundle for all runs. */
export class GivenCode implements CodeOfRuns {
  readonly #bundle: WorkflowBundle;

  constructor(bundle: WorkflowBundle) {
    this.#bundle = bundle;
  }

  async bundleOf(): Promise<WorkflowBundle> {
    return this.#bundle;
  }
}

/** Number of recorded bundles that stay in memory. */
const bundlesMax = 8;

class RecordedCode implements CodeOfRuns {
  readonly #database: Database;
  readonly #bundles = new Map<string, Promise<WorkflowBundle>>();

  constructor(database: Database) {
    this.#database = database;
  }

  bundleOf(source: HistoryPages): Promise<WorkflowBundle> {
    const key = source.bundleHash ?? '';
    const known = this.#bundles.get(key);
    if (known !== undefined) return known;
    const bundle = recordedBundle(this.#database, source);
    if (key !== '') this.#bundles.set(key, bundle);
    const [oldest] = this.#bundles.keys();
    if (this.#bundles.size > bundlesMax && oldest !== undefined) this.#bundles.delete(oldest);
    return bundle;
  }
}

/** @throws BUNDLE_FAILED for the given code; other faults are verdicts of their runs */
export async function replayRuns(
  database: Database,
  runs: AsyncIterable<ListedRunId>,
  options: ReplayRunsOptions,
): Promise<GateReport> {
  const begun = performance.now();
  const { parallel = availableParallelism(), sample, onDivergence, onVerdict } = options;
  const given = await givenBundle(options);
  const code = given === undefined ? new RecordedCode(database) : new GivenCode(given);
  const chosen = sample === undefined ? runs : sampleOf(runs, sample);
  const summary = new GateSummary();
  for await (const verdict of new ReplayMany(code, parallel, { onDivergence }).verdicts(opened(database, chosen))) {
    summary.add(verdict);
    onVerdict?.(verdict, { runs: summary.count, failed: summary.failed });
  }
  return summary.report(performance.now() - begun);
}

async function* opened(
  database: Database,
  runs: AsyncIterable<ListedRunId>,
): AsyncGenerator<RunToReplay, void, undefined> {
  for await (const { workflowId, runId } of runs) {
    yield { workflowId, runId, open: () => StoredHistory.open(database, runId) };
  }
}

/** The runs whose ids have the smallest digests: a random choice that every repetition makes again. */
async function* sampleOf(runs: AsyncIterable<ListedRunId>, size: number): AsyncGenerator<ListedRunId, void, undefined> {
  let kept: { readonly run: ListedRunId; readonly digest: string }[] = [];
  const keepSmallest = (): void => {
    kept = kept.sort((a, b) => (a.digest < b.digest ? -1 : 1)).slice(0, size);
  };
  for await (const { workflowId, runId } of runs) {
    kept.push({ run: { workflowId, runId }, digest: hash('sha256', runId) });
    if (kept.length >= 2 * size + 1000) keepSmallest();
  }
  keepSmallest();
  for (const { run } of kept) yield run;
}
