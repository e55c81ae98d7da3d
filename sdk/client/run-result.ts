// Converts the outcome of a run into what `result()` returns or throws.
import { decodeFailure } from '../../runtime/core/failure/failure-info.ts';
import {
  CancelledFailure,
  RetryState,
  TerminatedFailure,
  TimeoutFailure,
  TimeoutType,
} from '../../runtime/core/failure/failure.ts';
import { decodePayload } from '../../runtime/core/payload/payload.ts';
import type { ClosedOutcome } from '../../runtime/store/sql/database.ts';
import { WorkflowFailedError } from './client-errors.ts';

/** Returns or throws what the run's closing event says. @throws WorkflowFailedError */
export function runResult(outcome: ClosedOutcome): unknown {
  const retryState = outcome.retryState as RetryState | undefined;
  switch (outcome.type) {
    case 'WorkflowCompleted':
      return outcome.payload === null ? undefined : decodePayload(outcome.payload);
    case 'WorkflowFailed':
      throw new WorkflowFailedError(
        'Workflow execution failed',
        outcome.payload === null ? undefined : decodeFailure(outcome.payload),
        retryState ?? RetryState.RETRY_POLICY_NOT_SET,
      );
    case 'WorkflowCancelled':
      throw new WorkflowFailedError(
        'Workflow execution cancelled',
        outcome.payload === null
          ? new CancelledFailure('Workflow execution cancelled')
          : decodeFailure(outcome.payload),
        RetryState.NON_RETRYABLE_FAILURE,
      );
    case 'WorkflowTerminated': {
      const message = outcome.reason || 'Workflow execution terminated';
      throw new WorkflowFailedError(message, new TerminatedFailure(message), RetryState.NON_RETRYABLE_FAILURE);
    }
    default: {
      const message = 'Workflow execution timed out';
      const cause = new TimeoutFailure(message, undefined, TimeoutType.START_TO_CLOSE);
      throw new WorkflowFailedError(message, cause, retryState ?? RetryState.TIMEOUT);
    }
  }
}
