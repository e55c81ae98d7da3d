// Brings claimed runs into memory. Of short ones the whole log is read together and replayed at once; of long ones only
// what is pending, so that their activities go on at once and the code is made again beside them.
import type { TaskFailure } from '../../core/log/activation.ts';
import type { Sandbox } from '../../sandbox/realm/sandbox.ts';
import { rejectionsKnown } from '../../sandbox/realm/unhandled-rejections.ts';
import { readAttempts } from '../../store/activities/activity-heartbeats.ts';
import type { Database } from '../../store/sql/database.ts';
import { readArguments, readHeads, readHistory, readOpenEvents, type StoredEvent } from '../../store/log/history.ts';
import { type Mail, readMail } from '../../store/messages/inbox.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { engineFault } from '../../core/log/engine-number.ts';
import { failsOnNondeterminism, failureErrorNames } from '../../core/failure/failure-types.ts';
import { Yielder } from '../../flow/yield.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { RunReplay } from './load-run.ts';
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
  /** A newer version has written into the run's log what this one cannot read. */
  unreadable(run: LiveRun, error: RuntimeError): void;
}

/**
 * Loads every run and tells of each as soon as it is known. `start` is given of runs that are new and have nothing else in
 * their log.
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
    else result.loaded(run, failureOf(sandbox, run, replayed(sandbox, run, [start])), []);
    if (yielder.isDue) await yielder.yield();
  }
  if (toRead.length > 0) await readRuns(source, toRead, result);
}

async function readRuns(
  { database, sandbox }: Source,
  runs: readonly LiveRun[],
  { loaded, unreadable }: LoadResult,
): Promise<void> {
  const withMail = runs.filter((run) => run.mailRead > 0).map((run) => ({ runId: run.runId, after: 0 }));
  const [heads, mail] = await Promise.all([
    headsOf(database, runs, unreadable),
    withMail.length === 0 ? [] : readMail(database, withMail),
  ]);
  const eventsByRun = Map.groupBy(heads, (event) => event.runId);
  const mailByRun = Map.groupBy(mail, (message) => message.runId);
  const finish = async (run: LiveRun, replay: RunReplay | undefined): Promise<void> => {
    const ofRun = mailByRun.get(run.runId) ?? [];
    if (ofRun.length > 0) run.mailRead = ofRun[0]!.id - 1;
    await readPending(database, run);
    if (run.hash.length > 0) await rejectionsKnown();
    const failure = await explained(database, sandbox, run.runId, replay && failureOf(sandbox, run, replay));
    loaded(run, failure, ofRun);
  };
  const readLong = async (run: LiveRun): Promise<void> => {
    try {
      for (const event of await readOpenEvents(database, run.runId)) run.record(event);
    } catch (error) {
      if (!isUnsupported(error)) throw error;
      return unreadable(run, error);
    }
    await finish(run, undefined);
  };
  const yielder = new Yielder();
  const finishing: Promise<void>[] = [];
  for (const run of runs) {
    const events = eventsByRun.get(run.runId);
    if (events === undefined) continue; // told above
    const finished = events.length < shortEvents ? finish(run, replayed(sandbox, run, events)) : readLong(run);
    finished.catch(() => undefined); // told below, when all are begun
    finishing.push(finished);
    if (yielder.isDue) await yielder.yield();
  }
  await Promise.all(finishing);
}

/** Of a run that cannot be read there are none. */
async function headsOf(
  database: Database,
  runs: readonly LiveRun[],
  unreadable: LoadResult['unreadable'],
): Promise<readonly StoredEvent[]> {
  const runIds = runs.map((run) => run.runId);
  try {
    return await readHeads(database, runIds, shortEvents);
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    const [only] = runs;
    if (only !== undefined && runs.length === 1) {
      unreadable(only, error);
      return [];
    }
    // One run's log must not keep the others away.
    return (await Promise.all(runs.map((run) => headsOf(database, [run], unreadable)))).flat();
  }
}

function isUnsupported(error: unknown): error is RuntimeError {
  return error instanceof RuntimeError && error.code === 'UNSUPPORTED_ENGINE';
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
  for await (const page of readHistory(database, run.runId, { upTo: run.seq, forReplay: true })) replay.take(page);
  replay.finish();
  run.carried = replay.carried;
  await rejectionsKnown();
  return explained(database, sandbox, run.runId, failureOf(sandbox, run, replay));
}

/** Why the code could not follow the log. */
function failureOf(sandbox: Sandbox, run: LiveRun, replay: RunReplay): TaskFailure | undefined {
  const failure = replay.failure ?? run.sandbox?.rejection;
  if (failure?.code !== 'DETERMINISM') return failure;
  const failsRun = failsOnNondeterminism(failureErrorNames(sandbox.failureErrorTypes, run.workflowType));
  return failsRun ? { ...failure, failsRun } : failure;
}

function begin(sandbox: Sandbox, run: LiveRun): RunReplay {
  run.dropSandbox();
  run.sandbox = sandbox.createRun(run.runId);
  const replay = new RunReplay(run.sandbox);
  // Nothing is activated of a run that this version cannot replay.
  replay.failure = engineFault(run);
  return replay;
}

/** Arguments and attempts of activities that are pending: recovery leaves the arguments of all others unread. */
async function readPending(database: Database, run: LiveRun): Promise<void> {
  if (run.activities.size === 0) return;
  const [args, attempts] = await Promise.all([
    readArguments(database, run.runId, [...run.activities.keys()]),
    readAttempts(database, run.runId),
  ]);
  for (const activity of run.activities.values()) {
    activity.args = args.get(activity.seq) ?? null;
    const elsewhere = attempts.elsewhere.get(activity.seq);
    if (elsewhere !== undefined) activity.elsewhere = elsewhere;
  }
  run.progress = attempts.progress;
}
