// Errors thrown to callers: one class, with a code for each kind of error. failure.ts holds the failures that the log
// stores.
import { mark, markAs } from './marked-class.ts';

/** Every code that a caller can see. Codes change only in a major version. */
export const errorCodes = [
  'INVALID_INPUT',
  'NOT_SERIALISABLE',
  'PAYLOAD_TOO_LARGE',
  'CONTEXT_PATCH_INVALID',
  'CONTEXT_ALREADY_DEFINED',
  'CONTEXT_NOT_ATTACHED',
  'CONTEXT_VERSION_TOO_HIGH',
  'READ_ONLY',
  'DETERMINISM',
  'DEADLOCK',
  'BUNDLE_FAILED',
  'BUNDLE_INVALID',
  'BUNDLE_TOO_LARGE',
  'WORKFLOW_TYPE_NOT_FOUND',
  'WORKFLOW_ERROR',
  'RUN_NOT_FOUND',
  'RUN_ALREADY_STARTED',
  'RUN_BUSY',
  'UNSAFE_EFFECTS',
  'EFFECTS_AFTER',
  'NOTHING_TO_RETRY',
  'HISTORY_CONFLICT',
  'LEASE_LOST',
  'DATABASE_UNREACHABLE',
  'DATABASE_AUTH_FAILED',
  'POOLER_UNSUPPORTED',
  'UNSUPPORTED_DATABASE',
  'UNSUPPORTED_SCHEMA',
  'UNSUPPORTED_ENGINE',
  'ILLEGAL_STATE',
  'ASSERTION_FAILED',
  'RUN_QUARANTINED',
  'TIMEOUT',
  'CODE_NOT_RECORDED',
  'NOT_SUPPORTED',
  'PAYLOAD_UNREADABLE',
  'WORKFLOW_FAILED',
  'QUERY_NOT_REGISTERED',
  'UPDATE_FAILED',
  'QUERY_REJECTED',
  'CONTINUED_AS_NEW',
  'ACTIVITY_NOT_FOUND',
  'ACTIVITY_CANCELLED',
  'ACTIVITY_PAUSED',
  'ACTIVITY_NOT_COMPLETED',
  'ACTIVITY_FAILED',
  'ACTIVITY_ALREADY_STARTED',
  'STEP_NOT_FOUND',
  'CHECKPOINT_NOT_FOUND',
  'CHECKPOINT_EXISTS',
  'PRUNE_NOT_ALLOWED',
  'NOT_PAUSED',
  'NOTHING_TO_RETRY',
  'NOT_SKIPPABLE',
  'ATTEMPT_RUNNING',
  'ACTIVITY_ALREADY_ENDED',
  'RECOVERY_SUPERSEDED',
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/** The message says what happened (with ids), what was expected and what to do. `cause` is the lower-level error. */
export class RuntimeError extends Error {
  readonly code: ErrorCode;
  readonly runId: string | undefined;
  constructor(code: ErrorCode, message: string, options: { runId?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'RuntimeError';
    this.code = code;
    this.runId = options.runId;
  }
  static {
    mark(this, 'RuntimeError');
  }
}

/** The object is in the wrong state for the call: a workflow API outside of a run, a closed connection. */
export class IllegalStateError extends RuntimeError {
  constructor(message: string, options: { runId?: string; cause?: unknown } = {}) {
    super('ILLEGAL_STATE', message, options);
    this.name = 'IllegalStateError';
  }
  static {
    mark(this, 'IllegalStateError');
  }
}

/** Temporal's name for workflow code that breaks a rule. */
export class WorkflowError extends Error {
  static {
    mark(this, 'WorkflowError');
  }
}

/** Workflow code did something that a replay cannot repeat, or issued other commands than its history holds. */
export class DeterminismViolationError extends RuntimeError {
  constructor(message: string, options: { runId?: string; cause?: unknown } = {}) {
    super('DETERMINISM', message, options);
    this.name = 'DeterminismViolationError';
  }
  static {
    mark(this, 'DeterminismViolationError');
    markAs(this, 'WorkflowError');
  }
}

/**
 * Checks an assumption of the engine, in production too. A failed check stops only the run that it concerns.
 * @throws ASSERTION_FAILED
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new RuntimeError('ASSERTION_FAILED', `Assertion failed: ${message}`);
}

export function isAssertion(error: unknown): error is RuntimeError {
  return error instanceof RuntimeError && error.code === 'ASSERTION_FAILED';
}
