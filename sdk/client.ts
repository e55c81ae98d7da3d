// reprise/client: starts runs, sends messages and reads results. Loads no worker, sandbox, bundler or server code.
import { ActivityClient } from './client/activities/activity-client.ts';
import { withAbortSignal, withDeadline } from './client/call-limits.ts';
import { checkConnection, Connection } from './common/connection.ts';
import { defaultMaxPayloadBytes } from './client/encode-arguments.ts';
import { QueryRejectCondition } from './client/messages/query-reject-condition.ts';
import { checkOptions, nested, notYet, oneOf, optionTable, unchecked } from '../runtime/core/options/option-table.ts';
import { SystemClient } from './client/system-client.ts';
import { WorkerDeploymentClient } from './client/worker-deployment-client.ts';
import { WorkflowClient } from './client/workflow-client.ts';

export interface ClientOptions {
  connection: Connection;
  namespace?: string;
  /** Limit of one payload in bytes; default 2 MiB. */
  maxPayloadBytes?: number;
  workflow?: {
    /** Selects the runs for which queries are refused; default NONE. */
    queryRejectCondition?: QueryRejectCondition;
  };
}

const clientOptions = optionTable<ClientOptions>(
  {
    ...unchecked('connection', 'namespace', 'maxPayloadBytes'),
    workflow: nested(
      optionTable<NonNullable<ClientOptions['workflow']>>({ queryRejectCondition: oneOf(QueryRejectCondition) }),
    ),
  },
  { [notYet]: ['dataConverter', 'identity', 'interceptors', 'plugins', 'queryRejectCondition'] },
  'Client option ',
);

export class Client {
  readonly connection: Connection;
  readonly workflow: WorkflowClient;
  /** Versions of workers: which version takes new runs, and which ones still have runs. */
  readonly workerDeployment: WorkerDeploymentClient;
  readonly activity: ActivityClient;
  /** System checkpoints and retention. */
  readonly system: SystemClient;

  /**
   * Limits how long calls inside `fn` wait: they stop waiting after `deadline` (ms since 1970, or a Date).
   * @throws RuntimeError INVALID_INPUT
   */
  withDeadline<T>(deadline: number | Date, fn: () => Promise<T>): Promise<T> {
    return withDeadline(deadline, fn);
  }

  /** Makes calls inside `fn` stop waiting when the signal aborts. @throws RuntimeError INVALID_INPUT */
  withAbortSignal<T>(signal: AbortSignal, fn: () => Promise<T>): Promise<T> {
    return withAbortSignal(signal, fn);
  }

  /** @throws RuntimeError INVALID_INPUT */
  constructor(options: ClientOptions) {
    checkOptions('Client', options, clientOptions);
    checkConnection('Client', options.connection);
    const { connection, namespace = 'default', maxPayloadBytes = defaultMaxPayloadBytes, workflow = {} } = options;
    this.connection = connection;
    this.workflow = new WorkflowClient({ connection, namespace, maxPayloadBytes, ...workflow });
    this.workerDeployment = new WorkerDeploymentClient({ connection, namespace });
    this.activity = new ActivityClient({ connection, namespace, maxPayloadBytes });
    this.system = new SystemClient(connection);
  }
}

export { ActivityClient, ActivityHandle, type TypedActivityClient } from './client/activities/activity-client.ts';
export type {
  ActivityExecutionOptions,
  ActivityUnpauseOptions,
  ActivityUpdateOptions,
} from './client/activities/activity-commands.ts';
export {
  type ActivityExecutionDescription,
  type ActivityExecutionInfo,
  ActivityExecutionStatus,
  PendingActivityState,
} from './client/activities/activity-execution.ts';
export {
  ActivityIdConflictPolicy,
  ActivityIdReusePolicy,
  type StandaloneActivityOptions as ActivityOptions,
} from './client/activities/standalone-options.ts';
export {
  AsyncCompletionClient,
  type AsyncCompletionClientOptions,
  type FullActivityId,
  type TaskTokenLike,
} from './client/activities/async-completion-client.ts';
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
  RecoverySupersededError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from './client/client-errors.ts';
