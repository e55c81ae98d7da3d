// The handle to one workflow: its result, its messages, and its log. The client is only a type parameter here, because
// the client imports this file.
import { randomUUID } from 'node:crypto';
import type { StartedMeta } from '../../runtime/core/run/start-meta.ts';
import { decodeFailure } from '../../runtime/core/failure/failure-info.ts';
import { decodePayload } from '../../runtime/core/payload/payload.ts';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import type { Message } from '../../runtime/store/messages/inbox.ts';
import { ask, withdraw } from '../../runtime/store/messages/requests.ts';
import type { RunRow } from '../../runtime/store/runs/run-row.ts';
import {
  findRun,
  getRun,
  nextRun,
  readOpenState,
  readOutcomes,
  readStartedMeta,
  type OpenState,
} from '../../runtime/store/runs/runs.ts';
import {
  QueryNotRegisteredError,
  QueryRejectedError,
  WorkflowContinuedAsNewError,
  WorkflowNotFoundError,
} from './client-errors.ts';
import type { Connection } from '../common/connection.ts';
import { limitReached, waitAtMost } from './call-limits.ts';
import { checkName, checkRunId, encodeArguments } from './encode-arguments.ts';
import type { InputOp as ContextOperation } from '../../runtime/core/context/context-input.ts';
import { type AppliedPatch, type PatchContextOptions, patchMessage, sendPatch } from './recovery/context-write.ts';
import { RunRecovery } from './recovery/run-recovery.ts';
import { isRejected, type QueryRejectCondition } from './messages/query-reject-condition.ts';
import { type Definition, type MessageOptions, messageArgs, signalArgs } from './messages/message-options.ts';
import { actorColumns, type ActorOptions } from './recovery/verb-options.ts';
import { answeringQueue, versioningInfo, whoAnswers, type WorkflowVersioningInfo } from './run-placement.ts';
import { checkOptions } from '../../runtime/core/options/option-table.ts';
import { runFailure, runResult } from './run-result.ts';
import { sendMessage } from './messages/send-message.ts';
import {
  admitUpdate,
  type GetWorkflowUpdateHandleOptions,
  type StartUpdateOptions,
  updateCall,
  updateHandleOptions,
  WorkflowUpdateHandle,
  type WorkflowUpdateOptions,
} from './messages/workflow-update.ts';
import { executionInfo, type Workflow, type WorkflowExecutionInfo, type WorkflowResultType } from './execution-info.ts';

/** `pollers` 0 means that no worker polls the run's task queue, so the run waits until one does. */
export interface WorkflowExecutionDescription
  extends WorkflowExecutionInfo,
    Omit<OpenState, 'owner' | 'wakeAt' | 'changes' | 'versioning'> {
  /** Epoch of the worker that has the run in memory. */
  readonly owner: number | undefined;
  readonly nextWakeTime: Date | undefined;
  /** Why a closed run failed, timed out, was cancelled or terminated. */
  readonly failure: Error | undefined;
  /** `staticSummary` and `staticDetails` of the start. */
  staticSummary(): Promise<string | undefined>;
  staticDetails(): Promise<string | undefined>;
  /** Undefined for an unversioned run. */
  readonly versioningInfo: WorkflowVersioningInfo | undefined;
}

export interface HandleParts<Client> {
  readonly client: Client;
  readonly connection: Connection;
  readonly namespace: string;
  readonly maxPayloadBytes: number;
  readonly queryRejectCondition: QueryRejectCondition;
  readonly workflowId: string;
  readonly runId: string | undefined;
  /** Whether messages and queries go to the successors of the run. */
  readonly followsChain: boolean;
  /** Whether `result()` waits for the end of the chain. */
  readonly followRuns: boolean;
  /** True until somebody has checked that the run exists and has the workflow id. */
  readonly isUnseen: boolean;
  /** The run must belong to the chain whose first run has this id. */
  readonly firstExecutionRunId?: string | undefined;
}

const queryTimeoutMs = 10_000;
const failedStatuses: ReadonlySet<RunRow['status']> = new Set<RunRow['status']>([
  'failed',
  'timed_out',
  'cancelled',
  'terminated',
]);

