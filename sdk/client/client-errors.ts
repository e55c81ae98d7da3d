// Errors that client calls throw, named as in the Temporal SDK. Each has one of our error codes.
import type { RetryState } from '../../runtime/core/failure/failure.ts';
import type { StatusName } from './execution-info.ts';
import { mark } from '../../runtime/core/failure/marked-class.ts';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';

/** Thrown by `result()` when the run did not complete; `cause` says why. */
export class WorkflowFailedError extends Error {
  readonly code: 'WORKFLOW_FAILED' = 'WORKFLOW_FAILED';
  readonly retryState: RetryState | undefined;
  override readonly cause: Error | undefined;
  constructor(message: string, cause: Error | undefined, retryState?: RetryState) {
    super(message);
    this.name = 'WorkflowFailedError';
    this.cause = cause;
    this.retryState = retryState;
  }
  static {
    mark(this, 'WorkflowFailedError');
  }
}

/** The run does not exist, or it is closed and cannot receive the message. */
export class WorkflowNotFoundError extends RuntimeError {
  readonly workflowId: string;
  constructor(message: string, workflowId: string, runId?: string) {
    super('RUN_NOT_FOUND', message, runId === undefined ? {} : { runId });
    this.name = 'WorkflowNotFoundError';
    this.workflowId = workflowId;
  }

  /** @internal */
  static closed(workflowId: string, runId: string): WorkflowNotFoundError {
    const message = `workflow execution already completed: ${workflowId} (run ${runId}).`;
    return new WorkflowNotFoundError(message, workflowId, runId);
  }
  static {
    mark(this, 'WorkflowNotFoundError');
  }
}

/** An open run has the workflow id, or a closed run has it and the workflowIdReusePolicy does not allow another run. */
export class WorkflowExecutionAlreadyStartedError extends RuntimeError {
  readonly workflowId: string;
  readonly workflowType: string;
  constructor(workflowId: string, workflowType: string, by: 'open' | 'closed' = 'open') {
    const whose = by === 'open' ? 'an open run' : 'a closed run, and the workflowIdReusePolicy allows no other';
    super(
      'RUN_ALREADY_STARTED',
      `Workflow execution already started: workflow id "${workflowId}" belongs to ${whose}. Use another id, or getHandle() to reach that run.`,
    );
    this.name = 'WorkflowExecutionAlreadyStartedError';
    this.workflowId = workflowId;
    this.workflowType = workflowType;
  }
  static {
    mark(this, 'WorkflowExecutionAlreadyStartedError');
  }
}

/** The workflow has no handler for this query. */
export class QueryNotRegisteredError extends Error {
  readonly code: 'QUERY_NOT_REGISTERED' = 'QUERY_NOT_REGISTERED';
  constructor(message: string) {
    super(message);
    this.name = 'QueryNotRegisteredError';
  }
  static {
    mark(this, 'QueryNotRegisteredError');
  }
}

/** The update was rejected, or its handler failed; `cause` says why. */
export class WorkflowUpdateFailedError extends Error {
  readonly code: 'UPDATE_FAILED' = 'UPDATE_FAILED';
  override readonly cause: Error | undefined;
  constructor(message: string, cause: Error | undefined) {
    super(message);
    this.name = 'WorkflowUpdateFailedError';
    this.cause = cause;
  }
  static {
    mark(this, 'WorkflowUpdateFailedError');
  }
}

/**
 * The caller's deadline passed, or its signal aborted, before the update was answered. The update may still be handled.
 */
export class WorkflowUpdateRPCTimeoutOrCancelledError extends Error {
  readonly code: 'TIMEOUT' = 'TIMEOUT';
  constructor(message: string) {
    super(message);
    this.name = 'WorkflowUpdateRPCTimeoutOrCancelledError';
  }
  static {
    mark(this, 'WorkflowUpdateRPCTimeoutOrCancelledError');
  }
}

/** `queryRejectCondition` excludes the run's status. */
export class QueryRejectedError extends Error {
  readonly code: 'QUERY_REJECTED' = 'QUERY_REJECTED';
  readonly status: StatusName;
  constructor(status: StatusName) {
    super(`The query was rejected: the workflow is ${status.name}, which the client's queryRejectCondition excludes.`);
    this.name = 'QueryRejectedError';
    this.status = status;
  }
  static {
    mark(this, 'QueryRejectedError');
  }
}

