// The public names for workflow code: `reprise/workflow`. Names only; what they do lives in runtime/activator.
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
} from '../runtime/activator/activity-proxy.ts';
export {
  ActivityCancellationType,
  type ActivityOptions,
  type LocalActivityOptions,
} from '../runtime/activator/activity-options.ts';
export {
  ChildWorkflowCancellationType,
  type ChildWorkflowOptions,
  ParentClosePolicy,
} from '../runtime/activator/child-options.ts';
export {
  type ChildWorkflowHandle,
  type ChildWorkflowStartOptions,
  executeChild,
  type ExternalWorkflowHandle,
  getExternalWorkflowHandle,
  startChild,
} from '../runtime/activator/child-workflows.ts';
export { CancellationScope, type CancellationScopeOptions } from '../runtime/activator/cancellation-scope.ts';
export {
  ContinueAsNew,
  continueAsNew,
  type ContinueAsNewOptions,
  makeContinueAsNewFunc,
} from '../runtime/activator/continue-as-new.ts';
export { condition } from '../runtime/activator/condition.ts';
export { inWorkflowContext } from '../runtime/activator/current-run.ts';
export { type ContextOptions, defineContext, type WorkflowContext } from '../runtime/activator/define-context.ts';
export { type Duration } from '../runtime/history/duration.ts';
export { forEach, type ForEachOptions } from '../runtime/activator/for-each.ts';
export {
  allHandlersFinished,
  type QueryHandlerOptions,
  setDefaultQueryHandler,
  setDefaultSignalHandler,
  setDefaultUpdateHandler,
  setHandler,
  type SignalHandlerOptions,
  type UpdateHandlerOptions,
} from '../runtime/activator/handlers.ts';
export { AsyncLocalStorage } from '../runtime/activator/host.ts';
export { log, type WorkflowLogger } from '../runtime/activator/log.ts';
export {
  defineQuery,
  defineSignal,
  defineUpdate,
  type QueryDefinition,
  type SignalDefinition,
  type UpdateDefinition,
} from '../runtime/activator/message-definition.ts';
export {
  getRandomStream,
  uuid4,
  workflowRandom,
  type WorkflowRandomStream,
} from '../runtime/activator/random-streams.ts';
export { type RetryPolicy } from '../runtime/history/retry-options.ts';
export { ValueError } from '../runtime/history/value-error.ts';
export { HandlerUnfinishedPolicy } from '../runtime/history/unfinished-policy.ts';
export { currentUpdateInfo, type UpdateInfo } from '../runtime/activator/updates.ts';
export { type ContextSchema, type Provenance } from '../runtime/activator/run-context.ts';
export { sleep, type TimerOptions } from '../runtime/activator/sleep.ts';
export { upsertMemo, upsertSearchAttributes } from '../runtime/activator/upserts.ts';
export { enhancedStackTraceQuery, stackTraceQuery } from '../runtime/activator/stack-trace-query.ts';
export { Trigger } from '../runtime/activator/trigger.ts';
export { deprecatePatch, patched } from '../runtime/activator/versions.ts';
export {
  getCurrentDetails,
  setCurrentDetails,
  workflowMetadataQuery,
  type WorkflowMetadata,
} from '../runtime/activator/workflow-metadata.ts';
export { type UnsafeRandomSource, type UnsafeWorkflowInfo } from '../runtime/activator/unsafe-info.ts';
export {
  type ParentWorkflowInfo,
  type RootWorkflowInfo,
  type WorkflowInfo,
  workflowInfo,
} from '../runtime/activator/workflow-info.ts';
export {
  defineWorkflowOptions,
  setWorkflowOptions,
  type WorkflowDefinitionOptions,
  type WorkflowDefinitionOptionsOrGetter,
} from '../runtime/activator/workflow-options.ts';
export {
  InitialVersioningBehavior,
  VersioningBehavior,
  type WorkerDeploymentVersion,
} from '../runtime/history/deployment.ts';
export { type ContextSource } from '../runtime/history/event.ts';
export type { SearchAttributes, SearchAttributeValue } from '../runtime/history/search-attributes.ts';
export {
  type EnhancedStackTrace,
  type StackTrace,
  type StackTraceFileLocation,
  type StackTraceFileSlice,
  type StackTraceSDKInfo,
} from '../runtime/history/stack-trace.ts';
export { DeterminismViolationError, IllegalStateError, WorkflowError } from '../runtime/history/runtime-error.ts';
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
} from '../runtime/history/failure.ts';
export { NamespaceNotFoundError, WorkflowNotFoundError } from './client-errors.ts';
export type { Workflow, WorkflowResultType } from './execution-info.ts';
export { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from './id-policies.ts';
export type * from './workflow-types.ts';
