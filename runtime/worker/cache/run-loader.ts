// Brings claimed runs into memory. Of short ones the whole log is read together and replayed at once; of long ones only
// what is pending, so that their activities go on at once and the code is made again beside them.
import type { TaskFailure } from '../../core/log/activation.ts';
import type { Sandbox } from '../../sandbox/realm/sandbox.ts';
import { rejectionsKnown } from '../../sandbox/realm/unhandled-rejections.ts';
import { readAttempts } from '../../store/activities/activity-heartbeats.ts';
import type { Database } from '../../store/sql/database.ts';
import { readArguments, readHeads, readHistory, readOpenEvents, type StoredEvent } from '../../store/log/history.ts';
import type { Mail } from '../../core/run/mail.ts';
import { readMailByRun } from '../../store/messages/inbox.ts';
import { assert } from '../../core/failure/runtime-error.ts';
import { engineFault } from '../../core/log/engine-number.ts';
import { failsOnNondeterminism, failureErrorNames } from '../../core/failure/failure-types.ts';
import { Yielder } from '../../flow/yield.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { RunReplay } from '../../replay/run-replay.ts';
import { explained } from '../queries/run-tracer.ts';

/** Runs with fewer events than this are read together and replayed at once. */
const shortEvents = 500;

interface Source {
  readonly database: Database;
  readonly sandbox: Sandbox;
}

interface LoadResult {
  /** The run stands where its log ends; a long one without its code. */
  loaded(run: LiveRun, failure: TaskFailure | undefined, mail: readonly Mail[]): void;
  /** The run cannot be loaded: its log or its mail cannot be read, or cannot be folded. */
  failed(run: LiveRun, error: unknown): void;
}

/**
 * Loads every run and tells of each as soon as it is known. `start` is given of runs that are new and have nothing else in
 * their log. Never rejects: what fails of one run is told of that run.
 */
export async function loadRuns(
  source: Source,
  runs: readonly { run: LiveRun; start: StoredEvent | undefined }[],
  result: LoadResult,
): Promise<void> {
  const { sandbox } = source;
  const toRead: LiveRun[] = [];
  const yielder = new Yielder();
  for (const { run, start } of runs) {
    if (start === undefined || run.mailRead > 0) toRead.push(run);
    else
      await loaded(run, result, () => ({
        failure: failureOf(sandbox, run, replayed(sandbox, run, [start])),
        mail: [],
      }));
    if (yielder.isDue) await yielder.yield();
  }
  if (toRead.length > 0) await readRuns(source, toRead, result);
}

interface Loaded {
  readonly failure: TaskFailure | undefined;
  readonly mail: readonly Mail[];
}

async function loaded(run: LiveRun, result: LoadResult, load: () => Loaded | Promise<Loaded>): Promise<void> {
  try {
    const { failure, mail } = await load();
    result.loaded(run, failure, mail);
  } catch (error) {
    result.failed(run, error);
  }
}

async function readRuns(source: Source, runs: readonly LiveRun[], result: LoadResult): Promise<void> {
  let read: ReadRuns;
  try {
    read = await readBatch(source.database, runs);
  } catch (error) {
    if (runs.length === 1) return result.failed(runs[0]!, error);
    // One run's log must not keep the others away.
    const half = runs.length >> 1;
    await Promise.all([runs.slice(0, half), runs.slice(half)].map((part) => readRuns(source, part, result)));
    return;
  }
  const yielder = new Yielder();
  const loading: Promise<void>[] = [];
  for (const run of runs) {
    loading.push(loaded(run, result, () => loadRun(source, run, read)));
    if (yielder.isDue) await yielder.yield();
  }
  await Promise.all(loading);
}

interface ReadRuns {
  readonly heads: ReadonlyMap<string, readonly StoredEvent[]>;
  readonly mail: ReadonlyMap<string, readonly Mail[]>;
  readonly unreadable: ReadonlyMap<string, unknown>;
}

