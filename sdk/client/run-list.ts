// Lists of runs, read page by page, with histories on request. Also counts the runs of a list and replays them.
import type { RunStatus } from '../../runtime/core/log/transition.ts';
import type { ListedRun, PageEnd } from '../../runtime/store/visibility/list-runs.ts';
import type { Connection } from '../common/connection.ts';
import { listedInfo, type ListedExecutionInfo } from './execution-info.ts';
import type { TemporalHistory } from './history-view.ts';
import { type Duration, durationMs } from '../../runtime/core/options/duration.ts';
import type { GateReport } from '../../runtime/replay/many/gate-report.ts';
import type { ReplayRunsOptions } from '../../runtime/replay/many/replay-runs.ts';
import {
  aFunction,
  anyText,
  checkOption,
  checkOptions,
  duration,
  oneOf,
  optionTable,
  textOf,
  trueOrFalse,
  unchecked,
  wholeNumber,
} from '../../runtime/core/options/option-table.ts';

export interface ListOptions {
  /**
   * A query in Temporal's language, such as `WorkflowType = 'order' AND Amount >= 5 ORDER BY StartTime`. It can use
   * fields of runs, search attributes, and = != > >= < <= AND OR NOT IN BETWEEN STARTS_WITH IS NULL.
   */
  query?: string;
  /** Number of runs that one statement reads; default 100. */
  pageSize?: number;
}

export interface IntoHistoriesOptions {
  /** Number of histories that are read at the same time; default 5. */
  readonly concurrency?: number;
  /** Maximum number of histories that are read ahead; default: `concurrency`. */
  readonly bufferLimit?: number;
}

export interface HistoryAndWorkflowId {
  readonly workflowId: string;
  readonly runId: string;
  readonly history: TemporalHistory;
}

export interface AsyncWorkflowListIterable extends AsyncIterable<ListedExecutionInfo> {
  intoHistories(options?: IntoHistoriesOptions): AsyncIterable<HistoryAndWorkflowId>;
}

/** `groupValues` holds the group's status as a list inside a list, as in Temporal. */
export interface CountWorkflowExecution {
  readonly count: number;
  readonly groups: readonly { readonly count: number; readonly groupValues: readonly (readonly [string])[] }[];
}

const statusNames: Record<RunStatus, string> = {
  running: 'Running',
  paused: 'Paused',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Canceled',
  terminated: 'Terminated',
  timed_out: 'TimedOut',
  continued_as_new: 'ContinuedAsNew',
  rolled_back: 'RolledBack',
  recovered: 'Recovered',
};

const listOptions = optionTable<ListOptions>({ query: anyText, pageSize: wholeNumber(1) });
const historyOptions = optionTable<IntoHistoriesOptions>({ concurrency: wholeNumber(1), bufferLimit: wholeNumber(1) });

/** Runs that match the options' query. @throws RuntimeError INVALID_INPUT */
export async function* readRuns(
  connection: Connection,
  namespace: string,
  options: ListOptions,
): AsyncGenerator<ListedExecutionInfo, void, undefined> {
  checkOptions('workflow.list', options, listOptions);
  const { query = '', pageSize = 100 } = options;
  for await (const row of listedRows(connection, namespace, query, pageSize)) yield listedInfo(row);
}

/** Rows of runs, or of standalone activities, that match a query; reads them page by page. */
export async function* listedRows(
  connection: Connection,
  namespace: string,
  query: string,
  limit: number,
): AsyncGenerator<ListedRun, void, undefined> {
  const { listRuns } = await import('../../runtime/store/visibility/list-runs.ts');
  let after: PageEnd | undefined;
  do {
    const page = { limit, ...(after === undefined ? {} : { after }) };
    const { rows, end } = await connection.reach((database) => listRuns(database, namespace, query, page));
    yield* rows;
    after = end;
  } while (after !== undefined);
}

