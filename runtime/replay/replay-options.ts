// The options of a replay as callers give them: their checks, and the form that the modes take. Reads files of results.
import { readFile } from 'node:fs/promises';
import { encodeFailure } from '../core/failure/failure-info.ts';
import { RuntimeError } from '../core/failure/runtime-error.ts';
import { describeValue } from '../core/json/json.ts';
import {
  checkOptions,
  listOf,
  nested,
  oneOf,
  optionTable,
  type OptionRule,
  recordOf,
  ruleOf,
  textOf,
  unchecked,
} from '../core/options/option-table.ts';
import { encodePayload } from '../core/payload/payload.ts';
import type { WorkflowBundleOption } from '../sandbox/bundle/bundle.ts';
import type { DebugOptions } from './debug-replay.ts';
import { type ReplayPoint, replayPoint } from './context/history-point.ts';
import type { ReplayMode } from './report.ts';
import type { ResultMock } from './mock/result-mocks.ts';

/** Where the workflow code of a replay comes from. */
export interface CodeOptions {
  /**
   * `recorded`: the bundle that worked on the run last. Else the file that exports the workflows, as a path or a URL, or a
   * bundle. Default `recorded`.
   */
  code?: 'recorded' | string | URL | WorkflowBundleOption;
  /** As for a worker, when `code` is a file. */
  bundlerOptions?: { preloadModules?: string[]; ignoreModules?: string[] };
}

export interface ReplayOptions extends CodeOptions {
  /** In any case, with `-` or `_`. Default: MOCK_TOOLS with an option that only MOCK_TOOLS has, else PATCH_ONLY. */
  mode?: ReplayMode | Lowercase<ReplayMode> | 'patch-only' | 'mock-tools' | 'live-tools';
  /** The report counts from this seq; default 1. */
  from?: number;
  /**
   * Default: the end of the log. A seq, a Date, or a text as `reprise workflow state --at` takes it: a time such as
   * "14:03" or "5 min ago", `checkpoint:name`, `type#n`, or `event:` and the id of an activity.
   */
  to?: ReplayPoint;
  /**
   * Results that replace recorded ones, by activity type, `type#n` (the n-th call of the type, from 1) or activity id. An
   * Error stands for a failure, a file URL for the JSON value in a file.
   */
  mocks?: Readonly<Record<string, unknown>>;
  /** `fail`: stops at the first divergence. `report`: goes on, and matches later commands. Default `fail`. */
  onDivergence?: 'fail' | 'report';
  /**
   * What an activity without a recorded result gets. `fail`: nothing, the code waits. `stub`: `stub`, or undefined.
   * Default `fail`.
   */
  onMissing?: 'fail' | 'stub';
  /** With `onMissing: 'stub'`: the result, or a file URL. */
  stub?: unknown;
  /**
   * Replays in the calling thread with Node's inspector open, and waits until a debugger is attached. Breakpoints in the
   * user's TypeScript files work. Only for MOCK_TOOLS.
   */
  inspect?: DebugOptions;
}

export interface FileReplayOptions extends ReplayOptions {
  /** Allows `code: 'recorded'` to run the workflow code that the file holds. Default false. */
  runBundledCode?: boolean;
}

const modes: ReadonlySet<string> = new Set<ReplayMode>(['PATCH_ONLY', 'MOCK_TOOLS', 'LIVE_TOOLS']);

/** `mock-tools`, `Mock_Tools` … → `MOCK_TOOLS`. @throws INVALID_INPUT */
export function replayMode(given: string): ReplayMode {
  const mode = typeof given === 'string' ? given.toUpperCase().replaceAll('-', '_') : '';
  if (modes.has(mode)) return mode as ReplayMode;
  throw new RuntimeError(
    'INVALID_INPUT',
    `replay: mode is ${describeValue(given)}, expected PATCH_ONLY, MOCK_TOOLS or LIVE_TOOLS.`,
  );
}

export const seqRule: OptionRule = ruleOf(
  'a seq: a whole number of 0 to 2147483647',
  (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 2_147_483_647,
);

const portRule = ruleOf('a port: a whole number of 0 to 65535', (value) => {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65_535;
});

const replayOptions = optionTable<ReplayOptions>({
  ...unchecked('mode', 'code', 'stub'),
  from: seqRule,
  to: replayPoint,
  mocks: recordOf({ faultOf: () => undefined }),
  onDivergence: oneOf({ fail: 'fail', report: 'report' }),
  onMissing: oneOf({ fail: 'fail', stub: 'stub' }),
  inspect: nested(optionTable<DebugOptions>({ port: portRule, breakAt: seqRule })),
  bundlerOptions: nested(
    optionTable<NonNullable<CodeOptions['bundlerOptions']>>({
      preloadModules: listOf(textOf(1, 1000)),
      ignoreModules: listOf(textOf(1, 1000)),
    }),
  ),
});

/** @throws INVALID_INPUT */
export function checkReplayOptions(options: ReplayOptions): void {
  checkOptions('replay', options, replayOptions);
  if (options.stub !== undefined && options.onMissing !== 'stub') {
    throw new RuntimeError('INVALID_INPUT', "replay: stub is the result for onMissing: 'stub'. Pass both or none.");
  }
}

/** Options that have no meaning without workflow code. */
const codeOptions = ['code', 'bundlerOptions', 'mocks', 'onDivergence', 'onMissing', 'stub', 'inspect'] as const;

/** The mode that checked options ask for. @throws INVALID_INPUT for PATCH_ONLY with an option that runs code */
export function modeOf({ runBundledCode = false, ...options }: FileReplayOptions): ReplayMode {
  const given: string[] = codeOptions.filter((name) => options[name] !== undefined);
  if (runBundledCode) given.push('runBundledCode');
  if (options.mode === undefined) return given.length === 0 ? 'PATCH_ONLY' : 'MOCK_TOOLS';
  const mode = replayMode(options.mode);
  if (mode !== 'PATCH_ONLY' || given.length === 0) return mode;
  throw new RuntimeError(
    'INVALID_INPUT',
    `replay: PATCH_ONLY runs no code, so ${given.join(', ')} would have no effect. Leave out the mode, which is MOCK_TOOLS ` +
      'then, or leave out the rest.',
  );
}

/** @throws INVALID_INPUT when a file cannot be read, NOT_SERIALISABLE */
export async function encodedMocks(mocks: ReplayOptions['mocks'] = {}): Promise<ResultMock[]> {
  const encoded: ResultMock[] = [];
  for (const [key, given] of Object.entries(mocks)) {
    const failed = given instanceof Error;
    const payload = failed ? encodeFailure(given) : encodePayload(await valueOf(`mocks.${key}`, given));
    encoded.push({ key, payload, failed });
  }
  return encoded;
}

/** Undefined when nothing is stubbed. */
export async function encodedStub({ onMissing, stub }: ReplayOptions): Promise<Uint8Array | null | undefined> {
  if (onMissing !== 'stub') return undefined;
  return stub === undefined ? null : encodePayload(await valueOf('stub', stub));
}

async function valueOf(name: string, given: unknown): Promise<unknown> {
  if (!(given instanceof URL)) return given;
  try {
    return JSON.parse(await readFile(given, 'utf8')) as unknown;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RuntimeError('INVALID_INPUT', `replay: ${name}: ${given.href} is not a readable JSON file: ${why}.`, {
      cause,
    });
  }
}
