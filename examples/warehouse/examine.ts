// After the run, collects what happened to every record: from the log, from the attempt file, and from a plain loop.
import { isDeepStrictEqual } from 'node:util';
import type { BlameEntry, WorkflowHandle } from 'reprise/client';
import { countAttempts } from './attempt-log.ts';
import { hashOf, runPlainLoop, type WarehouseState } from './plain-loop.ts';
import { loadRecords } from './records.ts';
import type { RunWatch } from './run-watch.ts';

/** How a worker stopped, and what the log contained at that moment. */
export interface Loss {
  readonly worker: string;
  readonly signal: 'SIGKILL' | 'SIGSTOP';
  readonly completed: number;
  readonly seq: number;
  /** By the database's clock, ms since 1970. */
  readonly at: number;
}

/** The last repair of a record, read from the log. */
export interface RepairStory {
  readonly record: string;
  readonly seq: number;
  readonly who: string;
  readonly why: string;
  readonly ops: readonly object[];
  /** Who wrote each value that the record has in the end. */
  readonly blame: readonly BlameEntry[];
}

/** A replay that ran the workflow code on the recorded results. */
export interface CodeReplay {
  readonly events: number;
  /** Recorded results that the code got; no activity was executed. */
  readonly activities: number;
  readonly ms: number;
  /** Whether the code did what the log says and came to the same state. */
  readonly isSame: boolean;
}

/** A replay that executed some activities again. */
export interface LiveSample {
  readonly calls: number;
  /** Whether their results are those of the run, and the state at the end too. */
  readonly isSame: boolean;
  readonly ms: number;
}

export interface Findings {
  readonly workflowId: string;
  readonly runId: string;
  readonly records: number;
  readonly concurrency: number;
  readonly completed: number;
  readonly redone: number;
  readonly totalMs: number;
  readonly patches: number;
  readonly stateHash: string;
  readonly plainHash: string;
  readonly rebuild: { readonly patches: number; readonly ms: number };
  /** Up to the last commit before the worker stopped, or of the whole run. */
  readonly replay: CodeReplay;
  readonly sample: LiveSample;
  readonly loss: Loss | undefined;
  /** Time from the moment when the worker stopped to the first record that the other worker completed. */
  readonly takeoverMs: number | undefined;
  /**
   * The state at the last commit before the worker stopped. `foreign`: records whose repairs differ from the plain
   * loop's.
   */
  readonly before: { readonly done: number; readonly repaired: number; readonly foreign: number } | undefined;
  readonly story: RepairStory | undefined;
}

export async function examine(
  handle: WorkflowHandle,
  watch: RunWatch,
  job: { records: number; concurrency: number; attemptFile: string; totalMs: number; loss: Loss | undefined },
): Promise<Findings> {
  const { records, concurrency, totalMs, loss } = job;
  const plain = runPlainLoop(loadRecords().slice(0, records));
  const startedAt = performance.now();
  const rebuilt = await handle.stateAt({});
  const rebuildMs = performance.now() - startedAt;
  const { attempts, records: attempted } = countAttempts(job.attemptFile);
  const resumedAt = loss && (await watch.firstAfterTakeover());
  const before = loss && ((await handle.stateAt({ seq: loss.seq })).state as unknown as WarehouseState);
  return {
    workflowId: handle.workflowId,
    runId: watch.runId,
    records,
    concurrency,
    completed: watch.completed,
    redone: attempts - attempted,
    totalMs,
    patches: watch.patches,
    stateHash: hashOf(rebuilt.state),
    plainHash: hashOf(plain.state),
    rebuild: { patches: rebuilt.patches, ms: rebuildMs },
    replay: await replayCode(handle, loss?.seq),
    sample: await sampleLive(handle, records),
    loss,
    takeoverMs: loss && resumedAt && resumedAt - loss.at,
    before: before && {
      done: before.done,
      repaired: Object.keys(before.fixes).length,
      foreign: Object.entries(before.fixes).filter(([id, fixes]) => !isDeepStrictEqual(fixes, plain.state.fixes[id]))
        .length,
    },
    story: await tell(handle, Object.keys((before ?? plain.state).fixes).at(-1)),
  };
}

async function replayCode(handle: WorkflowHandle, to: number | undefined): Promise<CodeReplay> {
  const report = await handle.replay({ mode: 'MOCK_TOOLS', ...(to === undefined ? {} : { to }) });
  const { events, activities, ms } = report;
  return { events, activities, ms, isSame: report.success && report.stateHash === report.expectedHash };
}

/** Executes about 1 % of the repairs of the last page once more, beside the run. */
async function sampleLive(handle: WorkflowHandle, records: number): Promise<LiveSample> {
  const { matches, matchRate, paths, ms } = await handle.replay({
    mode: 'LIVE_TOOLS',
    from: `repairRecord#${Math.max(1, records - 999)}`,
    live: ['repairRecord'],
    sample: 0.01,
  });
  const calls = matches.reduce((sum, { live }) => sum + live, 0);
  return { calls, isSame: (calls === 0 || matchRate === 1) && paths.length === 0, ms };
}

async function tell(handle: WorkflowHandle, record: string | undefined): Promise<RepairStory | undefined> {
  if (record === undefined) return undefined;
  const patch = (await handle.patches({ path: `/fixes/${record}` })).at(-1);
  if (patch === undefined) return undefined;
  const { seq, source, sourceId, reason, ops } = patch;
  const blame = await handle.blame(`/fixes/${record}/*/is`);
  return { record, seq, who: `${source} ${sourceId}`, why: `${reason}`, ops, blame };
}
