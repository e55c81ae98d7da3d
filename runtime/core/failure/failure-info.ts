// Failures as plain data, the form in which they are stored and cross boundaries, and the conversion from and to
// classes.
import {
  ActivityFailure,
  ApplicationFailure,
  type ApplicationFailureCategory,
  CancelledFailure,
  ChildWorkflowFailure,
  ensureApplicationFailure,
  type RetryState,
  ServerFailure,
  TerminatedFailure,
  type TemporalFailure,
  TimeoutFailure,
  type TimeoutType,
  WorkflowExecutionAlreadyStartedError,
  withStack,
} from './failure.ts';
import { decodePayload, encodePayload } from '../payload/payload.ts';
import { RuntimeError } from './runtime-error.ts';

interface Described {
  message: string;
  stack?: string;
  cause?: FailureInfo;
}

/** Names and kinds are stored permanently. Absent optional parts mean the default. */
export type FailureInfo =
  | (Described & {
      kind: 'application';
      type?: string;
      nonRetryable?: boolean;
      details?: unknown[];
      nextRetryDelayMs?: number;
      category?: ApplicationFailureCategory;
    })
  | (Described & { kind: 'cancelled'; details?: unknown[] })
  | (Described & { kind: 'terminated' })
  | (Described & { kind: 'timeout'; timeoutType: TimeoutType; lastHeartbeatDetails?: unknown })
  | (Described & {
      kind: 'activity';
      activityType: string;
      activityId?: string;
      retryState: RetryState;
      identity?: string;
    })
  | (Described & {
      kind: 'child';
      workflowId: string;
      runId?: string;
      namespace?: string;
      workflowType: string;
      retryState: RetryState;
    })
  | (Described & { kind: 'server'; nonRetryable: boolean })
  | (Described & { kind: 'alreadyStarted'; workflowId: string; workflowType: string });

/** Maximum size of each stored message and stack, in bytes of UTF-8. */
const textBytesMax = 8192;
/** Maximum depth of causes. Deeper and cyclic chains are cut. */
const causesMax = 20;
const cutMark = ' … [cut]';
const cutMarkBytes = 11;

function capped(text: string): string {
  if (text.length * 3 <= textBytesMax) return text;
  const encoder = new TextEncoder();
  const room = new Uint8Array(textBytesMax);
  if (encoder.encodeInto(text, room).read === text.length) return text;
  // encodeInto stops before a character that does not fit, so no character is split.
  return text.slice(0, encoder.encodeInto(text, room.subarray(cutMarkBytes)).read) + cutMark;
}

function described(error: Error, causesLeft: number): Described {
  const { message, stack, cause } = error;
  return {
    message: capped(message),
    ...(stack ? { stack: capped(stack) } : {}),
    ...(cause === undefined || causesLeft === 0 ? {} : { cause: infoOf(cause, causesLeft - 1) }),
  };
}

function infoOf(thrown: unknown, causesLeft: number): FailureInfo {
  if (thrown instanceof CancelledFailure) {
    const { details } = thrown;
    return { kind: 'cancelled', ...described(thrown, causesLeft), ...(details.length === 0 ? {} : { details }) };
  }
  if (thrown instanceof TerminatedFailure) return { kind: 'terminated', ...described(thrown, causesLeft) };
  if (thrown instanceof TimeoutFailure) {
    const { timeoutType, lastHeartbeatDetails } = thrown;
    const heartbeat = lastHeartbeatDetails === undefined ? {} : { lastHeartbeatDetails };
    return { kind: 'timeout', ...described(thrown, causesLeft), timeoutType, ...heartbeat };
  }
  if (thrown instanceof ActivityFailure) {
    const { activityType, activityId, retryState, identity } = thrown;
    return {
      kind: 'activity',
      ...described(thrown, causesLeft),
      activityType,
      ...(activityId === undefined ? {} : { activityId }),
      retryState,
      ...(identity === undefined ? {} : { identity }),
    };
  }
  if (thrown instanceof ChildWorkflowFailure) {
    const { namespace, execution, workflowType, retryState } = thrown;
    return {
      kind: 'child',
      ...described(thrown, causesLeft),
      ...execution,
      ...(namespace === undefined ? {} : { namespace }),
      workflowType,
      retryState,
    };
  }
  if (thrown instanceof ServerFailure) {
    return { kind: 'server', ...described(thrown, causesLeft), nonRetryable: thrown.nonRetryable };
  }
  if (thrown instanceof WorkflowExecutionAlreadyStartedError) {
    const { workflowId, workflowType } = thrown;
    return { kind: 'alreadyStarted', ...described(thrown, causesLeft), workflowId, workflowType };
  }
  const failure = ensureApplicationFailure(thrown);
  const { type, nonRetryable, details, nextRetryDelay, category } = failure;
  return {
    kind: 'application',
    ...described(failure, causesLeft),
    ...(type === undefined ? {} : { type }),
    ...(nonRetryable ? { nonRetryable } : {}),
    ...(details.length === 0 ? {} : { details }),
    ...(nextRetryDelay === undefined ? {} : { nextRetryDelayMs: nextRetryDelay }),
    ...(category === undefined ? {} : { category }),
  };
}

