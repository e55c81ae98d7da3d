// Lists of runs as clients get them: page by page, with histories if asked for; and counts.
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import type { RunStatus } from '../../runtime/core/log/transition.ts';
import type { PageEnd } from '../../runtime/store/visibility/list-runs.ts';
import type { Connection } from '../common/connection.ts';
import { listedInfo, type WorkflowExecutionInfo } from './execution-info.ts';
import type { TemporalHistory } from './history-view.ts';
import { refuseUnknown } from '../common/refuse-unknown.ts';

export interface ListOptions {
  /**
   * `WorkflowType = 'order' AND Amount >= 5 ORDER BY StartTime`, in Temporal's query language: fields of runs and search
   * attributes; = != > >= < <= AND OR NOT IN BETWEEN STARTS_WITH IS NULL.
   */
  query?: string;
  /** Runs that one statement reads; default 100. */
  pageSize?: number;
}

export interface IntoHistoriesOptions {
  /** Histories that are read at a time; default 5. */
  readonly concurrency?: number;
  /** Histories that are kept ready at most; default: as many as are read at a time. */
  readonly bufferLimit?: number;
}

export interface HistoryAndWorkflowId {
  readonly workflowId: string;
  readonly runId: string;
  readonly history: TemporalHistory;
}

export interface AsyncWorkflowListIterable extends AsyncIterable<WorkflowExecutionInfo> {
  intoHistories(options?: IntoHistoriesOptions): AsyncIterable<HistoryAndWorkflowId>;
}

/** `groupValues` of a group: its status, as a list in a list, as in Temporal. */
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

function checkCount(option: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value;
  throw new RuntimeError('INVALID_INPUT', `${option} must be a whole number from 1 on, got ${String(value)}.`);
}

function checkQuery(query: unknown): string {
  if (typeof query === 'string') return query;
  throw new RuntimeError('INVALID_INPUT', `query must be text, got ${query === null ? 'null' : typeof query}.`);
}

export class RunList {
  readonly #connection: Connection;
  readonly #namespace: string;
  readonly #options: ListOptions;

  constructor(connection: Connection, namespace: string, options: ListOptions) {
    this.#connection = connection;
    this.#namespace = namespace;
    this.#options = options;
  }

  async *read(): AsyncGenerator<WorkflowExecutionInfo, void, undefined> {
    refuseUnknown('workflow.list', this.#options, ['query', 'pageSize']);
    const query = checkQuery(this.#options.query ?? '');
    const limit = checkCount('pageSize', this.#options.pageSize ?? 100);
    const { listRuns } = await import('../../runtime/store/visibility/list-runs.ts');
    let after: PageEnd | undefined;
    do {
      const page = { limit, ...(after === undefined ? {} : { after }) };
      const { rows, end } = await this.#connection.reach((database) =>
        listRuns(database, this.#namespace, query, page),
      );
      for (const row of rows) yield listedInfo(row);
      after = end;
    } while (after !== undefined);
  }
}

/** In the order of the list; reads ahead as far as the options let it. */
export async function* intoHistories(
  runs: AsyncGenerator<WorkflowExecutionInfo, void, undefined>,
  read: (workflowId: string, runId: string) => Promise<TemporalHistory>,
  options: IntoHistoriesOptions = {},
): AsyncGenerator<HistoryAndWorkflowId, void, undefined> {
  refuseUnknown('intoHistories', options, ['concurrency', 'bufferLimit']);
  const concurrency = checkCount('concurrency', options.concurrency ?? 5);
  const ahead = Math.min(concurrency, checkCount('bufferLimit', options.bufferLimit ?? concurrency));
  const reading: Promise<HistoryAndWorkflowId>[] = [];
  try {
    for await (const { workflowId, runId } of runs) {
      const history = read(workflowId, runId).then((events) => ({ workflowId, runId, history: events }));
      history.catch(() => undefined); // who gets that far hears of it
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
  const text = checkQuery(query);
  const { countRuns } = await import('../../runtime/store/visibility/list-runs.ts');
  const { count, groups } = await connection.reach((database) => countRuns(database, namespace, text));
  return {
    count,
    groups: groups.map((group) => ({ count: group.count, groupValues: [[statusNames[group.status]]] })),
  };
}