/** Yields histories in the order of the list. Reads ahead within the limits of the options. */
export async function* intoHistories(
  runs: AsyncGenerator<ListedExecutionInfo, void, undefined>,
  read: (workflowId: string, runId: string) => Promise<TemporalHistory>,
  options: IntoHistoriesOptions = {},
): AsyncGenerator<HistoryAndWorkflowId, void, undefined> {
  checkOptions('intoHistories', options, historyOptions);
  const { concurrency = 5, bufferLimit = concurrency } = options;
  const ahead = Math.min(concurrency, bufferLimit);
  const reading: Promise<HistoryAndWorkflowId>[] = [];
  try {
    for await (const { workflowId, runId } of runs) {
      const history = read(workflowId, runId).then((events) => ({ workflowId, runId, history: events }));
      history.catch(() => undefined); // no unhandled rejection; awaiting it still throws
      if (reading.push(history) >= ahead) yield await reading.shift()!;
    }
    for (const history of reading) yield await history;
  } finally {
    await Promise.allSettled(reading);
  }
}

export async function countExecutions(
  connection: Connection,
  namespace: string,
  query: string,
): Promise<CountWorkflowExecution> {
  checkOption('query', query, anyText);
  const { countRuns } = await import('../../runtime/store/visibility/list-runs.ts');
  const { count, groups } = await connection.reach((database) => countRuns(database, namespace, query));
  return {
    count,
    groups: groups.map((group) => ({ count: group.count, groupValues: [[statusNames[group.status]]] })),
  };
}

/** Which runs to replay; all conditions must hold. */
export interface ReplayAllOptions
  extends Pick<ReplayRunsOptions, 'code' | 'bundlerOptions' | 'onDivergence' | 'onVerdict'> {
  /** As in `list`, without ORDER BY. */
  query?: string;
  /** Runs that started within this time, such as '7d'. */
  since?: Duration;
  workflowType?: string;
  taskQueue?: string;
  /** Only open runs. */
  open?: boolean;
  /** Replays only this many of the runs: always the same ones of the same list. */
  sample?: number;
  /** Number of runs that are replayed at the same time; default: the number of processors. */
  parallel?: number;
}

const replayAllOptions = optionTable<ReplayAllOptions>({
  ...unchecked('code', 'bundlerOptions'),
  query: anyText,
  since: duration,
  workflowType: textOf(1, 1000),
  taskQueue: textOf(1, 1000),
  open: trueOrFalse,
  sample: wholeNumber(1),
  parallel: wholeNumber(1),
  onDivergence: oneOf({ fail: 'fail', report: 'report' }),
  onVerdict: aFunction,
});

/** The query of `list` for the runs that the options select. @throws INVALID_INPUT, TypeError for a wrong duration */
export function replayQuery(options: ReplayAllOptions, nowMs: number = Date.now()): string {
  checkOptions('workflow.replayAll', options, replayAllOptions);
  const { query, since, workflowType, taskQueue, open } = options;
  const text = (name: string, value: string): string =>
    `${name} = '${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
  const conditions = [
    ...(query === undefined || query.trim() === '' ? [] : [`(${query})`]),
    ...(since === undefined ? [] : [`StartTime >= '${new Date(nowMs - durationMs(since)).toISOString()}'`]),
    ...(workflowType === undefined ? [] : [text('WorkflowType', workflowType)]),
    ...(taskQueue === undefined ? [] : [text('TaskQueue', taskQueue)]),
    ...(open === true ? ['CloseTime IS NULL'] : []),
  ];
  return conditions.join(' AND ');
}

/** Replays all runs that the options select with MOCK_TOOLS. @throws RuntimeError INVALID_INPUT, BUNDLE_FAILED */
export async function replayAll(
  connection: Connection,
  namespace: string,
  options: ReplayAllOptions,
): Promise<GateReport> {
  const runs = readRuns(connection, namespace, { query: replayQuery(options) });
  const { code, bundlerOptions, onDivergence, onVerdict, sample, parallel } = options;
  const given = { onDivergence, onVerdict, sample, parallel };
  const ofCode = {
    ...(code === undefined ? {} : { code }),
    ...(bundlerOptions === undefined ? {} : { bundlerOptions }),
  };
  // Loaded on demand, because it loads the sandbox and the bundler.
  const { replayRuns } = await import('../../runtime/replay/many/replay-runs.ts');
  return connection.reach((database) => replayRuns(database, runs, { ...given, ...ofCode }));
}
