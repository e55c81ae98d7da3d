// Starting and finding runs.
import { randomBytes } from 'node:crypto';
import type { StartedMeta } from '../runtime/history/activation.ts';
import { RuntimeError } from '../runtime/history/runtime-error.ts';
import { wakeOnCommit } from '../runtime/store/notifier.ts';
import { newRunId } from '../runtime/store/run-id.ts';
import type { RunRow } from '../runtime/store/run-rows.ts';
import { type NewRun, type Queryable, startRunWithin } from '../runtime/store/start-run.ts';
import { WorkflowExecutionAlreadyStartedError } from './client-errors.ts';
import type { Connection } from './connection.ts';
import { checkName, encodeArguments } from './encode-arguments.ts';
import { parseListQuery } from './list-query.ts';
import { refuseUnknown } from './refuse-unknown.ts';
import { executionInfo, type Workflow, type WorkflowExecutionInfo, type WorkflowResultType } from './execution-info.ts';
import { WorkflowHandle } from './workflow-handle.ts';

interface CommonStartOptions {
  /** The caller's business key; at most one open run has it. */
  workflowId: string;
  taskQueue: string;
  memo?: Record<string, unknown>;
  /**
   * Starts inside this transaction: the run exists if and only if it commits. Anything with `query(text, values)` (a pg
   * client), or a Kysely transaction.
   */
  transaction?: Queryable | KyselyTransaction;
}

/** A workflow that is given by its name alone takes any arguments; one whose type is known takes its own. */
type StartArguments<W extends Workflow> = [Parameters<W>, never[]] extends [never[], Parameters<W>]
  ? { args?: readonly unknown[] }
  : [] extends Parameters<W>
    ? { args?: Readonly<Parameters<W>> }
    : { args: Readonly<Parameters<W>> };

export type WorkflowStartOptions<W extends Workflow = Workflow> = CommonStartOptions & StartArguments<W>;

const known = Object.keys({
  workflowId: true,
  taskQueue: true,
  args: true,
  memo: true,
  transaction: true,
} satisfies Record<keyof WorkflowStartOptions, true>);
const unsupported = [
  'cronSchedule',
  'followRuns',
  'priority',
  'requestEagerStart',
  'retry',
  'searchAttributes',
  'signal',
  'signalArgs',
  'startDelay',
  'staticDetails',
  'staticSummary',
  'typedSearchAttributes',
  'versioningOverride',
  'workflowExecutionTimeout',
  'workflowIdConflictPolicy',
  'workflowIdReusePolicy',
  'workflowRunTimeout',
  'workflowTaskTimeout',
];

/** The part of a Kysely transaction that is needed. */
export interface KyselyTransaction {
  executeQuery(query: {
    sql: string;
    parameters: readonly unknown[];
    query: unknown;
    queryId: unknown;
  }): Promise<{ rows: unknown[] }>;
}

export interface ListOptions {
  /** `WorkflowType = 'x' AND ExecutionStatus = 'Running'`; also WorkflowId and TaskQueue. */
  query?: string;
  pageSize?: number;
}

export class WorkflowClient {
  readonly #connection: Connection;
  readonly #namespace: string;
  readonly #maxPayloadBytes: number;

