// Brings claimed runs into memory: short ones with one read for all, long ones streamed page by page.
import type { TaskFailure } from '../history/activation.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { rejectionsKnown } from '../sandbox/unhandled-rejections.ts';
import { readHeartbeats } from '../store/activity-heartbeats.ts';
import type { Database } from '../store/database.ts';
import { readArguments, readHeads, readHistory, type StoredEvent } from '../store/history.ts';
import { type Mail, readMail } from '../store/inbox.ts';
import type { LiveRun } from './live-run.ts';
import { RunReplay } from './load-run.ts';

/** Runs with fewer events than this are read together. */
const headEvents = 500;

type Loaded = (run: LiveRun, failure: TaskFailure | undefined, mail: readonly Mail[]) => void;

/** Loads every run and calls `loaded` for each as soon as it stands where its log ends. */
export async function loadRuns(
  database: Database,
  sandbox: Sandbox,
  runs: readonly LiveRun[],
  loaded: Loaded,
): Promise<void> {
  const withMail = runs.filter((run) => run.mailRead > 0);
  const [heads, mail] = await Promise.all([
    readHeads(
      database,
      runs.map((run) => run.runId),
      headEvents,
    ),
    withMail.length === 0
      ? []
      : readMail(
          database,
          withMail.map((run) => ({ runId: run.runId, after: 0 })),
        ),
  ]);
  const eventsByRun = Map.groupBy(heads, (event) => event.runId);
  const mailByRun = Map.groupBy(mail, (message) => message.runId);
  const long: { run: LiveRun; replay: RunReplay }[] = [];
  const short: Promise<void>[] = [];
  const finish = async (run: LiveRun, replay: RunReplay): Promise<void> => {
    const ofRun = mailByRun.get(run.runId) ?? [];
    if (ofRun.length > 0) run.mailRead = ofRun[0]!.id - 1;
    for (const event of replay.finish()) run.unhashed.push(event);
    run.carried = replay.carried;
    await readPending(database, run);
    if (run.hash.length > 0) await rejectionsKnown();
    loaded(run, replay.failure ?? run.sandbox?.rejection, ofRun);
  };
  for (const run of runs) {
    const events = eventsByRun.get(run.runId) ?? [];
    const replay = begin(sandbox, run);
    fold(run, replay, events);
    if (events.length === headEvents) long.push({ run, replay });
    else short.push(finish(run, replay));
  }
  await Promise.all(short);
  for (const { run, replay } of long) {
    for await (const page of readHistory(database, run.runId, { after: headEvents, forReplay: true }))
      fold(run, replay, page);
    await finish(run, replay);
  }
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

function fold(run: LiveRun, replay: RunReplay, events: readonly StoredEvent[]): void {
  for (const event of events) run.record(event);
  replay.take(events);
}

/** Arguments and progress of activities that are pending: recovery leaves the arguments of all others unread. */
async function readPending(database: Database, run: LiveRun): Promise<void> {
  if (run.activities.size === 0) return;
  const [args, progress] = await Promise.all([
    readArguments(database, run.runId, [...run.activities.keys()]),
    readHeartbeats(database, run.runId),
  ]);
  for (const activity of run.activities.values()) activity.args = args.get(activity.seq) ?? null;
  run.progress = progress;
}
