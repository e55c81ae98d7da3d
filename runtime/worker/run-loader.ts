// Brings claimed runs into memory. Of short ones the whole log is read together and replayed at once; of long ones only
// what is pending, so that their activities go on at once and the code is made again beside them.
import type { TaskFailure } from '../history/activation.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { rejectionsKnown } from '../sandbox/unhandled-rejections.ts';
import { readAttempts } from '../store/activity-heartbeats.ts';
import type { Database } from '../store/database.ts';
import { readArguments, readHeads, readHistory, readOpenEvents, type StoredEvent } from '../store/history.ts';
import { type Mail, readMail } from '../store/inbox.ts';
import { Breath } from './breath.ts';
import type { LiveRun } from './live-run.ts';
import { RunReplay } from './load-run.ts';

/** Runs with fewer events than this are read together and replayed at once. */
const shortEvents = 500;

type Loaded = (run: LiveRun, failure: TaskFailure | undefined, mail: readonly Mail[]) => void;

/**
 * Loads every run and calls `loaded` for each as soon as it stands where its log ends; long ones without their code.
 * `start` is given of runs that are new and have nothing else in their log.
 */
export async function loadRuns(
  database: Database,
  sandbox: Sandbox,
  runs: readonly { run: LiveRun; start: StoredEvent | undefined }[],
  loaded: Loaded,
): Promise<void> {
  const toRead: LiveRun[] = [];
  const breath = new Breath();
  for (const { run, start } of runs) {
    if (start === undefined || run.mailRead > 0) toRead.push(run);
    else loaded(run, replayed(sandbox, run, [start]).failure, []);
    if (breath.due) await breath.take();
  }
  if (toRead.length > 0) await readRuns(database, sandbox, toRead, loaded);
}

async function readRuns(database: Database, sandbox: Sandbox, runs: readonly LiveRun[], loaded: Loaded): Promise<void> {
  const runIds = runs.map((run) => run.runId);
  const withMail = runs.filter((run) => run.mailRead > 0).map((run) => ({ runId: run.runId, after: 0 }));
  const [heads, mail] = await Promise.all([
    readHeads(database, runIds, shortEvents),
    withMail.length === 0 ? [] : readMail(database, withMail),
  ]);
  const eventsByRun = Map.groupBy(heads, (event) => event.runId);
  const mailByRun = Map.groupBy(mail, (message) => message.runId);
  const finish = async (run: LiveRun, replay: RunReplay | undefined): Promise<void> => {
    const ofRun = mailByRun.get(run.runId) ?? [];
    if (ofRun.length > 0) run.mailRead = ofRun[0]!.id - 1;
    await readPending(database, run);
    if (run.hash.length > 0) await rejectionsKnown();
    loaded(run, replay?.failure ?? run.sandbox?.rejection, ofRun);
  };
  const readLong = async (run: LiveRun): Promise<void> => {
    for (const event of await readOpenEvents(database, run.runId)) run.record(event);
    await finish(run, undefined);
  };
  const breath = new Breath();
  const finishing: Promise<void>[] = [];
  for (const run of runs) {
    const events = eventsByRun.get(run.runId) ?? [];
    const finished = events.length < shortEvents ? finish(run, replayed(sandbox, run, events)) : readLong(run);
    finished.catch(() => undefined); // told below, when all are begun
    finishing.push(finished);
    if (breath.due) await breath.take();
  }
  await Promise.all(finishing);
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
  return replay.failure ?? run.sandbox?.rejection;
}

function begin(sandbox: Sandbox, run: LiveRun): RunReplay {
  run.dropSandbox();
  run.sandbox = sandbox.createRun(run.runId);
  return new RunReplay(run.sandbox);
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
