// Temporal's failure classes, as views of plain data (failure-info.ts). The classes are marked with symbols that all
// copies of this module share, so `instanceof` holds between sandbox and host. Classes and helpers only; stores
// nothing.
// Source: Temporal TypeScript SDK, @temporalio/common failure classes.
import ms from 'ms';
import { mark } from './marked-class.ts';

export const RetryState = {
  IN_PROGRESS: 'IN_PROGRESS',
  NON_RETRYABLE_FAILURE: 'NON_RETRYABLE_FAILURE',
  TIMEOUT: 'TIMEOUT',
  MAXIMUM_ATTEMPTS_REACHED: 'MAXIMUM_ATTEMPTS_REACHED',
  RETRY_POLICY_NOT_SET: 'RETRY_POLICY_NOT_SET',
  INTERNAL_SERVER_ERROR: 'INTERNAL_SERVER_ERROR',
  CANCEL_REQUESTED: 'CANCEL_REQUESTED',
} as const;
export type RetryState = (typeof RetryState)[keyof typeof RetryState];

export const TimeoutType = {
  START_TO_CLOSE: 'START_TO_CLOSE',
  SCHEDULE_TO_START: 'SCHEDULE_TO_START',
  SCHEDULE_TO_CLOSE: 'SCHEDULE_TO_CLOSE',
  HEARTBEAT: 'HEARTBEAT',
} as const;
export type TimeoutType = (typeof TimeoutType)[keyof typeof TimeoutType];

export const ApplicationFailureCategory = { BENIGN: 'BENIGN' } as const;
export type ApplicationFailureCategory = (typeof ApplicationFailureCategory)[keyof typeof ApplicationFailureCategory];

function errorOptions(cause: Error | null | undefined): ErrorOptions | undefined {
  return cause === undefined || cause === null ? undefined : { cause };
}

/** Base class of everything that is stored as a failure and may fail a run. */
export class TemporalFailure extends Error {
  declare readonly cause?: Error;
  constructor(message?: string | null, cause?: Error | null) {
    super(message ?? undefined, errorOptions(cause));
  }
  static {
    mark(this, 'TemporalFailure');
  }
}

/** Milliseconds, or a text that the package `ms` reads: '10s'. */
export type DelayInput = number | string;

/** @throws TypeError for a text that is not a duration, and for a negative or infinite delay. */
function delayMs(delay: DelayInput): number {
  const value: unknown = typeof delay === 'number' ? delay : delay === '' ? undefined : ms(delay as ms.StringValue);
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw new TypeError(
      `Invalid nextRetryDelay ${JSON.stringify(delay)}: expected milliseconds >= 0 or a text such as '10s'`,
    );
  }
  return value;
}

export interface ApplicationFailureOptions {
  readonly message?: string;
  readonly type?: string;
  readonly nonRetryable?: boolean;
  readonly details?: unknown[];
  readonly nextRetryDelay?: DelayInput;
  readonly cause?: Error;
  readonly category?: ApplicationFailureCategory;
}

/** The failure that user code throws. */
export class ApplicationFailure extends TemporalFailure {
  readonly type: string | undefined;
  readonly nonRetryable: boolean;
  readonly details: unknown[];
  /** Milliseconds until the next attempt. Overrides the retry policy. */
  readonly nextRetryDelay: number | undefined;
  readonly category: ApplicationFailureCategory | undefined;
  constructor(
    message?: string | null,
    type?: string | null,
    nonRetryable?: boolean | null,
    details?: unknown[] | null,
    cause?: Error | null,
    nextRetryDelay?: DelayInput | null,
    category?: ApplicationFailureCategory | null,
  ) {
    super(message, cause);
    this.type = type ?? undefined;
    this.nonRetryable = nonRetryable ?? false;
    this.details = details ?? [];
    this.nextRetryDelay = nextRetryDelay === undefined || nextRetryDelay === null ? undefined : delayMs(nextRetryDelay);
    this.category = category ?? undefined;
  }

