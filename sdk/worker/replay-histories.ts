// Replays of histories with the code of a worker, under Temporal's names: `Worker.runReplayHistory` and
// `runReplayHistories`. Enters no activity and needs no task queue.
import { DeterminismViolationError, RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import type { HistorySource } from '../../runtime/core/log/history-source.ts';
import { checkOptions, optionTable, unchecked } from '../../runtime/core/options/option-table.ts';
import { ReplayMany, type RunToReplay, type RunVerdict } from '../../runtime/replay/many/replay-many.ts';
import { GivenCode } from '../../runtime/replay/many/replay-runs.ts';
import { bundleWorkflowCode, loadBundle, type WorkflowBundleOption } from '../../runtime/sandbox/bundle/bundle.ts';
import { sourceOf, type TemporalHistory } from '../client/history-view.ts';

/** The code that replays: one of the first two. */
export interface ReplayWorkerOptions {
  /** The file that exports workflow functions: a path, or `new URL('./workflows.ts', import.meta.url)`. */
  workflowsPath?: string | URL;
  workflowBundle?: WorkflowBundleOption;
  bundlerOptions?: { preloadModules?: string[]; ignoreModules?: string[] };
}

/** A history from `fetchHistory()` or `intoHistories()` of this process, or a run in a file (`readRunBundle`). */
export type ReplayableHistory = TemporalHistory | HistorySource;

export interface HistoryToReplay {
  readonly workflowId: string;
  readonly history: ReplayableHistory;
}

export interface ReplayResult {
  readonly workflowId: string;
  readonly runId: string;
  /** DeterminismViolationError: the code does not follow the history. ReplayError: it throws, or it cannot be read. */
  readonly error?: DeterminismViolationError | ReplayError;
}

/** A history that could not be replayed to its end, though the code did not diverge from it. */
export class ReplayError extends RuntimeError {
  override readonly name = 'ReplayError';
}

const replayOptions = optionTable<ReplayWorkerOptions>(unchecked('workflowsPath', 'workflowBundle', 'bundlerOptions'));

/** @throws INVALID_INPUT, BUNDLE_FAILED; DeterminismViolationError, ReplayError */
export async function replayHistory(options: ReplayWorkerOptions, item: HistoryToReplay): Promise<void> {
  for await (const { error } of replayHistories(options, only(item))) if (error !== undefined) throw error;
}

/** One history at a time. @throws INVALID_INPUT, BUNDLE_FAILED */
export async function* replayHistories(
  options: ReplayWorkerOptions,
  histories: AsyncIterable<HistoryToReplay> | Iterable<HistoryToReplay>,
): AsyncGenerator<ReplayResult, void, undefined> {
  checkOptions('runReplayHistories', options, replayOptions);
  const { workflowsPath, workflowBundle, bundlerOptions } = options;
  if (workflowBundle === undefined && workflowsPath === undefined) {
    throw new RuntimeError('INVALID_INPUT', 'runReplayHistories needs code: pass workflowsPath or workflowBundle.');
  }
  const bundle =
    workflowBundle === undefined
      ? await bundleWorkflowCode({ workflowsPath: workflowsPath!, ...bundlerOptions })
      : loadBundle(workflowBundle);
  const replays = new ReplayMany(new GivenCode(bundle), 1);
  for await (const verdict of replays.verdicts(opened(histories))) yield resultOf(verdict);
}

async function* only(item: HistoryToReplay): AsyncGenerator<HistoryToReplay, void, undefined> {
  yield item;
}

async function* opened(
  histories: AsyncIterable<HistoryToReplay> | Iterable<HistoryToReplay>,
): AsyncGenerator<RunToReplay, void, undefined> {
  for await (const { workflowId, history } of histories) {
    const source = await openedSource(history);
    yield { workflowId, runId: source.runId, open: async () => source };
  }
}

async function openedSource(history: ReplayableHistory): Promise<HistorySource> {
  if ('pages' in history) return history;
  const open = sourceOf(history);
  if (open !== undefined) return open();
  throw new RuntimeError(
    'INVALID_INPUT',
    "The history is not one of this process: Temporal's format lacks what a replay needs, such as times of turns. Pass the " +
      'result of fetchHistory() or intoHistories(), or a file that `reprise workflow export` wrote: readRunBundle(file).',
  );
}

function resultOf({ workflowId, runId, success, error, divergences: [first] }: RunVerdict): ReplayResult {
  if (success) return { workflowId, runId };
  if (error !== undefined) return { workflowId, runId, error: new ReplayError(error.code, error.message, { runId }) };
  const message = first?.message ?? 'The code does not follow the history.';
  if (first?.code !== 'DETERMINISM') {
    return { workflowId, runId, error: new ReplayError(first?.code ?? 'DETERMINISM', message, { runId }) };
  }
  return { workflowId, runId, error: new DeterminismViolationError(message, { runId }) };
}
