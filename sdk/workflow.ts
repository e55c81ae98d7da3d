// The public names for workflow code: `reprise/workflow`. Names only; what they do lives in runtime/activator.
export {
  type ActivityFunction,
  type ActivityFunctionWithOptions,
  type ActivityInterfaceFor,
  proxyActivities,
  type UntypedActivities,
} from '../runtime/activator/activity-proxy.ts';
export { ActivityCancellationType, type ActivityOptions } from '../runtime/activator/activity-options.ts';
export { CancellationScope, type CancellationScopeOptions } from '../runtime/activator/cancellation-scope.ts';
export { condition } from '../runtime/activator/condition.ts';
export { inWorkflowContext } from '../runtime/activator/current-run.ts';
export { type ContextOptions, defineContext, type WorkflowContext } from '../runtime/activator/define-context.ts';
export { type Duration } from '../runtime/activator/duration.ts';
export { forEach, type ForEachOptions } from '../runtime/activator/for-each.ts';
export { setDefaultQueryHandler, setDefaultSignalHandler, setHandler } from '../runtime/activator/handlers.ts';
export { AsyncLocalStorage } from '../runtime/activator/host.ts';
export { log, type WorkflowLogger } from '../runtime/activator/log.ts';
export {
  defineQuery,
  defineSignal,
  type QueryDefinition,
  type SignalDefinition,
} from '../runtime/activator/message-definition.ts';
export { uuid4 } from '../runtime/activator/random.ts';
export { type RetryPolicy } from '../runtime/activator/retry-options.ts';
export { type ContextSchema, type Provenance } from '../runtime/activator/run-context.ts';
export { sleep, type TimerOptions } from '../runtime/activator/sleep.ts';
export { Trigger } from '../runtime/activator/trigger.ts';
export { type UnsafeWorkflowInfo, type WorkflowInfo, workflowInfo } from '../runtime/activator/workflow-info.ts';
export { type ContextSource } from '../runtime/history/event.ts';
export {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  isCancellation,
  RetryState,
  rootCause,
  ServerFailure,
  TemporalFailure,
  TerminatedFailure,
  TimeoutFailure,
  TimeoutType,
} from '../runtime/history/failure.ts';
