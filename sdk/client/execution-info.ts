// A run as callers see it: types of workflow functions, and the summary in lists and descriptions.
import { changesName, legacyAttributes, typedAttributes } from '../../runtime/core/options/attribute-values.ts';
import {
  type SearchAttributes,
  SearchAttributeType,
  type TypedSearchAttributes,
} from '../../runtime/core/options/search-attributes.ts';
import type { RunStatus } from '../../runtime/core/log/transition.ts';
import type { RunLink } from '../../runtime/core/log/activation.ts';
import type { ListedRun } from '../../runtime/store/visibility/list-runs.ts';
import type { RunProblem } from '../../runtime/store/visibility/visibility-filter.ts';
import type { RunRow } from '../../runtime/store/runs/run-row.ts';

/** Any workflow function. */
export type Workflow = (...args: never[]) => Promise<unknown>;
export type WorkflowResultType<W extends Workflow> = Awaited<ReturnType<W>>;

export type WorkflowExecutionStatusName =
  | 'RUNNING'
  | 'COMPLETED'
  | 'FAILED'
  | 'CANCELLED'
  | 'TERMINATED'
  | 'CONTINUED_AS_NEW'
  | 'TIMED_OUT'
  | 'PAUSED'
  | 'ROLLED_BACK'
  | 'RECOVERED';

export interface StatusName {
  readonly code: number;
  readonly name: WorkflowExecutionStatusName;
}

/** Temporal's codes and names. Statuses that Temporal lacks have codes from 100. */
const statusNames: Record<RunStatus, StatusName> = {
  running: { code: 1, name: 'RUNNING' },
  completed: { code: 2, name: 'COMPLETED' },
  failed: { code: 3, name: 'FAILED' },
  cancelled: { code: 4, name: 'CANCELLED' },
  terminated: { code: 5, name: 'TERMINATED' },
  continued_as_new: { code: 6, name: 'CONTINUED_AS_NEW' },
  timed_out: { code: 7, name: 'TIMED_OUT' },
  paused: { code: 8, name: 'PAUSED' },
  rolled_back: { code: 100, name: 'ROLLED_BACK' },
  recovered: { code: 101, name: 'RECOVERED' },
};

/** The columns of a run's row. */
export interface RunInfo {
  readonly type: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly taskQueue: string;
  readonly status: StatusName;
  readonly startTime: Date;
  readonly closeTime: Date | undefined;
  readonly memo: Record<string, unknown> | undefined;
  /** Values by name, without types. */
  readonly searchAttributes: SearchAttributes;
  readonly typedSearchAttributes: TypedSearchAttributes;
}

export interface WorkflowExecutionInfo extends RunInfo {
  /** seq of the run's last event. */
  readonly historyLength: number;
  /** When the run's first task is due. Later than the start time if the run has a delay, a back-off or a schedule. */
  readonly executionTime: Date;
  /** The run that started this run as its child. */
  readonly parentExecution: RunLink | undefined;
  /** The root of the tree of parents and children. */
  readonly rootExecution: RunLink;
}

/** A run of a list. */
export interface ListedExecutionInfo extends WorkflowExecutionInfo {
  /** Why the open run does not go on. */
  readonly problem: RunProblem | undefined;
  /** The fork that goes on in place of this run. */
  readonly takenOverBy: string | undefined;
}

export function listedInfo(row: ListedRun): ListedExecutionInfo {
  const { workflow_id: workflowId, run_id: runId, start, history_length: historyLength } = row;
  const { parent } = start ?? {};
  return {
    ...executionInfo(row),
    historyLength,
    executionTime: new Date(row.started_at.getTime() + (start?.delayMs ?? 0)),
    parentExecution: parent ? { workflowId: parent.workflowId, runId: parent.runId } : undefined,
    rootExecution: start?.root ?? { workflowId, runId },
    problem: row.problem ?? undefined,
    takenOverBy: row.taken_over_by ?? undefined,
  };
}

/** `changes` (ids of `patched`) appear among the search attributes, as in Temporal, if there are any. */
export function executionInfo(row: RunRow, changes: readonly string[] = []): RunInfo {
  const { search_attributes: values, search_attribute_types: types } = row;
  const hasChanges = changes.length > 0;
  const attributes = {
    searchAttributes: { ...values, ...(hasChanges && { [changesName]: [...changes] }) },
    searchAttributeTypes: { ...types, ...(hasChanges && { [changesName]: SearchAttributeType.KEYWORD_LIST }) },
  };
  return {
    type: row.workflow_type,
    workflowId: row.workflow_id,
    runId: row.run_id,
    taskQueue: row.task_queue,
    status: statusNames[row.status],
    startTime: row.started_at,
    closeTime: row.closed_at ?? undefined,
    memo: row.memo ?? undefined,
    searchAttributes: legacyAttributes(attributes),
    typedSearchAttributes: typedAttributes(attributes),
  };
}