export class RunHandle<W extends Workflow, Client> extends RunRecovery {
  override readonly workflowId: string;
  readonly #parts: HandleParts<Client>;
  /** The last run of the chain that this handle has seen. */
  #latest: string | undefined;
  #isUnseen: boolean;

  constructor(parts: HandleParts<Client>) {
    super(parts.connection, parts.maxPayloadBytes);
    this.workflowId = parts.workflowId;
    this.#parts = parts;
    this.#isUnseen = parts.isUnseen;
    for (const id of [parts.runId, parts.firstExecutionRunId]) if (id !== undefined) checkRunId(id);
  }

  /** The client that created the handle. */
  get client(): Client {
    return this.#parts.client;
  }

  override get runId(): string | undefined {
    return this.#parts.runId;
  }

  get firstExecutionRunId(): string | undefined {
    return this.#parts.firstExecutionRunId ?? this.#parts.runId;
  }

  /**
   * Waits for the run and its successors to close. Keeps waiting while the database is unreachable.
   * @throws WorkflowFailedError, WorkflowNotFoundError, WorkflowContinuedAsNewError with `followRuns: false`; RuntimeError
   * DATABASE_UNREACHABLE, ILLEGAL_STATE
   */
  async result(): Promise<WorkflowResultType<W>> {
    const { run_id: latest } = await this.#run();
    return this.outcome(this.#parts.followRuns ? latest : (this.#parts.runId ?? latest));
  }

  /** @internal Like `result()`, for a run that certainly exists. Keeps waiting while the database is unreachable. */
  async outcome(runId: string = this.#parts.runId!): Promise<WorkflowResultType<W>> {
    const { connection } = this.#parts;
    for (let current = runId; ; ) {
      const outcome = await connection.reach(() => connection.outcomes.outcome(current));
      if (outcome.next === undefined) return runResult(outcome) as WorkflowResultType<W>;
      if (!this.#parts.followRuns) {
        if (outcome.type === 'WorkflowContinuedAsNew') throw new WorkflowContinuedAsNewError(outcome.next);
        return runResult(outcome) as WorkflowResultType<W>;
      }
      current = outcome.next;
    }
  }

  /**
   * Sends a signal. The signal is durable when the promise resolves.
   * @throws WorkflowNotFoundError when the run is not open
   */
  async signal<Args extends readonly unknown[]>(signal: Definition<Args> | string, ...args: Args): Promise<void> {
    await this.#signal(signal, args, {});
  }

  async #signal(
    signal: { readonly name: string } | string,
    args: readonly unknown[],
    actor: Pick<Message, 'reason' | 'sourceId'>,
  ): Promise<void> {
    const name = checkName('The signal name', typeof signal === 'string' ? signal : signal.name);
    const payload = encodeArguments(`signal ${name}`, args, this.#parts.maxPayloadBytes);
    await this.send({ type: 'SignalReceived', name, payload, ...actor });
  }

  /** Like `signal`, with the arguments as an option. `actor` and `reason` stand in the log: who sends it, and why. */
  async signalWithOptions<Args extends readonly unknown[] = []>(
    signal: Definition<Args> | string,
    options: MessageOptions<Args> & ActorOptions,
  ): Promise<void> {
    const { args, ...actor } = signalArgs('signalWithOptions', options);
    await this.#signal(signal, args, actorColumns('signalWithOptions', actor));
  }

  /**
   * Sends an update and waits for the handler's result. A run handles each update id only once, however often it is sent.
   * @throws WorkflowUpdateFailedError, WorkflowNotFoundError, WorkflowUpdateRPCTimeoutOrCancelledError
   */
  executeUpdate<Ret>(update: Definition<[], Ret> | string): Promise<Ret>;
  executeUpdate<Ret, Args extends readonly unknown[] = []>(
    update: Definition<Args, Ret> | string,
    options: WorkflowUpdateOptions<Args>,
  ): Promise<Ret>;
  async executeUpdate<Ret, Args extends readonly unknown[]>(
    update: Definition<Args, Ret> | string,
    options?: WorkflowUpdateOptions<Args>,
  ): Promise<Ret> {
    const staged = { ...options, waitForStage: 'ACCEPTED' } as StartUpdateOptions<Args>;
    const handle = await this.startUpdate<Ret, Args>(update, staged);
    return handle.result();
  }

  /**
   * Sends an update and waits until it is accepted or rejected. If the update was rejected, `result()` of the returned
   * handle throws.
   * @throws WorkflowNotFoundError, WorkflowUpdateRPCTimeoutOrCancelledError
   */
  async startUpdate<Ret, Args extends readonly unknown[] = []>(
    update: Definition<Args, Ret> | string,
    options: StartUpdateOptions<Args>,
  ): Promise<WorkflowUpdateHandle<Ret>> {
    const { updateId, message } = updateCall(update, options, this.#parts.maxPayloadBytes);
    const { run_id: runId } = await this.#run();
    const { connection } = this.#parts;
    return admitUpdate<Ret>({ connection, workflowId: this.workflowId, runId, updateId }, message);
  }

  /**
   * A handle to an update that was sent before. Makes no call. Without a run id, the handle finds the latest run of the
   * chain that has the update.
   */
  getUpdateHandle<Ret = unknown>(
    updateId: string,
    options: GetWorkflowUpdateHandleOptions = {},
  ): WorkflowUpdateHandle<Ret> {
    checkOptions('getUpdateHandle', options, updateHandleOptions);
    const { workflowRunId } = options;
    const named = { ...this.#parts, runId: workflowRunId, followsChain: false, isUnseen: true };
    const of = workflowRunId === undefined ? this : new RunHandle<W, Client>(named);
    return new WorkflowUpdateHandle<Ret>({
      connection: this.#parts.connection,
      workflowId: this.workflowId,
      updateId: checkName('updateId', updateId),
      runId: of.runId,
      search: { latestRun: async () => (await of.#run()).run_id, inChain: of.#parts.followsChain },
    });
  }

  /**
   * Calls a query handler of the workflow code, and changes nothing. Closed runs answer too, if a worker polls the task
   * queue.
   * @throws QueryNotRegisteredError, QueryRejectedError, the handler's failure; RuntimeError TIMEOUT when no worker
   * answers
   */
  async query<Ret, Args extends readonly unknown[] = []>(
    query: Definition<Args, Ret> | string,
    ...args: Args
  ): Promise<Ret> {
    const name = checkName('The query name', typeof query === 'string' ? query : query.name);
    const { connection, maxPayloadBytes, queryRejectCondition } = this.#parts;
    const run = await this.#run();
    if (isRejected(queryRejectCondition, run.status)) throw new QueryRejectedError(executionInfo(run).status);
    const id = randomUUID();
    const payload = encodeArguments(`query ${name}`, args, maxPayloadBytes);
    const answer = await connection.reach(async (database) => {
      const queue = await answeringQueue(database, run);
      const request = { id, runId: run.run_id, queue, name, args: payload, timeoutMs: queryTimeoutMs };
      database.notifier.request(await ask(database, request));
      const isGivenUp = (): boolean => limitReached() !== undefined;
      const given = await connection.outcomes.answer(id, waitAtMost(queryTimeoutMs), isGivenUp);
      if (given === undefined) await withdraw(database, id);
      return given;
    });
    if (answer === undefined) {
      const reached = limitReached() ?? `${queryTimeoutMs} ms have passed`;
      const who = await connection.reach((database) => whoAnswers(database, run));
      throw new RuntimeError(
        'TIMEOUT',
        `No worker answered query ${name} of workflow ${this.workflowId}: ${reached}. Check that ${who}.`,
        { runId: run.run_id },
      );
    }
    if (answer.problem === undefined) return decodePayload(answer.payload) as Ret;
    const failure = decodeFailure(answer.payload);
    throw answer.problem === 'not_registered' ? new QueryNotRegisteredError(failure.message) : failure;
  }

  /** Like `query`, with the arguments as an option. */
  async queryWithOptions<Ret, Args extends readonly unknown[] = []>(
    query: Definition<Args, Ret> | string,
    options: MessageOptions<Args>,
  ): Promise<Ret> {
    return this.query<Ret, Args>(query, ...messageArgs('queryWithOptions', options));
  }

  /** @throws WorkflowNotFoundError */
  async describe(): Promise<WorkflowExecutionDescription> {
    const run = await this.#run();
    const { owner, wakeAt, changes, versioning, ...open } = await this.#parts.connection.reach((database) =>
      readOpenState(database, run),
    );
    const started = (): Promise<Partial<StartedMeta>> =>
      this.#parts.connection.reach((database) => readStartedMeta(database, run.run_id));
    return {
      ...executionInfo(run, changes),
      ...open,
      failure: await this.#failureOf(run),
      owner: owner ?? undefined,
      nextWakeTime: wakeAt ?? undefined,
      versioningInfo: versioningInfo(versioning),
      staticSummary: async () => (await started()).staticSummary,
      staticDetails: async () => (await started()).staticDetails,
    };
  }

  async #failureOf({ run_id: runId, status }: RunRow): Promise<Error | undefined> {
    if (!failedStatuses.has(status)) return undefined;
    const outcome = (await this.#parts.connection.reach((database) => readOutcomes(database, [runId]))).get(runId);
    try {
      return outcome && runFailure(outcome).cause;
    } catch (error) {
      // A description is there to look into such a run.
      if (error instanceof RuntimeError && error.code === 'PAYLOAD_UNREADABLE') return error;
      throw error;
    }
  }

  /**
   * Changes the run's context as a person. The operations apply to the document at the start of the run's next turn, all
   * or none. Resolves when they are in the log. The open run of the chain gets them.
   * @throws WorkflowNotFoundError when the run is not open; RuntimeError CONTEXT_PATCH_INVALID when they do not apply or
   * do not fit the schema, CONTEXT_NOT_ATTACHED when the run has not used its context yet, INVALID_INPUT,
   * PAYLOAD_TOO_LARGE, TIMEOUT with a deadline. Nothing is written then.
   */
  async patchContext(
    ops: ContextOperation | readonly ContextOperation[],
    options: PatchContextOptions,
  ): Promise<AppliedPatch> {
    const { connection, maxPayloadBytes, followsChain } = this.#parts;
    const message = patchMessage(ops, options, maxPayloadBytes);
    const { run_id: runId } = await this.#run();
    const follows = followsChain || this.runId === undefined;
    return sendPatch({ connection, workflowId: this.workflowId, runId, followsChain: follows }, message);
  }

  async #run(): Promise<RunRow> {
    const { connection, namespace, runId, followsChain } = this.#parts;
    const known = this.#latest ?? runId;
    let run = await connection.reach((database) =>
      known === undefined ? findRun(database, namespace, this.workflowId) : getRun(database, known),
    );
    if (run !== undefined && this.#isUnseen && !(await this.#isMeant(run))) run = undefined;
    if (run !== undefined) this.#isUnseen = false;
    // A handle without a run id has just found the latest run. A handle to a chain follows the successors of its own
    // run.
    while (followsChain && known !== undefined && run !== undefined && run.closed_at !== null) {
      const { run_id: before } = run;
      const next: RunRow | undefined = await connection.reach((database) => nextRun(database, before));
      if (next === undefined) break;
      run = next;
      this.#latest = next.run_id;
    }
    if (run === undefined) {
      throw new WorkflowNotFoundError(
        `workflow not found for ID: ${this.workflowId}${runId === undefined ? '' : ` (run ${runId})`} in namespace ${namespace}. Check the id, or list the runs.`,
        this.workflowId,
        runId,
      );
    }
    return run;
  }

  protected override run(): Promise<RunRow> {
    return this.#run();
  }

  /** Whether a run has the workflow id, the namespace and the chain that this handle is for. */
  async #isMeant(run: RunRow): Promise<boolean> {
    const { connection, namespace, firstExecutionRunId: first } = this.#parts;
    if (run.workflow_id !== this.workflowId || run.namespace !== namespace) return false;
    if (first === undefined || run.run_id === first) return true;
    return (await connection.reach((database) => readStartedMeta(database, run.run_id))).firstRunId === first;
  }

  protected override async send(message: Message): Promise<void> {
    const { connection } = this.#parts;
    const known = this.#isUnseen ? undefined : (this.#latest ?? this.#parts.runId);
    let runId = known ?? (await this.#run()).run_id;
    while ((await sendMessage(connection, runId, message)) === undefined) {
      const { run_id: latest } = await this.#run(); // throws for an unknown id
      if (latest === runId) throw WorkflowNotFoundError.closed(this.workflowId, runId);
      runId = latest;
    }
  }
}
