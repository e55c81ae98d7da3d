// `reprise replay`: replays a run in one of the modes, or many runs against code, and writes nothing to the database.
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { replayMode } from '../../runtime/replay/replay-options.ts';
import {
  readRunBundle,
  type ReplayMode,
  type ReplayOptions,
  type ReplayPoint,
  type ReplayReport,
} from '../../sdk/client.ts';
import { newClientAction, withClient } from './command-client.ts';
import { jsonText } from './json-view.ts';
import { pointHelp, readPoint, withZone, type ZoneOption } from './point-option.ts';
import { reportText } from './replay/report-text.ts';
import { type LiveFlags, replayManyLive, replayOneLive } from './replay/replay-live.ts';
import { type ManyFlags, replayManyRuns } from './replay/replay-many.ts';
import { usageFault } from './replay/replay-usage.ts';

interface ReplayFlags extends Omit<ManyFlags, 'sample'>, Omit<LiveFlags, 'from'>, ZoneOption {
  run?: string;
  file?: string;
  runBundledCode?: boolean;
  mode?: ReplayMode;
  from?: string;
  to?: string;
  code?: string;
  preloadModule: string[];
  ignoreModule: string[];
  onDivergence?: 'fail' | 'report';
  onMissing?: Pick<ReplayOptions, 'onMissing' | 'stub'>;
  inspect?: number | true;
  breakAt?: number;
}

export function replayCommand(): Command {
  return withZone(
    newClientAction('replay', 'Replay a run, or many: context patches alone, or code on recorded results.'),
  )
    .argument('[id]', 'workflow id; its latest run')
    .option('--run <runId>', 'a certain run instead')
    .option('--file <file>', 'instead of <id>: a file that `workflow export` wrote; needs no database')
    .option('--run-bundled-code', 'with --file: run the code that the file holds; only for files that you trust')
    .option(
      '--mode <mode>',
      'PATCH_ONLY, MOCK_TOOLS or LIVE_TOOLS; default: MOCK_TOOLS with an option for code, else PATCH_ONLY',
      modeOf,
    )
    .option('--from <seq>', 'the report counts from this seq; LIVE_TOOLS: begin before this seq, activity id or type#n')
    .option('--to <point>', `${pointHelp} (inclusive); default: the end`)
    .option('--mock <name=file>', 'result of an activity: type, type#n or id, and a JSON file; repeatable', addMock)
    .option('--code <where>', '"recorded" (default), or the file that exports the workflows')
    .option('--preload-module <module>', "as the worker's bundlerOptions.preloadModules; repeatable", add, [])
    .option('--ignore-module <module>', "as the worker's bundlerOptions.ignoreModules; repeatable", add, [])
    .addOption(new Option('--on-divergence <what>', 'stop, or go on and match').choices(['fail', 'report']))
    .option('--on-missing <what>', 'for activities without a recorded result: fail, stub, or stub=<JSON file>', missing)
    .option('--inspect [port]', "replay with Node's inspector open, and wait for a debugger; default port 9229", portOf)
    .option(
      '--break-at <seq>',
      'with --inspect: stop at the command or input with this seq; default: at the start',
      seqOf,
    )
    .option('--output <file>', 'also write the report as JSON to this file')
    .optionsGroup('Many runs, with MOCK_TOOLS:')
    .option('--all', 'all runs that the options below select')
    .option('--open', 'all open runs among them: what to replay before a deployment')
    .option('--since <duration>', 'runs that started within this time, such as 7d')
    .option('--type <type>', 'runs of a workflow type')
    .option('--task-queue <queue>', 'runs of a task queue')
    .option('--query <query>', 'runs that a query of `workflow list` selects')
    .option(
      '--sample <n|share>',
      'only this many of them, always the same ones; LIVE_TOOLS: 1% enters this share of the live calls',
      sampleOf,
    )
    .option('--parallel <n>', 'runs at the same time; default: the number of processors', countOf)
    .option('--allow-empty', 'do not fail when no run is selected')
    .option('--junit <file>', 'write a report in the format of JUnit')
    .option('--report <file>', 'write a report as JSON')
    .optionsGroup('With LIVE_TOOLS:')
    .option('--live <names>', 'activity types that may be entered, or "divergent"')
    .option(
      '--result <name=file>',
      'replaces a recorded result: type, type#n or id, and a JSON file; repeatable',
      addMock,
      {},
    )
    .option('--allow-effects <names>', 'unsafe activities among the live ones that may be entered')
    .option('--real-time', 'timers wait for their time')
    .option('--keep', 'keep the fork from being pruned')
    .option('--yes', 'enter activities without a question')
    .action(async (workflowId: string | undefined, flags: ReplayFlags, command: Command) => {
      const fault = usageFault(command, workflowId);
      if (fault !== undefined) command.error(fault);
      const isMany = flags.all === true || flags.open === true;
      if (flags.mode === 'LIVE_TOOLS' && flags.file === undefined) {
        await (isMany ? replayManyLive(flags) : replayOneLive(workflowId!, flags));
      } else await (isMany ? replayMany(flags) : replayOne(workflowId, flags));
    });
}

