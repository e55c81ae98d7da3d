// Selects the runs for which a client's queries are refused. The names are Temporal's.
import { isClosed, type RunStatus } from '../../../runtime/core/log/transition.ts';

export const QueryRejectCondition = {
  NONE: 'NONE',
  /** Closed runs. */
  NOT_OPEN: 'NOT_OPEN',
  /** Closed runs that did not complete. */
  NOT_COMPLETED_CLEANLY: 'NOT_COMPLETED_CLEANLY',
  // Temporal's older names.
  QUERY_REJECT_CONDITION_NONE: 'NONE',
  QUERY_REJECT_CONDITION_NOT_OPEN: 'NOT_OPEN',
  QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY: 'NOT_COMPLETED_CLEANLY',
  QUERY_REJECT_CONDITION_UNSPECIFIED: undefined,
} as const;
export type QueryRejectCondition = NonNullable<(typeof QueryRejectCondition)[keyof typeof QueryRejectCondition]>;

export function isRejected(condition: QueryRejectCondition, status: RunStatus): boolean {
  if (condition === QueryRejectCondition.NONE || !isClosed(status)) return false;
  return condition === QueryRejectCondition.NOT_OPEN || status !== 'completed';
}
