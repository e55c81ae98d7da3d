// What workflow code may know of its run.
import type { StartedMeta } from '../../core/run/start-meta.ts';
import { legacyAttributes, typedAttributes } from '../../core/options/attribute-values.ts';
import type { DeploymentMeta, WorkerDeploymentVersion } from '../../core/run/deployment.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import type { TemporalFailure } from '../../core/failure/failure.ts';
import type { RetryPolicy } from '../../core/options/retry-options.ts';
import type { RunProperties } from '../../core/run/run-properties.ts';
import type { SearchAttributes, TypedSearchAttributes } from '../../core/options/search-attributes.ts';
import { chainInfo } from './chain-info.ts';
import { continueAsNewReasons, type SuggestContinueAsNewReason } from '../calls/continue-as-new-hint.ts';
import { currentRun } from '../run/current-run.ts';
import type { Turn } from '../run/turn.ts';
import { type UnsafeWorkflowInfo, unsafeInfo } from './unsafe-info.ts';

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

const defaultTaskTimeoutMs = 10_000;

/** Of one run: built once, and again when its memo or search attributes change. */
export function createWorkflowInfo(
  run: { runId: string; turn: Turn; deployment: DeploymentMeta | undefined },
  started: HistoryEvent,
  meta: StartedMeta,
  properties: RunProperties,
): WorkflowInfo {
  const { turn } = run;
  return {
    workflowId: meta.workflowId,
    runId: run.runId,
    workflowType: started.name ?? '',
    taskQueue: meta.taskQueue,
    namespace: meta.namespace,
    firstExecutionRunId: meta.firstRunId ?? run.runId,
    continuedFromExecutionRunId: meta.continuedFrom,
    parent:
      meta.parent === undefined
        ? undefined
        : { workflowId: meta.parent.workflowId, runId: meta.parent.runId, namespace: meta.namespace },
    root: meta.root,
    attempt: meta.attempt ?? 1,
    memo: properties.memo,
    get searchAttributes() {
      return legacyAttributes(properties);
    },
    get typedSearchAttributes() {
      return typedAttributes(properties);
    },
    startTime: new Date(Math.floor((meta.chainStartedAt ?? started.at) / 1000)),
    runStartTime: new Date(Math.floor(started.at / 1000)),
    executionTimeoutMs: meta.executionTimeoutMs,
    runTimeoutMs: meta.runTimeoutMs,
    taskTimeoutMs: meta.taskTimeoutMs ?? defaultTaskTimeoutMs,
    ...chainInfo(started, meta),
    get historyLength() {
      return turn.historyLength;
    },
    get historySize() {
      return turn.historySize;
    },
    get continueAsNewSuggested() {
      return continueAsNewReasons(turn) !== undefined;
    },
    get suggestedContinueAsNewReasons() {
      return continueAsNewReasons(turn);
    },
    get currentDeploymentVersion() {
      const version = run.deployment?.version;
      return version && { buildId: version.buildId, deploymentName: version.deploymentName };
    },
    get currentBuildId() {
      return run.deployment?.version.buildId;
    },
    get targetWorkerDeploymentVersionChanged() {
      return run.deployment?.targetChanged ?? false;
    },
    unsafe: unsafeInfo(turn),
  };
}

/** @throws ILLEGAL_STATE outside workflow code. */
export function workflowInfo(): WorkflowInfo {
  return currentRun('workflowInfo').info;
}
