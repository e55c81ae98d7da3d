// Replays many past runs with live activities and sums up what changes. A few replays are under way at the same time, and
// each is closed and hidden before the next begins.
import { createHash } from 'node:crypto';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import {
  aFunction,
  anyText,
  checkOptions,
  optionTable,
  textOf,
  unchecked,
  wholeNumber,
} from '../../runtime/core/options/option-table.ts';
import type { Duration } from '../../runtime/core/options/duration.ts';
import { checkLiveOptions, type LiveReplayOptions } from '../../runtime/replay/live/live-options.ts';
import { type WhatIfReport, type WhatIfRun, WhatIfSummary } from '../../runtime/replay/live/what-if-summary.ts';
import type { Connection } from '../common/connection.ts';
import { replayLive } from './recovery/live-replay.ts';
import { readRuns, replayQuery } from './run-list.ts';

export interface WhatIfOptions extends Omit<LiveReplayOptions, 'mode' | 'keep'> {
  /** As in `list`, without ORDER BY. */
  query?: string;
  /** Runs that started within this time, such as '7d'. */
  since?: Duration;
  workflowType?: string;
  taskQueue?: string;
  /** Replays only this many of the runs: always the same ones of the same list. */
  runs?: number;
  /** Number of runs that are replayed at the same time; default 4. */
  parallel?: number;
  /** Called after each run. */
  onRun?: (run: WhatIfRun, done: number) => void;
}

/** `since` is checked where it is read. */
const selection = optionTable<
  Pick<WhatIfOptions, 'query' | 'since' | 'workflowType' | 'taskQueue' | 'runs' | 'parallel' | 'onRun'>
>({
  ...unchecked('since'),
  query: anyText,
  workflowType: textOf(1, 1000),
  taskQueue: textOf(1, 1000),
  runs: wholeNumber(1),
  parallel: wholeNumber(1),
  onRun: aFunction,
});

interface Selected {
  readonly workflowId: string;
  readonly runId: string;
}

/** @throws RuntimeError INVALID_INPUT, NOT_SUPPORTED */
export async function whatIf(connection: Connection, namespace: string, options: WhatIfOptions): Promise<WhatIfReport> {
  const { query, since, workflowType, taskQueue, runs, parallel = 4, onRun, ...live } = options;
  checkOptions('workflow.whatIf', { query, since, workflowType, taskQueue, runs, parallel, onRun }, selection);
  const replay: LiveReplayOptions = { ...live, mode: 'LIVE_TOOLS' };
  checkLiveOptions(replay);
  const begun = performance.now();
  const summary = new WhatIfSummary();
  const text = replayQuery({
    ...(query === undefined ? {} : { query }),
    ...(since === undefined ? {} : { since }),
    ...(workflowType === undefined ? {} : { workflowType }),
    ...(taskQueue === undefined ? {} : { taskQueue }),
  });
  const selected = await selectRuns(connection, namespace, text, runs);
  const lane = async (): Promise<void> => {
    for (let run = selected.shift(); run !== undefined; run = selected.shift()) {
      const replayed = await replayOne(connection, run, replay, summary);
      onRun?.(replayed, summary.runs);
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));
  return summary.report(performance.now() - begun);
}

async function replayOne(
  connection: Connection,
  run: Selected,
  options: LiveReplayOptions,
  summary: WhatIfSummary,
): Promise<WhatIfRun> {
  try {
    return summary.addReport(await replayLive(connection, run.runId, options));
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code === 'TIMEOUT') throw error;
    // The options are right, so this run has no such call.
    const verdict = error.code === 'INVALID_INPUT' ? 'skipped' : 'failed';
    return summary.add({ ...run, verdict, message: error.message });
  }
}

async function selectRuns(
  connection: Connection,
  namespace: string,
  query: string,
  limit: number | undefined,
): Promise<Selected[]> {
  const all: Selected[] = [];
  for await (const { workflowId, runId } of readRuns(connection, namespace, { query })) all.push({ workflowId, runId });
  if (limit === undefined || all.length <= limit) return all;
  const hashed = all.map((run) => ({ run, hash: createHash('sha256').update(run.runId).digest('hex') }));
  return hashed
    .sort((a, b) => (a.hash < b.hash ? -1 : 1))
    .slice(0, limit)
    .map(({ run }) => run);
}
