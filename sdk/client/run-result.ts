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
  if (outcome.type !== 'WorkflowCompleted') throw runFailure(outcome);
  return outcome.payload === null ? undefined : decodePayload(outcome.payload);
}

/** What `result()` throws for a run that did not complete. Its cause says why. */
export function runFailure(outcome: ClosedOutcome): WorkflowFailedError {
  const retryState = outcome.retryState as RetryState | undefined;
  switch (outcome.type) {
    case 'WorkflowFailed':
      return new WorkflowFailedError(
        'Workflow execution failed',
        outcome.payload === null ? undefined : decodeFailure(outcome.payload),
        retryState ?? RetryState.RETRY_POLICY_NOT_SET,
      );
    case 'WorkflowCancelled':
      return new WorkflowFailedError(
        'Workflow execution cancelled',
        outcome.payload === null
          ? new CancelledFailure('Workflow execution cancelled')
          : decodeFailure(outcome.payload),
        RetryState.NON_RETRYABLE_FAILURE,
      );
    case 'WorkflowTerminated': {
      const message = outcome.reason || 'Workflow execution terminated';
      return new WorkflowFailedError(message, new TerminatedFailure(message), RetryState.NON_RETRYABLE_FAILURE);
    }
    case 'WorkflowRolledBack':
    case 'WorkflowRecovered': {
      const how = outcome.type === 'WorkflowRecovered' ? 'recovered' : 'rolled back';
      const message = `Workflow execution ${how}: run ${outcome.next ?? ''} goes on in its place`;
      return new WorkflowFailedError(message, new TerminatedFailure(message), RetryState.NON_RETRYABLE_FAILURE);
    }
    default: {
      const message = 'Workflow execution timed out';
      const cause = new TimeoutFailure(message, undefined, TimeoutType.START_TO_CLOSE);
      return new WorkflowFailedError(message, cause, retryState ?? RetryState.TIMEOUT);
    }
  }
}
