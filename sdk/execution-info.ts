// What is known of a run from outside: types of workflow functions, and the summary that list and describe give.
import { legacyAttributes, typedAttributes } from '../runtime/history/attribute-values.ts';
import type { SearchAttributes, TypedSearchAttributes } from '../runtime/history/search-attributes.ts';
import type { RunStatus } from '../runtime/history/transition.ts';
import type { RunRow } from '../runtime/store/runs.ts';

/** Any workflow function. */
export type Workflow = (...args: never[]) => Promise<unknown>;
export type WorkflowResultType<W extends Workflow> = Awaited<ReturnType<W>>;

export interface StatusName {
  readonly code: number;
  readonly name: string;
}

/** Temporal's codes and names; statuses of ours that it lacks follow from 100 on. */
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

export interface WorkflowExecutionInfo {
  readonly type: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly taskQueue: string;
  readonly status: StatusName;
  readonly startTime: Date;
  readonly closeTime: Date | undefined;
  readonly memo: Record<string, unknown> | undefined;
  /** By name, without their types. */
  readonly searchAttributes: SearchAttributes;
  readonly typedSearchAttributes: TypedSearchAttributes;
}

export function executionInfo(row: RunRow): WorkflowExecutionInfo {
  const attributes = {
    searchAttributes: row.search_attributes ?? {},
    searchAttributeTypes: row.search_attribute_types ?? {},
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