export { Connection, type ConnectionOptions } from './common/connection.ts';
export type { HistoryRecord, TemporalHistory } from './client/history-view.ts';
export type {
  StatusName,
  Workflow,
  ListedExecutionInfo,
  WorkflowExecutionInfo,
  WorkflowExecutionStatusName,
  WorkflowResultType,
} from './client/execution-info.ts';
export type { MessageOptions } from './client/messages/message-options.ts';
export type {
  CommonStartOptions as WorkflowOptions,
  KyselyTransaction,
  WorkflowStartOptions,
} from './client/new-run.ts';
export type {
  AsyncWorkflowListIterable,
  CountWorkflowExecution,
  HistoryAndWorkflowId,
  IntoHistoriesOptions,
  ListOptions,
  ReplayAllOptions,
} from './client/run-list.ts';
export {
  type GetWorkflowHandleOptions,
  WithStartWorkflowOperation,
  type WithStartWorkflowOptions,
  WorkflowClient,
  type WorkflowClientOptions,
  WorkflowHandle,
  type WorkflowHandleWithFirstExecutionRunId,
  type UpdateWithStartOptions,
  type WorkflowHandleWithSignaledRunId,
  type WorkflowResultOptions,
  type WorkflowSignalWithStartOptions,
} from './client/workflow-client.ts';
export { type Definition } from './client/messages/message-options.ts';
export type { WorkflowExecutionDescription } from './client/run-handle.ts';
export type { ExportOptions, Lineage, LineageOptions } from './client/run-history.ts';
export { SystemClient } from './client/system-client.ts';
export type { PruneOptions, Retention } from '../runtime/core/recovery/retention.ts';
export type { PruneReport } from '../runtime/recovery/prune.ts';
export type { SystemCheckpoint, SystemCheckpointReport } from '../runtime/store/checkpoints/system-checkpoints.ts';
export type { VerbOutcome } from './client/recovery/run-verbs.ts';
export type { ActorOptions, RetryOptions, SkipOptions, VerbOptions } from './client/recovery/verb-options.ts';
export { type IdPolicyOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from './client/id-policies.ts';
export { QueryRejectCondition } from './client/messages/query-reject-condition.ts';
export type { WorkflowVersioningInfo } from './client/run-placement.ts';
export {
  type SetVersionOptions,
  WorkerDeploymentClient,
  type WorkerDeploymentDescription,
  type WorkerDeploymentSummary,
  type WorkerDeploymentVersionInfo,
  type WorkerDeploymentVersionStatus,
} from './client/worker-deployment-client.ts';
export {
  type GetWorkflowUpdateHandleOptions,
  type StartUpdateOptions,
  WorkflowUpdateHandle,
  type WorkflowUpdateOptions,
  WorkflowUpdateStage,
} from './client/messages/workflow-update.ts';
export type * from './workflow/workflow-types.ts';
export type {
  ActivityFunction,
  ActivityInterface,
  UntypedActivities,
} from '../runtime/activator/calls/activity-proxy.ts';
export type {
  QueryDefinition,
  SignalDefinition,
  UpdateDefinition,
} from '../runtime/activator/messages/message-definition.ts';
export { HandlerUnfinishedPolicy } from '../runtime/core/run/unfinished-policy.ts';
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
} from '../runtime/core/failure/failure.ts';
export { type RetryPolicy } from '../runtime/core/options/retry-options.ts';
export type { Difference, PairVerdict } from '../runtime/core/compare/align-items.ts';
export type { ItemKind, ItemOutcome } from '../runtime/core/compare/run-items.ts';
export type { HistoryRange, HistorySource } from '../runtime/core/log/history-source.ts';
export type { Effect } from '../runtime/core/recovery/effects.ts';
export type {
  ForkOptions,
  ForkPlace,
  ForkVerbOptions,
  RecoverOptions,
  ResetOptions,
  RollbackOptions,
} from './client/recovery/fork-options.ts';
export type { ForkOutcome, ForkPreview } from './client/recovery/run-forks.ts';
export type { LineSegment } from '../runtime/core/log/line.ts';
export type {
  ComparedItem,
  ComparedRun,
  DivergentValues,
  RunDiff,
  RunDiffItem,
} from '../runtime/replay/run-diff.ts';
export type { BundleLimits } from '../runtime/replay/run-bundle/bundle-scan.ts';
export type { ExportedRun } from '../runtime/replay/run-bundle/export-run.ts';
export { readRunBundle, RunBundle, type RunBundleOptions } from '../runtime/replay/run-bundle/run-bundle.ts';
export type { Verification } from '../runtime/replay/verify-source.ts';
export type { LineageRelation, LineageRun } from '../runtime/core/run/lineage-tree.ts';
export { ValueError } from '../runtime/core/failure/value-error.ts';
export type { InputOp as ContextOperation } from '../runtime/core/context/context-input.ts';
export type { AppliedPatch, PatchContextOptions } from './client/recovery/context-write.ts';
export type { LiveReplayOptions } from '../runtime/replay/live/live-options.ts';
export type { LiveEstimate } from '../runtime/replay/live/live-plan.ts';
export type { ActivityMatch, LiveReplayReport, PathDifference } from '../runtime/replay/live/live-report.ts';
export type { WhatIfReport, WhatIfRun, WhatIfVerdict } from '../runtime/replay/live/what-if-summary.ts';
export type { WhatIfOptions } from './client/what-if.ts';
export type { ReplayPoint } from '../runtime/replay/context/history-point.ts';
export type { FileReplayOptions, ReplayOptions } from '../runtime/replay/replay-options.ts';
export type { DivergenceGroup, GateReport } from '../runtime/replay/many/gate-report.ts';
export type { RunVerdict } from '../runtime/replay/many/replay-many.ts';
export type { MockedCall, ReplayCall, ReplayDivergence, ReplayMode, ReplayReport } from '../runtime/replay/report.ts';
export type { Authorship, BlameEntry, TimelineEntry } from '../runtime/replay/context/context-blame.ts';
export type { ContextDiff } from '../runtime/replay/context/context-diff.ts';
export type { PatchFilter, PatchRecord } from '../runtime/replay/context/context-patches.ts';
export type { ChainChoice, StatePoint } from '../runtime/replay/context/history-point.ts';
export type { CheckpointFault, CheckpointTrigger } from '../runtime/core/recovery/checkpoint.ts';
export type { CheckpointInfo } from '../runtime/store/checkpoints/checkpoints.ts';
export type { StateResult } from '../runtime/replay/context/state-at.ts';
export { type ErrorCode, IllegalStateError, RuntimeError } from '../runtime/core/failure/runtime-error.ts';
