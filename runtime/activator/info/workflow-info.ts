// The shape of workflowInfo(), the facts that workflow code may read about its run. Types only; the run, its parts and
// the public API share them.
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
  /** Start time of the first run of the chain. */
  readonly startTime: Date;
  readonly runStartTime: Date;
  readonly executionTimeoutMs: number | undefined;
  readonly runTimeoutMs: number | undefined;
  /** From the run's start, else Temporal's default. Recorded without effect. */
  readonly taskTimeoutMs: number;
  readonly executionExpirationTime: Date | undefined;
  readonly retryPolicy: RetryPolicy | undefined;
  readonly cronSchedule: string | undefined;
  /** ms between the next two due times of the schedule; undefined without a schedule. */
  readonly cronScheduleToScheduleInterval: number | undefined;
  /** Result of the last completed run of a cron schedule. */
  readonly lastResult: unknown;
  /** Failure of the previous run, when this run is its retry or the next of its schedule. */
  readonly lastFailure: TemporalFailure | undefined;
  /** Number of events so far. Excludes what this activation adds and the updates that came with it. */
  readonly historyLength: number;
  /** Approximate size of these events in bytes. Excludes arguments of activities. */
  readonly historySize: number;
  /** The history is long: the run should continue as new. */
  readonly continueAsNewSuggested: boolean;
  /** The reasons for the suggestion; undefined when there is none. */
  readonly suggestedContinueAsNewReasons: readonly SuggestContinueAsNewReason[] | undefined;
  /**
   * The build that completed this task, or is executing it; undefined for an unversioned worker.
   * Workflow code may base decisions on it.
   */
  readonly currentDeploymentVersion: WorkerDeploymentVersion | undefined;
  /** Temporal's older name for the build id. */
  readonly currentBuildId: string | undefined;
  /**
   * A new run would now begin on another build than this pinned run: continue as new with `initialVersioningBehavior`.
   */
  readonly targetWorkerDeploymentVersionChanged: boolean;
  readonly unsafe: UnsafeWorkflowInfo;
}
