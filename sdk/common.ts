// The public names that all rooms share: `reprise/common`. Names only.
export {
  ActivityCancellationType,
  type ActivityOptions,
  type LocalActivityOptions,
} from '../runtime/activator/activity-options.ts';
export {
  type ActivityFunction,
  type ActivityInterface,
  type UntypedActivities,
} from '../runtime/activator/activity-proxy.ts';
export {
  ActivityCancellationDetails,
  type ActivityCancellationDetailsOptions,
} from '../runtime/history/cancellation-details.ts';
export { type Duration, type StringValue } from '../runtime/history/duration.ts';
export { SuggestContinueAsNewReason } from '../runtime/activator/continue-as-new-hint.ts';
export { HandlerUnfinishedPolicy } from '../runtime/history/unfinished-policy.ts';
export {
  type QueryDefinition,
  type SignalDefinition,
  type UpdateDefinition,
} from '../runtime/activator/message-definition.ts';
export {
  type WorkflowDefinitionOptions,
  type WorkflowDefinitionOptionsOrGetter,
} from '../runtime/activator/workflow-options.ts';
export { compileRetryPolicy, type RetryPolicy } from '../runtime/history/retry-options.ts';
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
} from '../runtime/history/failure.ts';
export {
  type AutoUpgradeVersioningOverride,
  InitialVersioningBehavior,
  type PinnedVersioningOverride,
  toCanonicalString,
  VersioningBehavior,
  VersioningIntent,
  type VersioningOverride,
  type WorkerDeploymentVersion,
} from '../runtime/history/deployment.ts';
export {
  defineSearchAttributeKey,
  type SearchAttributeKey,
  type SearchAttributePair,
  type SearchAttributes,
  SearchAttributeType,
  type SearchAttributeUpdatePair,
  type SearchAttributeValue,
  TypedSearchAttributes,
} from '../runtime/history/search-attributes.ts';
export { ValueError } from '../runtime/history/value-error.ts';
export { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from './id-policies.ts';
export { type ErrorCode, IllegalStateError, RuntimeError } from '../runtime/history/runtime-error.ts';
export { NamespaceNotFoundError, WorkflowNotFoundError } from './client-errors.ts';
export type { Workflow, WorkflowResultType } from './execution-info.ts';
export type * from './workflow-types.ts';
export type { HistoryAndWorkflowId } from './run-list.ts';
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
} from './deprecated-helpers.ts';
