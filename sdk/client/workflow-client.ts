// The client of workflows, the handles that it returns, and the start of an update-with-start. One file, because each
// of these refers to the others. The names are Temporal's.
import { IllegalStateError, RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import type { Message } from '../../runtime/store/messages/inbox.ts';
import { checkConnection, type Connection } from '../common/connection.ts';
import { checkNamespace } from '../worker/deployment-version.ts';
import { checkName, defaultMaxPayloadBytes, encodeArguments } from './encode-arguments.ts';
import type { TemporalHistory } from './history-view.ts';
import { QueryRejectCondition } from './messages/query-reject-condition.ts';
import { checkOptions, notYet, oneOf, optionTable, unchecked } from '../../runtime/core/options/option-table.ts';
import type { Workflow, ListedExecutionInfo, WorkflowResultType } from './execution-info.ts';
import { idPolicies, type WorkflowIdConflictPolicy } from './id-policies.ts';
import { asQueryable, type CommonStartOptions, newRunOf, type TimedRun, type WorkflowStartOptions } from './new-run.ts';
import { placeRun } from './place-run.ts';
import {
  type AsyncWorkflowListIterable,
  countExecutions,
  type CountWorkflowExecution,
  intoHistories,
  type ListOptions,
  readRuns,
  replayAll,
  type ReplayAllOptions,
  replayQuery,
} from './run-list.ts';
import type { WhatIfReport } from '../../runtime/replay/live/what-if-summary.ts';
import type { WhatIfOptions } from './what-if.ts';
import type { GateReport } from '../../runtime/replay/many/gate-report.ts';
import type { Definition } from './messages/message-options.ts';
import { type HandleParts, RunHandle } from './run-handle.ts';
import {
  admitUpdate,
  updateCall,
  type WorkflowUpdateHandle,
  type StartUpdateOptions,
  type WorkflowUpdateOptions,
} from './messages/workflow-update.ts';

export interface WorkflowResultOptions {
  /** Whether to wait for the successors of the run; default true. */
  readonly followRuns?: boolean;
}

export interface GetWorkflowHandleOptions extends WorkflowResultOptions {
  /** Restricts the handle to the chain that started with this run, whatever other runs the workflow id has. */
  readonly firstExecutionRunId?: string | undefined;
}

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

/** A handle to one workflow, as `start` and `getHandle` return it. */
export class WorkflowHandle<W extends Workflow = Workflow> extends RunHandle<W, WorkflowClient> {}

/** A handle to the run that a call has started. */
export type WorkflowHandleWithFirstExecutionRunId<W extends Workflow = Workflow> = WorkflowHandle<W> & {
  readonly runId: string;
  readonly firstExecutionRunId: string;
};

/** `signaledRunId`: the run that received the signal, either a new run or an open run. */
export type WorkflowHandleWithSignaledRunId<W extends Workflow = Workflow> = WorkflowHandle<W> & {
  readonly signaledRunId: string;
};

export interface WorkflowClientOptions {
  connection: Connection;
  /** Default `default`. */
  namespace?: string;
  /** Limit of one payload in bytes; default 2 MiB. */
  maxPayloadBytes?: number;
  /** Selects the runs for which queries are refused; default NONE. */
  queryRejectCondition?: QueryRejectCondition;
}

const clientOptions = optionTable<WorkflowClientOptions>(
  {
    ...unchecked('connection', 'namespace', 'maxPayloadBytes'),
    queryRejectCondition: oneOf(QueryRejectCondition),
  },
  { [notYet]: ['dataConverter', 'identity', 'interceptors', 'plugins'] },
);

const resultOptions = optionTable<WorkflowResultOptions>(unchecked('followRuns'));
const handleOptions = optionTable<GetWorkflowHandleOptions>(unchecked('followRuns', 'firstExecutionRunId'));

export class WorkflowClient {
  readonly #connection: Connection;
  readonly #namespace: string;
  readonly #maxPayloadBytes: number;
  readonly #queryRejectCondition: QueryRejectCondition;

  /** @throws RuntimeError INVALID_INPUT */
  constructor(options: WorkflowClientOptions) {
    checkOptions('WorkflowClient', options, clientOptions);
    const { connection, namespace = 'default', maxPayloadBytes = defaultMaxPayloadBytes } = options;
    const { queryRejectCondition = QueryRejectCondition.NONE } = options;
    checkConnection('WorkflowClient', connection);
    checkNamespace(namespace);
    this.#connection = connection;
    this.#namespace = namespace;
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#queryRejectCondition = queryRejectCondition;
  }

  /**
   * Starts a run. The start is durable when the promise resolves.
   * @throws WorkflowExecutionAlreadyStartedError; RuntimeError NOT_SERIALISABLE, PAYLOAD_TOO_LARGE, INVALID_INPUT,
   * ILLEGAL_STATE, DATABASE_UNREACHABLE (if the connection broke during the call, the run may exist)
   */
  async start<W extends Workflow>(
    workflow: W | string,
    options: WorkflowStartOptions<W>,
  ): Promise<WorkflowHandleWithFirstExecutionRunId<W>> {
    return this.#start<W>(this.#newRun(workflow, options), options);
  }

  /** Starts a run and waits for its result. @throws as `start`, and as `result` of the handle */
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
   * Sends a signal to the open run of this workflow id. If no run is open, starts a run that has the signal from its
   * start. An open run keeps its memo, search attributes and summary. The given options apply only to a new run.
   * @throws as `start`; WorkflowExecutionAlreadyStartedError only for the given policies
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
    const signaledRunId = await this.#place(run, common, 'USE_EXISTING', message);
    return Object.assign(this.#handle<W>(run.workflowId, signaledRunId), { signaledRunId });
  }

  /**
   * Starts a run, or uses the open run of the workflow id, sends the run an update and waits for the handler's result.
   * If the update fails, the run continues.
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

  /** Like `executeUpdateWithStart`, but waits only until the update is accepted or rejected. */
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
    const handle = await operation.use(async () => {
      return this.#handle<W>(run.workflowId, await this.#place(run, startOptions, 'FAIL', call.message));
    });
    const runId = handle.runId!;
    const parts = { connection: this.#connection, workflowId: run.workflowId, runId, updateId: call.updateId };
    return admitUpdate<Ret>(parts, call.message, true);
  }

  async #start<W extends Workflow>(
    run: TimedRun,
    options: CommonStartOptions,
  ): Promise<WorkflowHandleWithFirstExecutionRunId<W>> {
    const runId = await this.#place(run, options, 'FAIL');
    const { followRuns = true } = options;
    return this.#handle<W>(run.workflowId, runId, { followRuns }) as WorkflowHandleWithFirstExecutionRunId<W>;
  }

  #place(
    run: TimedRun,
    options: CommonStartOptions,
    conflictDefault: WorkflowIdConflictPolicy,
    message?: Message,
  ): Promise<string> {
    return placeRun(this.#connection, run, {
      policies: idPolicies(options, conflictDefault),
      transaction: options.transaction === undefined ? undefined : asQueryable(options.transaction),
      timing: run.timing,
      terminate: () =>
        this.#handle(run.workflowId, undefined).terminate(`a new run of workflow id "${run.workflowId}" was started`),
      ...(message === undefined ? {} : { message }),
    });
  }

  /** A handle to a workflow id's latest run, to one run, or to a chain of runs. Makes no call. @throws RuntimeError INVALID_INPUT */
  getHandle<W extends Workflow = Workflow>(
    workflowId: string,
    runId?: string,
    options: GetWorkflowHandleOptions = {},
  ): WorkflowHandle<W> {
    checkOptions('getHandle', options, handleOptions);
    const { followRuns = true, firstExecutionRunId } = options;
    const id = checkName('workflowId', workflowId);
    const isUnseen = true;
    if (runId === undefined) return this.#handle<W>(id, firstExecutionRunId, { followRuns, isUnseen });
    return this.#handle<W>(id, runId, { followsChain: false, followRuns, isUnseen, firstExecutionRunId });
  }

  /** Waits for the result of a workflow id's latest run, or of one run. @throws as `result` of the handle */
  async result<W extends Workflow = Workflow>(
    workflowId: string,
    runId?: string,
    options: WorkflowResultOptions = {},
  ): Promise<WorkflowResultType<W>> {
    checkOptions('workflow.result', options, resultOptions);
    return this.getHandle<W>(workflowId, runId, options).result();
  }

  /**
   * The runs of this namespace, newest first unless the query has ORDER BY. `for await` reads the runs page by page and
   * throws INVALID_INPUT for a query with an error. `intoHistories()` yields the runs' histories instead.
   */
  list(options: ListOptions = {}): AsyncWorkflowListIterable {
    const runs = (): AsyncGenerator<ListedExecutionInfo, void, undefined> =>
      readRuns(this.#connection, this.#namespace, options);
    const getHistory = (workflowId: string, runId: string): Promise<TemporalHistory> =>
      this.#handle(workflowId, runId, { followsChain: false }).fetchHistory();
    return {
      [Symbol.asyncIterator]: runs,
      intoHistories: (limits) => intoHistories(runs(), getHistory, limits),
    };
  }

  /**
   * The number of runs of this namespace that match a query. Without a query, counts all. With `GROUP BY
   * ExecutionStatus`, also returns the number for each status.
   * @throws RuntimeError INVALID_INPUT
   */
  async count(query = ''): Promise<CountWorkflowExecution> {
    return countExecutions(this.#connection, this.#namespace, query);
  }

  /**
   * Replays many runs with MOCK_TOOLS: what a team does before a deployment, with the code at hand.
   * @throws RuntimeError INVALID_INPUT, BUNDLE_FAILED
   */
  async replayAll(options: ReplayAllOptions = {}): Promise<GateReport> {
    return replayAll(this.#connection, this.#namespace, options);
  }

  /**
   * Replays many past runs with LIVE_TOOLS, some of their results replaced, and sums up what changes. Needs a worker of
   * their task queues.
   * @throws RuntimeError INVALID_INPUT, NOT_SUPPORTED; TIMEOUT with a deadline
   */
  async whatIf(options: WhatIfOptions): Promise<WhatIfReport> {
    const { whatIf } = await import('./what-if.ts');
    return whatIf(this.#connection, this.#namespace, options);
  }

  /** Number of runs that `replayAll` selects, before it takes a sample. @throws RuntimeError INVALID_INPUT */
  async countReplays(options: ReplayAllOptions = {}): Promise<number> {
    return (await this.count(replayQuery(options))).count;
  }

  #newRun<W extends Workflow>(workflow: W | string, options: WorkflowStartOptions<W>): TimedRun {
    return newRunOf<W>(workflow, options, { namespace: this.#namespace, maxPayloadBytes: this.#maxPayloadBytes });
  }

  #handle<W extends Workflow>(
    workflowId: string,
    runId: string | undefined,
    options: Partial<
      Pick<HandleParts<WorkflowClient>, 'followsChain' | 'followRuns' | 'isUnseen' | 'firstExecutionRunId'>
    > = {},
  ): WorkflowHandle<W> {
    return new WorkflowHandle<W>({
      client: this,
      connection: this.#connection,
      namespace: this.#namespace,
      maxPayloadBytes: this.#maxPayloadBytes,
      queryRejectCondition: this.#queryRejectCondition,
      workflowId,
      runId,
      followsChain: true,
      followRuns: true,
      isUnseen: false,
      ...options,
    });
  }
}

export type WithStartWorkflowOptions<W extends Workflow> = Omit<
  WorkflowStartOptions<W>,
  'startDelay' | 'cronSchedule' | 'transaction'
> & {
  /** Required, because an update-with-start must say what happens to an open run. */
  workflowIdConflictPolicy: WorkflowIdConflictPolicy;
};

/** The start of an update-with-start. Each operation can be used only once. */
export class WithStartWorkflowOperation<W extends Workflow = Workflow> {
  readonly #handle = Promise.withResolvers<WorkflowHandle<W>>();
  #isUsed = false;
  readonly workflow: W | string;
  readonly options: WithStartWorkflowOptions<W>;

  /** @throws INVALID_INPUT */
  constructor(workflow: W | string, options: WithStartWorkflowOptions<W>) {
    this.#handle.promise.catch(() => undefined); // no unhandled rejection; workflowHandle() still rejects
    this.workflow = workflow;
    this.options = options;
    if (options.workflowIdConflictPolicy === undefined) {
      throw new RuntimeError(
        'INVALID_INPUT',
        'WithStartWorkflowOperation needs a workflowIdConflictPolicy: FAIL, USE_EXISTING or TERMINATE_EXISTING.',
      );
    }
    for (const delaying of ['startDelay', 'cronSchedule'] as const) {
      if ((options as Record<string, unknown>)[delaying] === undefined) continue;
      throw new RuntimeError('INVALID_INPUT', `An update with start cannot be delayed: leave ${delaying} out.`);
    }
    if ((options as { transaction?: unknown }).transaction !== undefined) {
      throw new RuntimeError(
        'INVALID_INPUT',
        'An update with start cannot be part of a transaction: no worker can handle the update before the transaction commits. Leave transaction out.',
      );
    }
  }

  /** A handle to the run that was started or that received the update. Rejects when there is no such run. */
  workflowHandle(): Promise<WorkflowHandle<W>> {
    return this.#handle.promise;
  }

  /** @internal @throws ILLEGAL_STATE when the operation was used before */
  async use(start: () => Promise<WorkflowHandle<W>>): Promise<WorkflowHandle<W>> {
    if (this.#isUsed) {
      throw new IllegalStateError('This WithStartWorkflowOperation was used before. Create a new one for each update.');
    }
    this.#isUsed = true;
    try {
      const handle = await start();
      this.#handle.resolve(handle);
      return handle;
    } catch (error) {
      this.#handle.reject(error);
      throw error;
    }
  }
}