/** Thrown by `result()` with `followRuns: false` when the run continued as new. */
export class WorkflowContinuedAsNewError extends Error {
  readonly code: 'CONTINUED_AS_NEW' = 'CONTINUED_AS_NEW';
  readonly newExecutionRunId: string;
  constructor(newExecutionRunId: string) {
    super('Workflow execution continued as new');
    this.name = 'WorkflowContinuedAsNewError';
    this.newExecutionRunId = newExecutionRunId;
  }
  static {
    mark(this, 'WorkflowContinuedAsNewError');
  }
}

/** The activity does not exist, has ended, or is at another attempt. */
export class ActivityNotFoundError extends RuntimeError {
  constructor(message: string) {
    super('ACTIVITY_NOT_FOUND', message);
    this.name = 'ActivityNotFoundError';
  }
  static {
    mark(this, 'ActivityNotFoundError');
  }
}

/** The activity's state does not allow the client's call. */
export class ActivityCompletionError extends RuntimeError {
  constructor(message: string) {
    super('ACTIVITY_NOT_COMPLETED', message);
    this.name = 'ActivityCompletionError';
  }
  static {
    mark(this, 'ActivityCompletionError');
  }
}

/** Thrown by `heartbeat` when the attempt must stop. */
export class ActivityCancelledError extends RuntimeError {
  constructor(message: string) {
    super('ACTIVITY_CANCELLED', message);
    this.name = 'ActivityCancelledError';
  }
  static {
    mark(this, 'ActivityCancelledError');
  }
}

/**
 * Thrown by `heartbeat` when the activity is paused. The attempt must stop, and another attempt starts after the pause.
 */
export class ActivityPausedError extends RuntimeError {
  constructor(message: string) {
    super('ACTIVITY_PAUSED', message);
    this.name = 'ActivityPausedError';
  }
  static {
    mark(this, 'ActivityPausedError');
  }
}

/** Thrown by `result()` when a standalone activity did not complete; `cause` says why. */
export class ActivityExecutionFailedError extends Error {
  readonly code: 'ACTIVITY_FAILED' = 'ACTIVITY_FAILED';
  override readonly cause: Error | undefined;
  readonly activityId: string;
  readonly runId: string | undefined;
  constructor(message: string, cause: Error | undefined, activityId: string, runId?: string) {
    super(message);
    this.name = 'ActivityExecutionFailedError';
    this.cause = cause;
    this.activityId = activityId;
    this.runId = runId;
  }
  static {
    mark(this, 'ActivityExecutionFailedError');
  }
}

/** An open activity has the id, or a closed activity has it and the idReusePolicy does not allow another activity. */
export class ActivityExecutionAlreadyStartedError extends Error {
  readonly code: 'ACTIVITY_ALREADY_STARTED' = 'ACTIVITY_ALREADY_STARTED';
  readonly activityId: string;
  /** Id of the run that has the activity id. */
  readonly runId: string;
  constructor(message: string, activityId: string, runId: string) {
    super(message);
    this.name = 'ActivityExecutionAlreadyStartedError';
    this.activityId = activityId;
    this.runId = runId;
  }
  static {
    mark(this, 'ActivityExecutionAlreadyStartedError');
  }
}

/**
 * Temporal's error for an unknown namespace. Never thrown here, because a namespace exists as soon as it contains
 * something.
 */
export class NamespaceNotFoundError extends Error {
  readonly namespace: string;
  constructor(namespace: string) {
    super(`Namespace not found: '${namespace}'`);
    this.namespace = namespace;
  }
  static {
    mark(this, 'NamespaceNotFoundError');
  }
}

/** What came before a verb that changed nothing: an event of the run's log. */
export interface RecoveryWinner {
  readonly seq: number;
  /** retry or skip; otherwise the type of the event that ended the activity. */
  readonly name: string;
  readonly actor: string | null;
  readonly reason: string | null;
}

/** Another verb, or the activity's outcome, came first. This verb has changed nothing. */
export class RecoverySupersededError extends RuntimeError {
  readonly winner: RecoveryWinner;
  constructor(verb: string, call: string, winner: RecoveryWinner, runId: string) {
    const { seq, name, actor, reason } = winner;
    const who = actor === null ? '' : ` by ${actor}`;
    const why = reason === null ? '' : ` (${reason})`;
    super(
      'RECOVERY_SUPERSEDED',
      `${verb} has changed nothing: seq ${seq} of run ${runId}, ${name}${who}${why}, came first for ${call}. Look at the run, and repeat the call if it is still needed.`,
      { runId },
    );
    this.name = 'RecoverySupersededError';
    this.winner = winner;
  }
  static {
    mark(this, 'RecoverySupersededError');
  }
}