  static create(options: ApplicationFailureOptions): ApplicationFailure {
    const { message, type, nonRetryable, details, cause, nextRetryDelay, category } = options;
    return new ApplicationFailure(message, type, nonRetryable, details, cause, nextRetryDelay, category);
  }

  /** Wraps `error` as `ensureApplicationFailure` does, with fields overridden. */
  static fromError(error: unknown, overrides: ApplicationFailureOptions = {}): ApplicationFailure {
    const made = ensureApplicationFailure(error);
    const { message, type, nonRetryable, details, cause, nextRetryDelay, category } = made;
    const base = { message, nonRetryable, details };
    const failure = ApplicationFailure.create({
      ...base,
      ...(type === undefined ? {} : { type }),
      ...(cause === undefined ? {} : { cause }),
      ...(nextRetryDelay === undefined ? {} : { nextRetryDelay }),
      ...(category === undefined ? {} : { category }),
      ...overrides,
    });
    return withStack(failure, made.stack);
  }

  static retryable(message?: string | null, type?: string | null, ...details: unknown[]): ApplicationFailure {
    return new ApplicationFailure(message, type, false, details);
  }

  static nonRetryable(message?: string | null, type?: string | null, ...details: unknown[]): ApplicationFailure {
    return new ApplicationFailure(message, type, true, details);
  }

  static {
    mark(this, 'ApplicationFailure');
  }
}

export class CancelledFailure extends TemporalFailure {
  readonly details: unknown[];
  constructor(message?: string | null, details: unknown[] = [], cause?: Error | null) {
    super(message, cause);
    this.details = details;
  }
  static {
    mark(this, 'CancelledFailure');
  }
}

export class TerminatedFailure extends TemporalFailure {
  static {
    mark(this, 'TerminatedFailure');
  }
}

export class TimeoutFailure extends TemporalFailure {
  readonly lastHeartbeatDetails: unknown;
  readonly timeoutType: TimeoutType;
  constructor(
    message: string | null | undefined,
    lastHeartbeatDetails: unknown,
    timeoutType: TimeoutType,
    cause?: Error | null,
  ) {
    super(message, cause);
    this.lastHeartbeatDetails = lastHeartbeatDetails;
    this.timeoutType = timeoutType;
  }
  static {
    mark(this, 'TimeoutFailure');
  }
}

/** The error that workflow code gets for a failed activity. `cause` is the activity's own failure. */
export class ActivityFailure extends TemporalFailure {
  readonly activityType: string;
  readonly activityId: string | undefined;
  readonly retryState: RetryState;
  readonly identity: string | undefined;
  constructor(
    message: string | null | undefined,
    activityType: string,
    activityId: string | undefined,
    retryState: RetryState,
    identity: string | undefined,
    cause?: Error | null,
  ) {
    super(message, cause);
    this.activityType = activityType;
    this.activityId = activityId;
    this.retryState = retryState;
    this.identity = identity;
  }
  static {
    mark(this, 'ActivityFailure');
  }
}

export class ChildWorkflowFailure extends TemporalFailure {
  readonly namespace: string | undefined;
  readonly execution: { readonly workflowId: string; readonly runId?: string };
  readonly workflowType: string;
  readonly retryState: RetryState;
  constructor(
    namespace: string | undefined,
    execution: { readonly workflowId: string; readonly runId?: string },
    workflowType: string,
    retryState: RetryState,
    cause?: Error | null,
  ) {
    super('Child Workflow execution failed', cause);
    this.namespace = namespace;
    this.execution = execution;
    this.workflowType = workflowType;
    this.retryState = retryState;
  }
  static {
    mark(this, 'ChildWorkflowFailure');
  }
}

export class ServerFailure extends TemporalFailure {
  readonly nonRetryable: boolean;
  constructor(message: string | null | undefined, nonRetryable: boolean, cause?: Error | null) {
    super(message, cause);
    this.nonRetryable = nonRetryable;
  }
  static {
    mark(this, 'ServerFailure');
  }
}

