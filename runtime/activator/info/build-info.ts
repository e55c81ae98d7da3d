// Builds the result of workflowInfo() from the run's start event and its turn.
import type { StartedMeta } from '../../core/run/start-meta.ts';
import { legacyAttributes, typedAttributes } from '../../core/options/attribute-values.ts';
import { nextCronTime } from '../../core/options/cron-schedule.ts';
import type { DeploymentMeta } from '../../core/run/deployment.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import { decodeFailure } from '../../core/failure/failure-info.ts';
import { decodePayload } from '../../core/payload/payload.ts';
import { retryPolicyOf } from '../../core/options/retry-options.ts';
import {
  changedProperties,
  noProperties,
  type PropertiesMeta,
  type RunProperties,
} from '../../core/run/run-properties.ts';
import type { OpenTurn } from '../run/open-turn.ts';
import { continueAsNewReasons } from './history-size.ts';
import { unsafeInfo } from './unsafe-info.ts';
import type { WorkflowInfo } from './workflow-info.ts';

export function startedProperties({ memo, searchAttributes, searchAttributeTypes }: StartedMeta): RunProperties {
  if (memo === undefined && searchAttributes === undefined) return noProperties;
  return { ...changedProperties(noProperties, { searchAttributes, searchAttributeTypes } as PropertiesMeta), memo };
}

const defaultTaskTimeoutMs = 10_000;

/** Built once per run, and again when its memo or search attributes change. */
export function createWorkflowInfo(
  run: { runId: string; turn: OpenTurn; deployment: DeploymentMeta | undefined },
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

/** The run's place in its chain: attempts, schedule, remaining time. */
type ChainInfo = Pick<
  WorkflowInfo,
  | 'executionExpirationTime'
  | 'retryPolicy'
  | 'cronSchedule'
  | 'cronScheduleToScheduleInterval'
  | 'lastResult'
  | 'lastFailure'
>;

function chainInfo({ at }: HistoryEvent, meta: StartedMeta): ChainInfo {
  const { retry, cron, lastResult, lastFailure, executionTimeoutMs } = meta;
  const expires =
    meta.executionDeadline ?? (executionTimeoutMs === undefined ? undefined : at + executionTimeoutMs * 1000);
  return {
    executionExpirationTime: expires === undefined ? undefined : new Date(Math.floor(expires / 1000)),
    retryPolicy: retry === undefined ? undefined : retryPolicyOf(retry),
    cronSchedule: cron,
    cronScheduleToScheduleInterval:
      cron === undefined ? undefined : intervalAt(cron, at / 1000 + (meta.backoffMs ?? 0)),
    lastResult: lastResult === undefined ? undefined : decodePayload(bytesOf(lastResult)),
    lastFailure: lastFailure === undefined ? undefined : decodeFailure(bytesOf(lastFailure)),
  };
}

function intervalAt(cron: string, dueMs: number): number | undefined {
  const next = nextCronTime(cron, dueMs);
  const afterNext = next === undefined ? undefined : nextCronTime(cron, next);
  return next === undefined || afterNext === undefined ? undefined : afterNext - next;
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}