  constructor(connection: Connection, namespace: string, maxPayloadBytes: number) {
    this.#connection = connection;
    this.#namespace = namespace;
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  /**
   * Starts a run. It is durable when the promise resolves.
   * @throws WorkflowExecutionAlreadyStartedError, RuntimeError NOT_SERIALISABLE, PAYLOAD_TOO_LARGE, INVALID_INPUT,
   * DATABASE_UNREACHABLE (when the connection broke under way the run may exist), ILLEGAL_STATE
   */
  async start<W extends Workflow>(workflow: W | string, options: WorkflowStartOptions<W>): Promise<WorkflowHandle<W>> {
    return this.#start<W>(this.#newRun(workflow, options), options);
  }

  /** Starts a run and waits for its result. */
  async execute<W extends Workflow>(
    workflow: W | string,
    options: WorkflowStartOptions<W>,
  ): Promise<WorkflowResultType<W>> {
    const run = this.#newRun(workflow, options);
    const { outcomes } = this.#connection;
    outcomes.expect(run.runId);
    let handle: WorkflowHandle<W>;
    try {
      handle = await this.#start<W>(run, options);
    } catch (error) {
      outcomes.forget(run.runId);
      throw error;
    }
    return handle.outcome();
  }

  async #start<W extends Workflow>(run: NewRun, options: CommonStartOptions): Promise<WorkflowHandle<W>> {
    const transaction = options.transaction === undefined ? undefined : asQueryable(options.transaction);
    const started = await this.#connection.reach(async (database) => {
      if (transaction === undefined) return this.#connection.starts.start(run);
      const done = await startRunWithin(transaction, database.schema, run);
      // There is no telling when the caller commits, so this one notice travels inside the transaction.
      await wakeOnCommit(transaction, database.schema, run.queue);
      return done;
    });
    if (!started) throw new WorkflowExecutionAlreadyStartedError(run.workflowId, run.workflowType);
    return this.#handle<W>(run.workflowId, run.runId);
  }

  /** A handle to a workflow id (its latest run) or to one run; makes no call. */
  getHandle<W extends Workflow = Workflow>(workflowId: string, runId?: string): WorkflowHandle<W> {
    return this.#handle<W>(checkName('workflowId', workflowId), runId);
  }

  /** Runs of this namespace, the newest first. @throws INVALID_INPUT for a query that cannot be read */
  async *list(options: ListOptions = {}): AsyncGenerator<WorkflowExecutionInfo, void, undefined> {
    const filter = { namespace: this.#namespace, ...parseListQuery(options.query) };
    const limit = options.pageSize ?? 100;
    if (!Number.isInteger(limit) || limit < 1) {
      throw new RuntimeError('INVALID_INPUT', `pageSize must be a whole number from 1 on, got ${String(limit)}.`);
    }
    const { listRuns } = await import('../runtime/store/run-rows.ts');
    let before: string | undefined;
    for (;;) {
      const rows: RunRow[] = await this.#connection.reach((database) =>
        listRuns(database, filter, before === undefined ? { limit } : { limit, before }),
      );
      for (const row of rows) yield executionInfo(row);
      if (rows.length < limit) return;
      before = rows.at(-1)!.run_id;
    }
  }

  #newRun<W extends Workflow>(workflow: W | string, options: WorkflowStartOptions<W>): NewRun {
    refuseUnknown('workflow.start', options, known, unsupported);
    const type = typeof workflow === 'string' ? workflow : workflow.name;
    const workflowType = checkName('The workflow type', type);
    const workflowId = checkName('workflowId', options.workflowId);
    const taskQueue = checkName('taskQueue', options.taskQueue);
    const meta: StartedMeta = {
      workflowId,
      taskQueue,
      namespace: this.#namespace,
      seed: randomBytes(16).toString('hex'),
      engine: 1,
    };
    const memo = options.memo === undefined ? null : memoText(options.memo);
    if (options.memo !== undefined) meta.memo = options.memo;
    return {
      runId: newRunId(),
      namespace: this.#namespace,
      workflowId,
      workflowType,
      taskQueue,
      queue: `${this.#namespace}/${taskQueue}`,
      memo,
      args: encodeArguments(`workflow ${workflowType}`, checkArguments(options.args), this.#maxPayloadBytes),
      meta: JSON.stringify(meta),
    };
  }

  #handle<W extends Workflow>(workflowId: string, runId: string | undefined): WorkflowHandle<W> {
    return new WorkflowHandle<W>({
      connection: this.#connection,
      namespace: this.#namespace,
      maxPayloadBytes: this.#maxPayloadBytes,
      workflowId,
      runId,
    });
  }
}

/** Escapes that stand for NUL or half a surrogate pair, not for a backslash before the letters. */
const unstorable = /(?:^|[^\\])(?:\\\\)*\\u(?:0000|d[89a-f])/i;

function memoText(memo: Record<string, unknown>): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(memo);
  } catch (cause) {
    throw new RuntimeError('INVALID_INPUT', `memo cannot be written as JSON: ${String(cause)}`, { cause });
  }
  if (text === undefined || unstorable.test(text)) {
    const found = text === undefined ? 'no JSON value' : 'a NUL character or half a surrogate pair';
    throw new RuntimeError('INVALID_INPUT', `memo holds ${found}, which Postgres cannot store. Remove it.`);
  }
  return text;
}

function checkArguments(args: unknown): readonly unknown[] {
  if (args === undefined) return [];
  if (Array.isArray(args)) return args;
  throw new RuntimeError(
    'INVALID_INPUT',
    `args must be the array of the workflow's arguments, got ${args === null ? 'null' : typeof args}. Pass args: [argument].`,
  );
}

function asQueryable(given: Queryable | KyselyTransaction): Queryable {
  const transaction: Partial<Queryable & KyselyTransaction> = Object(given);
  if (typeof transaction.executeQuery === 'function') {
    const kysely = given as KyselyTransaction;
    return {
      query: async (text, values) => {
        const query = { kind: 'RawNode', sqlFragments: [text], parameters: [] };
        return kysely.executeQuery({ sql: text, parameters: values, query, queryId: { queryId: newRunId() } });
      },
    };
  }
  if (typeof transaction.query === 'function') return given as Queryable;
  throw new RuntimeError(
    'INVALID_INPUT',
    'transaction must be a pg client, a Kysely transaction, or have query(text, values).',
  );
}