/**
 * Any thrown value as plain data. A value that is not one of our failures is wrapped as in `ensureApplicationFailure`.
 */
export function failureInfo(thrown: unknown): FailureInfo {
  return infoOf(thrown, causesMax);
}

function instantiate(info: FailureInfo): TemporalFailure {
  const cause = info.cause === undefined ? undefined : failureFromInfo(info.cause);
  const { message } = info;
  switch (info.kind) {
    case 'application': {
      const { type, nonRetryable, details, nextRetryDelayMs, category } = info;
      return new ApplicationFailure(message, type, nonRetryable, details, cause, nextRetryDelayMs, category);
    }
    case 'cancelled':
      return new CancelledFailure(message, info.details, cause);
    case 'terminated':
      return new TerminatedFailure(message, cause);
    case 'timeout':
      return new TimeoutFailure(message, info.lastHeartbeatDetails, info.timeoutType, cause);
    case 'activity': {
      const { activityType, activityId, retryState, identity } = info;
      return new ActivityFailure(message, activityType, activityId, retryState, identity, cause);
    }
    case 'child': {
      const { namespace, workflowId, runId, workflowType, retryState } = info;
      const execution = runId === undefined ? { workflowId } : { workflowId, runId };
      return new ChildWorkflowFailure(namespace, execution, workflowType, retryState, cause);
    }
    case 'server':
      return new ServerFailure(message, info.nonRetryable, cause);
    case 'alreadyStarted':
      return new WorkflowExecutionAlreadyStartedError(message, info.workflowId, info.workflowType);
    default: {
      const { kind } = info satisfies never as { kind: unknown };
      throw new RuntimeError(
        'PAYLOAD_UNREADABLE',
        `Failure of kind ${JSON.stringify(kind)} is unknown to this version of reprise. Upgrade the process that reads it.`,
      );
    }
  }
}

export function failureFromInfo(info: FailureInfo): TemporalFailure {
  return withStack(instantiate(info), info.stack);
}

/** If details cannot be encoded, a text that says so replaces them, so that every failure can be stored. */
function storable(value: unknown): unknown {
  try {
    encodePayload(value);
    return value;
  } catch (error) {
    return `[not serialisable: ${error instanceof Error ? error.message : 'unknown reason'}]`;
  }
}

function storableInfo(info: FailureInfo): FailureInfo {
  const safe = { ...info };
  if (safe.cause !== undefined) safe.cause = storableInfo(safe.cause);
  if ('details' in safe && safe.details !== undefined) safe.details = safe.details.map(storable);
  if ('lastHeartbeatDetails' in safe) safe.lastHeartbeatDetails = storable(safe.lastHeartbeatDetails);
  return safe;
}

/** A payload that holds a FailureInfo. Never throws, whatever was thrown. */
export function encodeFailure(thrown: unknown): Uint8Array {
  const info = failureInfo(thrown);
  try {
    return encodePayload(info);
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    return encodePayload(storableInfo(info));
  }
}

/** @throws PAYLOAD_UNREADABLE */
export function decodeFailureInfo(bytes: Uint8Array): FailureInfo {
  const info = decodePayload(bytes);
  if (typeof info !== 'object' || info === null || !('kind' in info)) {
    throw new RuntimeError('PAYLOAD_UNREADABLE', `Payload of ${bytes.length} bytes is not a failure: it has no kind.`);
  }
  return info as FailureInfo;
}

/** @throws PAYLOAD_UNREADABLE */
export function decodeFailure(bytes: Uint8Array): TemporalFailure {
  return failureFromInfo(decodeFailureInfo(bytes));
}
