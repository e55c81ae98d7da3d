// reprise/workflow: the public names for workflow code. Names only; runtime/activator implements them.
export {
  type ActivityFunction,
  type ActivityFunctionWithOptions,
  type ActivityInterface,
  type ActivityInterfaceFor,
  type ActivityProxyOptions,
  type LocalActivityFunctionWithOptions,
  type LocalActivityInterfaceFor,
  type LocalActivityProxyOptions,
  NotAnActivityMethod,
  proxyActivities,
  proxyLocalActivities,
  scheduleActivity,
  scheduleLocalActivity,
  type UntypedActivities,
} from '../runtime/activator/calls/activity-proxy.ts';
export {
  ActivityCancellationType,
  type ActivityOptions,
  type LocalActivityOptions,
} from '../runtime/activator/calls/activity-options.ts';
export {
  ChildWorkflowCancellationType,
  type ChildWorkflowOptions,
  ParentClosePolicy,
} from '../runtime/activator/calls/child-options.ts';
export {
  type ChildWorkflowHandle,
  type ChildWorkflowStartOptions,
  executeChild,
  type ExternalWorkflowHandle,
  getExternalWorkflowHandle,
  startChild,
} from '../runtime/activator/calls/child-workflows.ts';
export { CancellationScope, type CancellationScopeOptions } from '../runtime/activator/scopes/cancellation-scope.ts';
export {
  ContinueAsNew,
  continueAsNew,
  type ContinueAsNewOptions,
  makeContinueAsNewFunc,
} from '../runtime/activator/calls/continue-as-new.ts';
export { condition } from '../runtime/activator/scopes/condition.ts';
export { inWorkflowContext, workflowInfo } from '../runtime/activator/run/current-run.ts';
export {
  type ContextOptions,
  defineContext,
  type WorkflowContext,
} from '../runtime/activator/context/define-context.ts';
export { type Duration } from '../runtime/core/options/duration.ts';
export { forEach, type ForEachOptions } from '../runtime/activator/scopes/for-each.ts';
export {
  allHandlersFinished,
  currentUpdateInfo,
  type QueryHandlerOptions,
  setDefaultQueryHandler,
  setDefaultSignalHandler,
  setDefaultUpdateHandler,
  setHandler,
  type SignalHandlerOptions,
  type UpdateHandlerOptions,
} from '../runtime/activator/messages/handlers.ts';
export { AsyncLocalStorage } from '../runtime/activator/globals/async-local-storage.ts';
export { log, type WorkflowLogger } from '../runtime/activator/run/log.ts';
export {
  defineQuery,
  defineSignal,
  defineUpdate,
  type QueryDefinition,
  type SignalDefinition,
  type UpdateDefinition,
} from '../runtime/activator/messages/message-definition.ts';
export {
  getRandomStream,
  uuid4,
  workflowRandom,
  type WorkflowRandomStream,
} from '../runtime/activator/determinism/random-streams.ts';
export { type RetryPolicy } from '../runtime/core/options/retry-options.ts';
export { ValueError } from '../runtime/core/failure/value-error.ts';
export { HandlerUnfinishedPolicy } from '../runtime/core/run/unfinished-policy.ts';
export { type UpdateInfo } from '../runtime/activator/messages/updates.ts';
export { type ContextSchema } from '../runtime/activator/context/context-schema.ts';
export { type Provenance } from '../runtime/core/context/provenance.ts';
export { sleep, type TimerOptions } from '../runtime/activator/scopes/sleep.ts';
export {
  getCurrentDetails,
  setCurrentDetails,
  upsertMemo,
  upsertSearchAttributes,
} from '../runtime/activator/info/upserts.ts';
export {
  enhancedStackTraceQuery,
  stackTraceQuery,
  workflowMetadataQuery,
  type WorkflowMetadata,
} from '../runtime/activator/messages/built-in-queries.ts';
export { Trigger } from '../runtime/activator/scopes/trigger.ts';
export { deprecatePatch, patched } from '../runtime/activator/determinism/patched.ts';
export { type UnsafeRandomSource, type UnsafeWorkflowInfo } from '../runtime/activator/info/unsafe-info.ts';
export {
  type ParentWorkflowInfo,
  type RootWorkflowInfo,
  type WorkflowInfo,
} from '../runtime/activator/info/workflow-info.ts';
export {
  defineWorkflowOptions,
  setWorkflowOptions,
  type WorkflowDefinitionOptions,
  type WorkflowDefinitionOptionsOrGetter,
} from '../runtime/activator/info/workflow-options.ts';
export {
  InitialVersioningBehavior,
  VersioningBehavior,
  type WorkerDeploymentVersion,
} from '../runtime/core/run/deployment.ts';
export type { CheckpointStrategy, CheckpointTail } from '../runtime/core/recovery/checkpoint-strategy.ts';
export { type ContextSource } from '../runtime/core/log/event.ts';
export type { SearchAttributes, SearchAttributeValue } from '../runtime/core/options/search-attributes.ts';
export {
  type EnhancedStackTrace,
  type StackTrace,
  type StackTraceFileLocation,
  type StackTraceFileSlice,
  type StackTraceSDKInfo,
} from '../runtime/core/run/stack-trace.ts';
export { DeterminismViolationError, IllegalStateError, WorkflowError } from '../runtime/core/failure/runtime-error.ts';
export {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  CompleteAsyncError,
  isCancellation,
  RetryState,
  rootCause,
  ServerFailure,
  TemporalFailure,
  TerminatedFailure,
  TimeoutFailure,
  TimeoutType,
  WorkflowExecutionAlreadyStartedError,
} from '../runtime/core/failure/failure.ts';
export { NamespaceNotFoundError, WorkflowNotFoundError } from './client/client-errors.ts';
export type { Workflow, WorkflowResultType } from './client/execution-info.ts';
export { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from './client/id-policies.ts';
export type * from './workflow/workflow-types.ts';
