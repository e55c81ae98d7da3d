// Which runs a client does not want its queries answered for. Names: Temporal's.
import { RuntimeError } from '../runtime/history/runtime-error.ts';
import type { RunStatus } from '../runtime/history/transition.ts';
import { isClosed } from '../runtime/history/transition.ts';

export const QueryRejectCondition = {
  NONE: 'NONE',
  /** Runs that are closed. */
  NOT_OPEN: 'NOT_OPEN',
  /** Runs that are closed in any other way than by completing. */
  NOT_COMPLETED_CLEANLY: 'NOT_COMPLETED_CLEANLY',
} as const;
export type QueryRejectCondition = (typeof QueryRejectCondition)[keyof typeof QueryRejectCondition];

export function isRejected(condition: QueryRejectCondition, status: RunStatus): boolean {
  if (condition === QueryRejectCondition.NONE || !isClosed(status)) return false;
  return condition === QueryRejectCondition.NOT_OPEN || status !== 'completed';
}

/** @throws INVALID_INPUT */
export function checkRejectCondition(condition: string): void {
  if (Object.hasOwn(QueryRejectCondition, condition)) return;
  throw new RuntimeError(
    'INVALID_INPUT',
    `queryRejectCondition is ${JSON.stringify(condition)}, expected one of ${Object.keys(QueryRejectCondition).join(', ')}.`,
  );
}