async function replayOne(workflowId: string | undefined, flags: ReplayFlags): Promise<void> {
  const report = await reportOf(workflowId, flags);
  if (flags.output !== undefined) await writeFile(flags.output, `${jsonText(report, 2)}\n`);
  console.log(flags.json === true ? jsonText(report) : reportText(report, flags.output === undefined));
  process.exitCode = exitCodeOf(report);
}

async function replayMany(flags: ReplayFlags): Promise<void> {
  const { code, onDivergence, sample, ...given } = flags;
  await replayManyRuns(
    { ...given, ...(sample === undefined ? {} : { sample: countOf(sample) }) },
    {
      ...(given.open === true ? { open: true } : {}),
      ...(onDivergence === undefined ? {} : { onDivergence }),
      ...codeOf(code, flags),
    },
  );
}

async function reportOf(workflowId: string | undefined, flags: ReplayFlags): Promise<ReplayReport> {
  const { file, run, runBundledCode = false } = flags;
  if (file !== undefined) return (await readRunBundle(file)).replay({ ...optionsOf(flags), runBundledCode });
  return withClient(flags, ({ workflow }) => workflow.getHandle(workflowId!, run).replay(optionsOf(flags)));
}

/** 2: a divergence. */
function exitCodeOf({ success, mocked }: ReplayReport): number {
  if (!success) return 2;
  return mocked.some(({ seqs }) => seqs.length === 0) ? 1 : 0;
}

function optionsOf(flags: ReplayFlags): ReplayOptions {
  const { mode, from, to, mock, code, onDivergence, onMissing } = flags;
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(mock === undefined ? {} : { mocks: mock }),
    ...codeOf(code, flags),
    ...(from === undefined ? {} : { from: seqOf(from) }),
    ...(to === undefined ? {} : { to: pointOfRun(to, flags) }),
    ...(onDivergence === undefined ? {} : { onDivergence }),
    ...onMissing,
    ...inspectOf(flags),
  };
}

/** A time is said and made exact here; the rest is found in the log of the run. */
function pointOfRun(text: string, flags: ZoneOption): ReplayPoint {
  const { seq, time } = readPoint(text, flags);
  return seq ?? time ?? text;
}

function inspectOf({ inspect, breakAt }: ReplayFlags): Pick<ReplayOptions, 'inspect'> {
  if (inspect === undefined) return {};
  const port = inspect === true ? {} : { port: inspect };
  return { inspect: { ...port, ...(breakAt === undefined ? {} : { breakAt }) } };
}

function codeOf(code: string | undefined, flags: ReplayFlags): Pick<ReplayOptions, 'code' | 'bundlerOptions'> {
  const { preloadModule: preloadModules, ignoreModule: ignoreModules } = flags;
  const hasModules = preloadModules.length > 0 || ignoreModules.length > 0;
  return {
    ...(code === undefined ? {} : { code }),
    ...(hasModules ? { bundlerOptions: { preloadModules, ignoreModules } } : {}),
  };
}

function modeOf(text: string): ReplayMode {
  try {
    return replayMode(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function countOf(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number above 0.');
}

/** A number of runs, or a share of calls. */
function sampleOf(text: string): string {
  if (/^[1-9]\d{0,8}$|^\d{1,2}(\.\d+)?%$|^100%$/.test(text)) return text;
  throw new InvalidArgumentError('Expected a whole number above 0, or a share such as 1%.');
}

function portOf(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a port, a whole number.');
}

function seqOf(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a seq, a whole number.');
}

function add(value: string, all: readonly string[]): string[] {
  return [...all, value];
}

function addMock(text: string, all: Record<string, URL> = {}): Record<string, URL> {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1)
    throw new InvalidArgumentError('Expected name=file, such as validate#1=ok.json.');
  return { ...all, [text.slice(0, at)]: fileUrl(text.slice(at + 1).replace(/^@/, '')) };
}

function missing(text: string): Pick<ReplayOptions, 'onMissing' | 'stub'> {
  if (text === 'fail' || text === 'stub') return { onMissing: text };
  if (text.startsWith('stub=') && text.length > 5) return { onMissing: 'stub', stub: fileUrl(text.slice(5)) };
  throw new InvalidArgumentError('Expected fail, stub, or stub=<JSON file>.');
}

function fileUrl(path: string): URL {
  return pathToFileURL(resolve(path));
}