async function readBatch(database: Database, runs: readonly LiveRun[]): Promise<ReadRuns> {
  const withMail = runs.filter((run) => run.mailRead > 0).map((run) => ({ runId: run.runId, after: 0 }));
  const runIds = runs.map((run) => run.runId);
  const [heads, { mail, unreadable }] = await Promise.all([
    readHeads(database, runIds, shortEvents),
    withMail.length === 0 ? { mail: [], unreadable: new Map() } : readMailByRun(database, withMail),
  ]);
  return {
    heads: Map.groupBy(heads, (event) => event.runId),
    mail: Map.groupBy(mail, (message) => message.runId),
    unreadable,
  };
}

async function loadRun({ database, sandbox }: Source, run: LiveRun, read: ReadRuns): Promise<Loaded> {
  const { runId } = run;
  if (read.unreadable.has(runId)) throw read.unreadable.get(runId);
  const events = read.heads.get(runId) ?? [];
  const mail = read.mail.get(runId) ?? [];
  assert(events[0]?.type === 'WorkflowStarted', `the log of run ${runId} does not begin with its start`);
  let replay: RunReplay | undefined;
  if (events.length < shortEvents) replay = replayed(sandbox, run, events);
  else for (const event of await readOpenEvents(database, runId)) run.record(event);
  if (mail.length > 0) run.mailRead = mail[0]!.id - 1;
  await readPending(database, run);
  if (run.state.hash.length > 0) await rejectionsKnown();
  const failure = await explained(database, sandbox, runId, replay && failureOf(sandbox, run, replay));
  return { failure, mail };
}

/** Takes a run's whole log in: what is pending, and its code. */
export function replayed(sandbox: Sandbox, run: LiveRun, events: readonly StoredEvent[]): RunReplay {
  for (const event of events) run.record(event);
  const replay = begin(sandbox, run);
  replay.take(events);
  run.unhashed = replay.finish();
  run.carried = replay.carried;
  return replay;
}

/** Makes workflow code stand again where the log ends, without touching what is pending. Returns why it could not. */
export async function reloadSandbox(
  database: Database,
  sandbox: Sandbox,
  run: LiveRun,
): Promise<TaskFailure | undefined> {
  const replay = begin(sandbox, run);
  for await (const page of readHistory(database, run.runId, { upTo: run.state.seq, forReplay: true }))
    replay.take(page);
  replay.finish();
  run.carried = replay.carried;
  await rejectionsKnown();
  return explained(database, sandbox, run.runId, failureOf(sandbox, run, replay));
}

/** Why the code could not follow the log. */
function failureOf(sandbox: Sandbox, run: LiveRun, replay: RunReplay): TaskFailure | undefined {
  const failure = replay.failure ?? run.sandbox?.rejection;
  if (failure?.code !== 'DETERMINISM') return failure;
  const failsRun = failsOnNondeterminism(failureErrorNames(sandbox.failureErrorTypes, run.state.workflowType));
  return failsRun ? { ...failure, failsRun } : failure;
}

function begin(sandbox: Sandbox, run: LiveRun): RunReplay {
  run.dropSandbox();
  run.sandbox = sandbox.createRun(run.runId);
  const replay = new RunReplay(run.sandbox);
  // Nothing is activated of a run that this version cannot replay.
  replay.failure = engineFault(run.state);
  return replay;
}

/** Arguments and attempts of activities that are pending: recovery leaves the arguments of all others unread. */
async function readPending(database: Database, run: LiveRun): Promise<void> {
  if (run.state.activities.size === 0) return;
  const [args, attempts] = await Promise.all([
    readArguments(database, run.runId, [...run.state.activities.keys()]),
    readAttempts(database, run.runId),
  ]);
  for (const activity of run.state.activities.values()) {
    run.state.giveArguments(activity.seq, args.get(activity.seq) ?? null);
    run.places.found(activity.seq, attempts.places.get(activity.seq) ?? 'local');
  }
  run.progress = attempts.progress;
}
