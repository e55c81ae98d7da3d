// What workflow code may know about its run: the shape alone, which the run, its parts and the public names share.
import type { WorkerDeploymentVersion } from '../../core/run/deployment.ts';
import type { TemporalFailure } from '../../core/failure/failure.ts';
import type { RetryPolicy } from '../../core/options/retry-options.ts';
import type { SearchAttributes, TypedSearchAttributes } from '../../core/options/search-attributes.ts';
import type { SuggestContinueAsNewReason } from './history-size.ts';
import type { UnsafeWorkflowInfo } from './unsafe-info.ts';

export interface RootWorkflowInfo {
  readonly workflowId: string;
  readonly runId: string;
}

export interface ParentWorkflowInfo extends RootWorkflowInfo {
  readonly namespace: string;
}

export interface WorkflowInfo {
  readonly workflowId: string;
  readonly runId: string;
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly namespace: string;
  /** First run of the chain that this run belongs to. */
  readonly firstExecutionRunId: string;
  /** The run that continued as this one. */
  readonly continuedFromExecutionRunId: string | undefined;
  /** The run that started this one as its child. */
  readonly parent: ParentWorkflowInfo | undefined;
  /** The run at the top of the family; undefined for that run itself. */
  readonly root: RootWorkflowInfo | undefined;
  readonly attempt: number;
  readonly memo: Readonly<Record<string, unknown>> | undefined;
  /** By name, without their types. */
  readonly searchAttributes: SearchAttributes;
  readonly typedSearchAttributes: TypedSearchAttributes;
  /** Of the first run of the chain. */
  readonly startTime: Date;
  readonly runStartTime: Date;
  readonly executionTimeoutMs: number | undefined;
  readonly runTimeoutMs: number | undefined;
  /** As the start said, or Temporal's default; kept for the record. */
  readonly taskTimeoutMs: number;
  /** When the chain's execution timeout is over. */
  readonly executionExpirationTime: Date | undefined;
  readonly retryPolicy: RetryPolicy | undefined;
  readonly cronSchedule: string | undefined;
  /** ms between the next two times of the schedule; undefined without a schedule. */
  readonly cronScheduleToScheduleInterval: number | undefined;
  /** What the last completed run of a cron schedule returned. */
  readonly lastResult: unknown;
  /** What the run before failed with, when this one is its next attempt or time. */
  readonly lastFailure: TemporalFailure | undefined;
  /** Events so far; what this activation adds, and updates that came with it, are not counted. */
  readonly historyLength: number;
  /** Bytes of these events, about; arguments of activities are not counted. */
  readonly historySize: number;
  /** The history has become long: time to continue as new. */
  readonly continueAsNewSuggested: boolean;
  /** Why; undefined when it is not suggested. */
  readonly suggestedContinueAsNewReasons: readonly SuggestContinueAsNewReason[] | undefined;
  /** The build that completed, or completes, this task; undefined for a worker without one. Safe to decide by. */
  readonly currentDeploymentVersion: WorkerDeploymentVersion | undefined;
  /** Temporal's older name for its build id. */
  readonly currentBuildId: string | undefined;
  /** A pinned run would begin on another build by now: time to continue as new with `initialVersioningBehavior`. */
  readonly targetWorkerDeploymentVersionChanged: boolean;
  readonly unsafe: UnsafeWorkflowInfo;
}
