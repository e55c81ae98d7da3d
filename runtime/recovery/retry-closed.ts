// Retry and skip of a run that an activity's failure has closed: where the fork begins, and what a person does about the
// failed activity.
import { RuntimeError } from '../core/failure/runtime-error.ts';
import { failurePoint } from '../core/recovery/failure-point.ts';
import type { AppliedToFailure } from '../core/recovery/fork-plan.ts';
import type { ForkPoints } from './fork-points.ts';

export interface RetryChoices {
  readonly verb: 'retry' | 'skip';
  /** Repeat what the run did after the failure. */
  readonly isForced: boolean;
  /** New arguments of a retry, or the result of a skip, encoded. */
  readonly payload?: Uint8Array | undefined;
}

/** @throws RuntimeError NOTHING_TO_RETRY, EFFECTS_AFTER, INVALID_INPUT */
export function beforeFailure(
  points: ForkPoints,
  { verb, isForced, payload }: RetryChoices,
): { readonly point: number; readonly applied?: AppliedToFailure } {
  const { end, failed, isActivity } = failurePoint(points.runId, points.log, { verb, isForced });
  const point = points.at(end - 1);
  if (!isActivity) {
    if (verb === 'retry' && payload === undefined) return { point };
    throw new RuntimeError(
      'INVALID_INPUT',
      `Run ${points.runId} failed with a child workflow, which can only be retried as it is. Use reset for anything else.`,
      { runId: points.runId },
    );
  }
  const hex = payload === undefined ? {} : { payload: Buffer.from(payload).toString('hex') };
  return { point, applied: { seq: failed, ...hex } };
}
