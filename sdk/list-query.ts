// The filter of `list`: equalities joined by AND, in the words of Temporal's visibility queries.
import { RuntimeError } from '../runtime/history/runtime-error.ts';
import type { RunStatus } from '../runtime/history/transition.ts';
import type { RunFilter } from '../runtime/store/list-runs.ts';

const fields = {
  WorkflowId: 'workflowId',
  WorkflowType: 'workflowType',
  TaskQueue: 'taskQueue',
  ExecutionStatus: 'status',
} as const;
const statuses: Record<string, RunStatus> = {
  running: 'running',
  paused: 'paused',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  canceled: 'cancelled',
  terminated: 'terminated',
  timedout: 'timed_out',
  continuedasnew: 'continued_as_new',
};

/** @throws INVALID_INPUT naming the part that cannot be read */
export function parseListQuery(query: string | undefined): Omit<RunFilter, 'namespace'> {
  const filter: { -readonly [key in keyof RunFilter]?: RunFilter[key] } = {};
  if (query === undefined || query.trim() === '') return filter;
  for (const part of query.split(/\s+and\s+/i)) {
    const match = /^\s*(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)')\s*$/.exec(part);
    const field = fields[(match?.[1] ?? '') as keyof typeof fields] as (typeof fields)[keyof typeof fields] | undefined;
    const value = match?.[2] ?? match?.[3];
    if (field === undefined || value === undefined) throw unreadable(part);
    if (field === 'status') {
      const status = statuses[value.replaceAll(/[_ ]/g, '').toLowerCase()];
      if (status === undefined) throw unreadable(part);
      filter.status = status;
    } else filter[field] = value;
  }
  return filter;
}

function unreadable(part: string): RuntimeError {
  return new RuntimeError(
    'INVALID_INPUT',
    `The list query cannot be read at "${part.trim()}": expected ${Object.keys(fields).join(', ')} = 'value', joined by AND.`,
  );
}
