// reprise/common: the public names that workflows, activities, clients and workers share. Names only.
export {
  ActivityCancellationType,
  type ActivityOptions,
  type LocalActivityOptions,
} from '../runtime/activator/calls/activity-options.ts';
export {
  type ActivityFunction,
  type ActivityInterface,
  type UntypedActivities,
} from '../runtime/activator/calls/activity-proxy.ts';
export {
  ActivityCancellationDetails,
  type ActivityCancellationDetailsOptions,
} from '../runtime/core/activity/cancellation-details.ts';
export { type Duration, type StringValue } from '../runtime/core/options/duration.ts';
export { SuggestContinueAsNewReason } from '../runtime/activator/info/history-size.ts';
export { HandlerUnfinishedPolicy } from '../runtime/core/run/unfinished-policy.ts';
export {
  type QueryDefinition,
  type SignalDefinition,
  type UpdateDefinition,
} from '../runtime/activator/messages/message-definition.ts';
export {
  type WorkflowDefinitionOptions,
  type WorkflowDefinitionOptionsOrGetter,
} from '../runtime/activator/info/workflow-options.ts';
export { compileRetryPolicy, type RetryPolicy } from '../runtime/core/options/retry-options.ts';
export {
  ActivityFailure,
  ApplicationFailure,
  ApplicationFailureCategory,
  type ApplicationFailureOptions,
  CancelledFailure,
  ChildWorkflowFailure,
  CompleteAsyncError,
  ensureApplicationFailure,
  ensureTemporalFailure,
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
export {
  type AutoUpgradeVersioningOverride,
  InitialVersioningBehavior,
  type PinnedVersioningOverride,
  toCanonicalString,
  VersioningBehavior,
  VersioningIntent,
  type VersioningOverride,
  type WorkerDeploymentVersion,
} from '../runtime/core/run/deployment.ts';
export {
  defineSearchAttributeKey,
  type SearchAttributeKey,
  type SearchAttributePair,
  type SearchAttributes,
  SearchAttributeType,
  type SearchAttributeUpdatePair,
  type SearchAttributeValue,
  TypedSearchAttributes,
} from '../runtime/core/options/search-attributes.ts';
export { ValueError } from '../runtime/core/failure/value-error.ts';
export { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from './client/id-policies.ts';
export { type ErrorCode, IllegalStateError, RuntimeError } from '../runtime/core/failure/runtime-error.ts';
export { NamespaceNotFoundError, WorkflowNotFoundError } from './client/client-errors.ts';
export type { Workflow, WorkflowResultType } from './client/execution-info.ts';
export type * from './workflow/workflow-types.ts';
export type { HistoryAndWorkflowId } from './client/run-list.ts';
export {
  errorCode,
  errorMessage,
  msNumberToTs,
  msOptionalToNumber,
  msOptionalToTs,
  msToNumber,
  msToTs,
  optionalTsToDate,
  optionalTsToMs,
  str,
  type Timestamp,
  tsToDate,
  tsToMs,
  u8,
} from './common/deprecated-helpers.ts';