/** Thrown when a client starts a workflow, or a workflow starts a child, with a workflow id that is in use. */
export class WorkflowExecutionAlreadyStartedError extends TemporalFailure {
  readonly workflowId: string;
  readonly workflowType: string;
  constructor(message: string | null | undefined, workflowId: string, workflowType: string) {
    super(message);
    this.workflowId = workflowId;
    this.workflowType = workflowType;
  }
  static {
    mark(this, 'WorkflowExecutionAlreadyStartedError');
  }
}

const notAnError =
  ' [A non-Error value was thrown from your code. We recommend throwing Error objects so that we can provide a stack trace]';

/** String(value), also for values that cannot be converted to text. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return `[${typeof value} without a text]`;
  }
}

/** A property of a thrown value; undefined when its getter throws, because a failure must always be describable. */
function propertyOf(value: object, key: 'message' | 'stack' | 'cause' | 'name' | 'constructor'): unknown {
  try {
    return (value as Record<string, unknown>)[key];
  } catch (error) {
    return key === 'message' ? `[reading the message threw: ${textOf(error)}]` : undefined;
  }
}

/** True for an Error of any realm. */
export function isError(value: unknown): value is Error {
  if (typeof value !== 'object' || value === null) return false;
  try {
    const tag = Object.prototype.toString.call(value);
    return tag === '[object Error]' || tag === '[object DOMException]' || value instanceof Error;
  } catch {
    return false; // a proxy whose trap throws
  }
}

export function withStack<E extends Error>(error: E, stack: string | undefined): E {
  Object.defineProperty(error, 'stack', { value: stack ?? '', writable: true, enumerable: false, configurable: true });
  return error;
}

function typeNameOf(error: Error): string | undefined {
  const constructor = propertyOf(error, 'constructor');
  const name = typeof constructor === 'function' ? constructor.name : propertyOf(error, 'name');
  return typeof name === 'string' && name !== '' ? name : undefined;
}

/** The failure to record for what an activity threw: an ApplicationFailure stays as it is, anything else is wrapped. */
export function ensureApplicationFailure(thrown: unknown): ApplicationFailure {
  if (thrown instanceof ApplicationFailure) return thrown;
  if (!isError(thrown)) return withStack(new ApplicationFailure(textOf(thrown) + notAnError), '');
  const cause = propertyOf(thrown, 'cause');
  const stack = propertyOf(thrown, 'stack');
  const failure = new ApplicationFailure(textOf(propertyOf(thrown, 'message')), typeNameOf(thrown));
  if (cause !== undefined && cause !== null) {
    // The constructor is bypassed because a chain may be cyclic. Causes are wrapped when they are stored.
    Object.defineProperty(failure, 'cause', { value: cause, writable: true, enumerable: false, configurable: true });
  }
  return withStack(failure, typeof stack === 'string' ? stack : '');
}

/** Values that are stored as failures stay as they are; anything else is wrapped. */
export function ensureTemporalFailure(thrown: unknown): TemporalFailure {
  return thrown instanceof TemporalFailure ? thrown : ensureApplicationFailure(thrown);
}

/**
 * Thrown by an activity that an external client completes by task token or id. Never stored, so it is not a failure.
 */
export class CompleteAsyncError extends Error {
  static {
    mark(this, 'CompleteAsyncError');
  }
}

/** True for a cancellation, and for the failure of an activity or child that a cancellation caused. */
export function isCancellation(error: unknown): boolean {
  if (error instanceof CancelledFailure) return true;
  return (error instanceof ActivityFailure || error instanceof ChildWorkflowFailure) && isCancellation(error.cause);
}

/** True for the rejection of a Node function whose AbortSignal was aborted. */
export function isAbortError(thrown: unknown): boolean {
  return isError(thrown) && propertyOf(thrown, 'name') === 'AbortError';
}

/** Message of the innermost cause; undefined for a value that is neither an error nor text. */
export function rootCause(error: unknown): string | undefined {
  const seen = new Set<unknown>();
  let inner = error;
  while (inner instanceof TemporalFailure && inner.cause !== undefined && !seen.has(inner)) {
    seen.add(inner);
    inner = inner.cause;
  }
  if (isError(inner)) return inner.message;
  return typeof inner === 'string' ? inner : undefined;
}
