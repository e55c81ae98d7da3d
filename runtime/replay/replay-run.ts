// Replays one run of the database in the mode that the caller asks for. The client loads this file only when it is
// asked for a replay, because it loads the sandbox and the bundler.
import { RuntimeError } from '../core/failure/runtime-error.ts';
import type { HistorySource } from '../core/log/history-source.ts';
import type { WorkflowBundle } from '../sandbox/bundle/bundle.ts';
import { StoredHistory } from '../store/log/stored-history.ts';
import type { Database } from '../store/sql/database.ts';
import { mockToolsReport, type MockToolsOptions } from './mock-tools.ts';
import { patchOnly, recordedState } from './patch-only.ts';
import { givenBundle, recordedBundle } from './replay-code.ts';
import {
  checkReplayOptions,
  encodedMocks,
  encodedStub,
  type ReplayOptions,
  replayMode,
  seqOfPoint,
} from './replay-options.ts';
import { Replayer } from './replayer.ts';
import type { ReplayReport } from './report.ts';

/** @throws INVALID_INPUT, RUN_NOT_FOUND, BUNDLE_FAILED, CODE_NOT_RECORDED, NOT_SUPPORTED */
export async function replayRun(database: Database, runId: string, options: ReplayOptions): Promise<ReplayReport> {
  checkReplayOptions(options);
  const mode = replayMode(options.mode ?? 'PATCH_ONLY');
  if (mode === 'LIVE_TOOLS') {
    throw new RuntimeError(
      'NOT_SUPPORTED',
      'replay: LIVE_TOOLS is not supported by this version. Use MOCK_TOOLS, which replays on recorded results.',
      { runId },
    );
  }
  const source = await StoredHistory.open(database, runId);
  const to = await seqOfPoint(source, options.to);
  if (mode === 'PATCH_ONLY') return patchOnly(source, { from: options.from, to });
  const mockOptions = await mockToolsOptions(options, to);
  const bundle = (await givenBundle(options)) ?? (await recordedBundle(database, source));
  return replaySource(source, bundle, mockOptions);
}

/** The options in the form that goes to a replaying thread. */
export async function mockToolsOptions(options: ReplayOptions, to: number | undefined): Promise<MockToolsOptions> {
  const { from, onDivergence } = options;
  return { from, to, onDivergence, mocks: await encodedMocks(options.mocks), stub: await encodedStub(options) };
}

/** MOCK_TOOLS on any source, in a thread of its own. */
export async function replaySource(
  source: HistorySource,
  bundle: WorkflowBundle,
  options: MockToolsOptions,
): Promise<ReplayReport> {
  const begun = performance.now();
  const replayer = new Replayer(bundle);
  try {
    const upTo = Math.min(options.to ?? source.head, source.head);
    const [replayed, expected] = await Promise.all([
      replayer.replay(source, { ...options, tracesWaits: true }),
      recordedState(source, upTo),
    ]);
    return mockToolsReport(replayed, expected, performance.now() - begun);
  } finally {
    await replayer.close();
  }
}
