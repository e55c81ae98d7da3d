// Which runs a client does not want its queries answered for. Names: Temporal's.
import { isClosed, type RunStatus } from '../../runtime/core/log/transition.ts';

export const QueryRejectCondition = {
  NONE: 'NONE',
  /** Runs that are closed. */
  NOT_OPEN: 'NOT_OPEN',
  /** Runs that are closed in any other way than by completing. */
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
