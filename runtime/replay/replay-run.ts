// Replays one run of the database or of a file in the mode that the caller asks for. The client loads this file only when it is
// asked for a replay, because it loads the sandbox and the bundler.
import { RuntimeError } from '../core/failure/runtime-error.ts';
import type { HistorySource } from '../core/log/history-source.ts';
import type { NamedPoints } from '../core/recovery/event-address.ts';
import { loadBundle, type WorkflowBundle } from '../sandbox/bundle/bundle.ts';
import { StoredHistory } from '../store/log/stored-history.ts';
import type { Database } from '../store/sql/database.ts';
import { mockToolsReport, type MockToolsOptions } from './mock/mock-tools.ts';
import { seqOfPoint } from './context/history-point.ts';
import { patchOnly, recordedState } from './context/patch-only.ts';
import { debugReplay } from './debug-replay.ts';
import { givenBundle, recordedBundle, sourceFolderOfCode } from './replay-code.ts';
import {
  checkReplayOptions,
  encodedMocks,
  encodedStub,
  type FileReplayOptions,
  modeOf,
  type ReplayOptions,
} from './replay-options.ts';
import { Replayer } from './thread/replayer.ts';
import type { ReplayMode, ReplayReport } from './report.ts';

/** @throws INVALID_INPUT, RUN_NOT_FOUND, BUNDLE_FAILED, CODE_NOT_RECORDED, NOT_SUPPORTED */
export async function replayRun(database: Database, runId: string, options: ReplayOptions): Promise<ReplayReport> {
  const mode = supportedMode(runId, options);
  const source = await StoredHistory.open(database, runId);
  return replayIn(mode, source, options, () => recordedBundle(database, source));
}

/**
 * Replays a run of a file, without a database. Its own code runs only if the caller says so.
 * @throws INVALID_INPUT, BUNDLE_INVALID, BUNDLE_FAILED, CODE_NOT_RECORDED, NOT_SUPPORTED
 */
export async function replayFile(
  source: RecordedFile,
  { runBundledCode = false, ...options }: FileReplayOptions,
): Promise<ReplayReport> {
  return replayIn(supportedMode(source.runId, options, runBundledCode), source, options, async () => {
    if (source.hasCode && runBundledCode) {
      const bundle = loadBundle({ code: await source.readCode() });
      if (bundle.hash === source.bundleHash) return bundle;
      throw new RuntimeError(
        'BUNDLE_INVALID',
        `The workflow code in the file has the hash ${bundle.hash}, its header says ${source.bundleHash}. Export the run again.`,
      );
    }
    const why = source.hasCode
      ? 'The file holds workflow code, which runs only with runBundledCode: true (CLI: --run-bundled-code). Run the code of people whom you trust, or pass your own code'
      : 'The file holds no workflow code. Pass it';
    throw new RuntimeError(
      'CODE_NOT_RECORDED',
      `${why}: \`code: './src/workflows.ts'\` (CLI: --code ./src/workflows.ts).`,
      {
        runId: source.runId,
      },
    );
  });
}

/** A run in a file. */
interface RecordedFile extends HistorySource, NamedPoints {
  readonly hasCode: boolean;
  readCode(): Promise<string>;
}

function supportedMode(runId: string, options: ReplayOptions, runBundledCode = false): ReplayMode {
  checkReplayOptions(options);
  const mode = modeOf({ ...options, runBundledCode });
  if (mode !== 'LIVE_TOOLS') return mode;
  throw new RuntimeError(
    'NOT_SUPPORTED',
    'replay: LIVE_TOOLS is not supported by this version. Use MOCK_TOOLS, which replays on recorded results.',
    { runId },
  );
}

async function replayIn(
  mode: ReplayMode,
  source: HistorySource & NamedPoints,
  options: ReplayOptions,
  recorded: () => Promise<WorkflowBundle>,
): Promise<ReplayReport> {
  const to = await seqOfPoint(source, options.to);
  if (mode === 'PATCH_ONLY') return patchOnly(source, { from: options.from, to });
  const mockOptions = await mockToolsOptions(options, to);
  const bundle = (await givenBundle(options)) ?? (await recorded());
  if (options.inspect === undefined) return replaySource(source, bundle, mockOptions);
  const begun = performance.now();
  const sourceFolder = sourceFolderOfCode(options);
  const replayed = await debugReplay(source, bundle, mockOptions, { ...options.inspect, sourceFolder });
  return mockToolsReport(replayed, await recordedState(source, replayed.toSeq), performance.now() - begun);
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
