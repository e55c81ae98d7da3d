// reprise/client: starting runs and talking to them. Loads no worker, sandbox, bundler or server.
import { ActivityClient } from './activity-client.ts';
import { withAbortSignal, withDeadline } from './call-limits.ts';
import { checkConnection, Connection } from './connection.ts';
import { defaultMaxPayloadBytes } from './encode-arguments.ts';
import type { QueryRejectCondition } from './query-reject-condition.ts';
import { refuseUnknown } from './refuse-unknown.ts';
import { WorkerDeploymentClient } from './worker-deployment-client.ts';
import { WorkflowClient } from './workflow-client.ts';

export interface ClientOptions {
  connection: Connection;
  namespace?: string;
  /** Limit of one payload; default 2 MiB. */
  maxPayloadBytes?: number;
  workflow?: {
    /** Runs that queries are refused for; default NONE. */
    queryRejectCondition?: QueryRejectCondition;
  };
}

const known = Object.keys({
  connection: true,
  namespace: true,
  maxPayloadBytes: true,
  workflow: true,
} satisfies Record<keyof ClientOptions, true>);
const unsupported = ['dataConverter', 'identity', 'interceptors', 'plugins', 'queryRejectCondition'];

export class Client {
  readonly connection: Connection;
  readonly workflow: WorkflowClient;
  /** Versions of workers: which one takes new runs, and which ones still have some. */
  readonly workerDeployment: WorkerDeploymentClient;
  readonly activity: ActivityClient;

  /** Updates and queries that are awaited inside `fn` are given up when `deadline` (ms since 1970, or a Date) has passed. */
  withDeadline<T>(deadline: number | Date, fn: () => Promise<T>): Promise<T> {
    return withDeadline(deadline, fn);
  }

  /** Updates and queries that are awaited inside `fn` are given up when the signal is aborted. */
  withAbortSignal<T>(signal: AbortSignal, fn: () => Promise<T>): Promise<T> {
    return withAbortSignal(signal, fn);
  }

  /** @throws RuntimeError INVALID_INPUT */
  constructor(options: ClientOptions) {
    refuseUnknown('Client', options, known, unsupported);
    checkConnection('Client', options.connection);
    const { connection, namespace = 'default', maxPayloadBytes = defaultMaxPayloadBytes, workflow = {} } = options;
    refuseUnknown('Client workflow', workflow, ['queryRejectCondition'], []);
    this.connection = connection;
    this.workflow = new WorkflowClient({ connection, namespace, maxPayloadBytes, ...workflow });
    this.workerDeployment = new WorkerDeploymentClient({ connection, namespace });
    this.activity = new ActivityClient({ connection, namespace, maxPayloadBytes });
  }
}

export { ActivityClient, ActivityHandle, type TypedActivityClient } from './activity-client.ts';
export type {
  ActivityExecutionOptions,
  ActivityUnpauseOptions,
  ActivityUpdateOptions,
} from './activity-commands.ts';
export {
  type ActivityExecutionDescription,
  type ActivityExecutionInfo,
  ActivityExecutionStatus,
  PendingActivityState,
} from './activity-execution.ts';
export { ActivityIdConflictPolicy, ActivityIdReusePolicy, type ActivityOptions } from './activity-options.ts';
export {
  AsyncCompletionClient,
  type AsyncCompletionClientOptions,
  type FullActivityId,
  type TaskTokenLike,
} from './async-completion.ts';
export {
  ActivityCancelledError,
  ActivityCompletionError,
  ActivityExecutionAlreadyStartedError,
  ActivityExecutionFailedError,
  ActivityNotFoundError,
  ActivityPausedError,
  NamespaceNotFoundError,
  QueryNotRegisteredError,
  QueryRejectedError,
  WorkflowContinuedAsNewError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from './client-errors.ts';
export { Connection, type ConnectionOptions } from './connection.ts';
export type { HistoryRecord, TemporalHistory } from './history-view.ts';
export type {
  StatusName,
  Workflow,
  WorkflowExecutionInfo,
  WorkflowExecutionStatusName,
  WorkflowResultType,
} from './execution-info.ts';
export type { MessageOptions } from './message-options.ts';
export type { CommonStartOptions as WorkflowOptions, KyselyTransaction, WorkflowStartOptions } from './new-run.ts';
export type {
  AsyncWorkflowListIterable,
  CountWorkflowExecution,
  HistoryAndWorkflowId,
  IntoHistoriesOptions,
  ListOptions,
} from './run-list.ts';
export {
  type GetWorkflowHandleOptions,
  WorkflowClient,
  type WorkflowClientOptions,
  type WorkflowHandleWithFirstExecutionRunId,
  type WorkflowResultOptions,
  type UpdateWithStartOptions,
  type WorkflowHandleWithSignaledRunId,
  type WorkflowSignalWithStartOptions,
} from './workflow-client.ts';
export {
  type Definition,
  type WorkflowExecutionDescription,
  WorkflowHandle,
} from './workflow-handle.ts';
export { type IdPolicyOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from './id-policies.ts';
export { QueryRejectCondition } from './query-reject-condition.ts';
export type { WorkflowVersioningInfo } from './run-placement.ts';
export {
  type SetVersionOptions,
  WorkerDeploymentClient,
  type WorkerDeploymentDescription,
  type WorkerDeploymentSummary,
  type WorkerDeploymentVersionInfo,
  type WorkerDeploymentVersionStatus,
} from './worker-deployment-client.ts';
export { WithStartWorkflowOperation, type WithStartWorkflowOptions } from './with-start.ts';
export { WorkflowUpdateStage } from './update-stage.ts';
export {
  type GetWorkflowUpdateHandleOptions,
  type StartUpdateOptions,
  WorkflowUpdateHandle,
  type WorkflowUpdateOptions,
} from './workflow-update.ts';
export type * from './workflow-types.ts';
export type { ActivityFunction, ActivityInterface, UntypedActivities } from '../runtime/activator/activity-proxy.ts';
export type {
  QueryDefinition,
  SignalDefinition,
  UpdateDefinition,
} from '../runtime/activator/message-definition.ts';
export { HandlerUnfinishedPolicy } from '../runtime/history/unfinished-policy.ts';
export {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  CompleteAsyncError,
  RetryState,
  ServerFailure,
  TemporalFailure,
  TerminatedFailure,
  TimeoutFailure,
  TimeoutType,
} from '../runtime/history/failure.ts';
export { type RetryPolicy } from '../runtime/history/retry-options.ts';
export { ValueError } from '../runtime/history/value-error.ts';
export type { PatchFilter, PatchRecord, StatePoint, StateResult } from '../runtime/replay/state-at.ts';
export { type ErrorCode, IllegalStateError, RuntimeError } from '../runtime/history/runtime-error.ts';
