// A failed workflow task for display: Temporal's name for its cause, and the line of user code where it failed.
import type { Micros } from '../log/event.ts';
import { decodePayload } from '../payload/payload.ts';
import type { ErrorCode } from '../failure/runtime-error.ts';
import { taskRetryDelayMs } from './task-retry.ts';

export type TaskFailureCause = 'NON_DETERMINISTIC_ERROR' | 'WORKFLOW_WORKER_UNHANDLED_FAILURE';

export interface TaskFailureInfo {
  readonly code: ErrorCode;
  readonly cause: TaskFailureCause;
  readonly message: string;
  /** The function and line of workflow code that failed, such as `order (src/workflows.ts:12:5)`. */
  readonly place: string | undefined;
  readonly stack: string | undefined;
  /** Number of failures in a row. */
  readonly attempt: number;
  readonly at: Date;
  /** The task is not retried before this time, unless something happens to the run. */
  readonly nextAttempt: Date;
}

/** Columns of a WorkflowTaskFailed. */
export interface TaskFailureColumns {
  readonly name: string | null;
  readonly reason: string | null;
  readonly attempt: number | null;
  readonly at: Micros;
  readonly payload: Uint8Array | null;
}

export function taskFailureCause(code: string | null): TaskFailureCause {
  return code === 'DETERMINISM' ? 'NON_DETERMINISTIC_ERROR' : 'WORKFLOW_WORKER_UNHANDLED_FAILURE';
}

export function taskFailureInfo({ name, reason, attempt, at, payload }: TaskFailureColumns): TaskFailureInfo {
  const failures = attempt ?? 1;
  const stack = payload === null ? undefined : String(decodePayload(payload));
  return {
    code: (name ?? 'WORKFLOW_ERROR') as ErrorCode,
    cause: taskFailureCause(name),
    message: reason ?? '',
    place: stack === undefined ? undefined : placeIn(stack),
    stack,
    attempt: failures,
    at: new Date(at / 1000),
    nextAttempt: new Date(at / 1000 + taskRetryDelayMs(failures)),
  };
}

/** A stack line with a position in a file. */
const positioned = /^\s+at (?:async )?(.*:\d+:\d+\)?)$/;
const ofEngine = /\(?reprise-[a-z]+(?:-\w+)?\.js:/;

/** The first frame in the user's own code, else the first in a library. */
function placeIn(stack: string): string | undefined {
  const frames = stack
    .split('\n')
    .map((line) => positioned.exec(line)?.[1])
    .filter((frame) => frame !== undefined && !ofEngine.test(frame));
  return frames.find((frame) => !frame?.includes('node_modules/')) ?? frames[0];
}
