// Starting and finding runs.
import { randomBytes } from 'node:crypto';
import type { StartedMeta } from '../runtime/history/activation.ts';
import { RuntimeError } from '../runtime/history/runtime-error.ts';
import { newRunId } from '../runtime/store/run-id.ts';
import type { RunRow } from '../runtime/store/runs.ts';
import type { Message } from '../runtime/store/inbox.ts';
import type { NewRun, Queryable } from '../runtime/store/start-run.ts';
import type { Placed } from '../runtime/store/start-with.ts';
import type { Connection } from './connection.ts';
import { checkName, encodeArguments } from './encode-arguments.ts';
import { parseListQuery } from './list-query.ts';
import type { QueryRejectCondition } from './query-reject-condition.ts';
import { refuseUnknown } from './refuse-unknown.ts';
import { executionInfo, type Workflow, type WorkflowExecutionInfo, type WorkflowResultType } from './execution-info.ts';
import { type IdPolicyOptions, idPolicies, type WorkflowIdConflictPolicy } from './id-policies.ts';
import { placeRun } from './place-run.ts';
import { WithStartWorkflowOperation } from './with-start.ts';
import {
  type Definition,
  type StartUpdateOptions,
  WorkflowHandle,
  type WorkflowUpdateOptions,
} from './workflow-handle.ts';
import { admitUpdate, updateCall, type WorkflowUpdateHandle } from './workflow-update.ts';

interface CommonStartOptions extends IdPolicyOptions {
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

export type WorkflowSignalWithStartOptions<
  W extends Workflow,
  SignalArgs extends readonly unknown[] = [],
> = WorkflowStartOptions<W> & {
  readonly signal: Definition<SignalArgs> | string;
} & ([] extends SignalArgs ? { readonly signalArgs?: SignalArgs } : { readonly signalArgs: SignalArgs });

export type UpdateWithStartOptions<
  Args extends readonly unknown[],
  W extends Workflow,
> = WorkflowUpdateOptions<Args> & {
  readonly startWorkflowOperation: WithStartWorkflowOperation<W>;
};

type StagedUpdateWithStart<Args extends readonly unknown[], W extends Workflow> = UpdateWithStartOptions<Args, W> & {
  readonly waitForStage: 'ACCEPTED';
};

/** `signaledRunId`: the run that has the signal, new or open before. */
export type WorkflowHandleWithSignaledRunId<W extends Workflow = Workflow> = WorkflowHandle<W> & {
  readonly signaledRunId: string;
};

const known = Object.keys({
  workflowId: true,
  taskQueue: true,
  args: true,
  memo: true,
  transaction: true,
  workflowIdConflictPolicy: true,
  workflowIdReusePolicy: true,
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
  readonly #queryRejectCondition: QueryRejectCondition;

  constructor(options: {
    connection: Connection;
    namespace: string;
    maxPayloadBytes: number;
    queryRejectCondition: QueryRejectCondition;
  }) {
    this.#connection = options.connection;
    this.#namespace = options.namespace;
    this.#maxPayloadBytes = options.maxPayloadBytes;
    this.#queryRejectCondition = options.queryRejectCondition;
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

  /**
   * Sends a signal to the open run of this workflow id, or starts one that has the signal from its first moment.
   * @throws as `start`; WorkflowExecutionAlreadyStartedError only by the policies given
   */
  async signalWithStart<W extends Workflow, SignalArgs extends readonly unknown[] = []>(
    workflow: W | string,
    options: WorkflowSignalWithStartOptions<W, SignalArgs>,
  ): Promise<WorkflowHandleWithSignaledRunId<W>> {
    const { signal, signalArgs, ...rest } = options;
    const run = this.#newRun<W>(workflow, rest as unknown as WorkflowStartOptions<W>);
    const name = checkName('The signal name', typeof signal === 'string' ? signal : signal.name);
    const payload = encodeArguments(`signal ${name}`, signalArgs ?? [], this.#maxPayloadBytes);
    const message = { type: 'SignalReceived', name, payload } as const;
    const common = rest as unknown as CommonStartOptions;
    const sent = await this.#place(run, common, 'USE_EXISTING', message);
    return Object.assign(this.#handle<W>(run.workflowId, sent.runId), { signaledRunId: sent.runId });
  }

  /**
   * Starts a run, or takes the open one of the workflow id, and sends it an update; waits for what its handler returns.
   * When the update fails the run goes on.
   * @throws as `start`, and as `executeUpdate` of a handle
   */
  async executeUpdateWithStart<Ret, Args extends readonly unknown[] = [], W extends Workflow = Workflow>(
    update: Definition<Args, Ret> | string,
    options: UpdateWithStartOptions<Args, W>,
  ): Promise<Ret> {
    const staged = { ...options, waitForStage: 'ACCEPTED' } as unknown as StagedUpdateWithStart<Args, W>;
    const handle = await this.startUpdateWithStart<Ret, Args, W>(update, staged);
    return handle.result();
  }

  /** As `executeUpdateWithStart`, but waits only until the update is accepted or rejected. */
  async startUpdateWithStart<Ret, Args extends readonly unknown[] = [], W extends Workflow = Workflow>(
    update: Definition<Args, Ret> | string,
    options: StagedUpdateWithStart<Args, W>,
  ): Promise<WorkflowUpdateHandle<Ret>> {
    const { startWorkflowOperation: operation, ...ofUpdate } = options;
    if (!(operation instanceof WithStartWorkflowOperation)) {
      throw new RuntimeError(
        'INVALID_INPUT',
        'An update with start needs startWorkflowOperation: new WithStartWorkflowOperation(workflow, options).',
      );
    }
    const call = updateCall(update, ofUpdate as unknown as StartUpdateOptions<Args>, this.#maxPayloadBytes);
    const startOptions = operation.options as unknown as WorkflowStartOptions<W>;
    const run = this.#newRun<W>(operation.workflow, startOptions);
    let placed: Placed | undefined;
    await operation.use(async () => {
      placed = await this.#place(run, startOptions, 'FAIL', call.message);
      return this.#handle<W>(run.workflowId, placed.runId);
    });
    const { runId, delivery } = placed!;
    const parts = { connection: this.#connection, workflowId: run.workflowId, runId, updateId: call.updateId };
    return admitUpdate<Ret>(parts, call.message, delivery?.mail);
  }

  async #start<W extends Workflow>(run: NewRun, options: CommonStartOptions): Promise<WorkflowHandle<W>> {
    const { runId } = await this.#place(run, options, 'FAIL');
    return this.#handle<W>(run.workflowId, runId);
  }

  #place(
    run: NewRun,
    options: CommonStartOptions,
    conflictDefault: WorkflowIdConflictPolicy,
    message?: Message,
  ): Promise<Placed> {
    return placeRun(this.#connection, run, {
      policies: idPolicies(options, conflictDefault),
      transaction: options.transaction === undefined ? undefined : asQueryable(options.transaction),
      terminate: () =>
        this.#handle(run.workflowId, undefined).terminate(`a new run of workflow id "${run.workflowId}" was started`),
      ...(message === undefined ? {} : { message }),
    });
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
    const { listRuns } = await import('../runtime/store/list-runs.ts');
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
      queryRejectCondition: this.#queryRejectCondition,
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
