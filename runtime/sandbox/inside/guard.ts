// The guard that loops and functions of workflow code call (see loop-guard.ts). Counts calls and sometimes reads the
// clock. Once an activation has computed for too long, every further call throws, so that a `catch` in user code cannot
// keep the loop alive. Only one activation at a time runs in a vm context, so one counter serves all runs.
import { host } from './host-realm.ts';

/** Calls between two reads of the clock. The first read starts the clock of an activation. */
const checksPerLook = 100;
/** An error that the engine throws may have more than ten frames of the engine above the user's line. */
const stackTraceLimit = 25;

let checksLeft = checksPerLook;
let deadlineMs: number | undefined;
let deadlock: Error | undefined;

export function guard(): void {
  checksLeft -= 1;
  if (checksLeft < 0) look();
}

function look(): void {
  if (deadlock !== undefined) throw deadlock;
  const nowMs = host.now();
  deadlineMs ??= nowMs + host.deadlockTimeoutMs;
  if (nowMs < deadlineMs) {
    checksLeft = checksPerLook;
    return;
  }
  deadlock = new Error(`Workflow code computed for more than ${host.deadlockTimeoutMs} ms without waiting`);
  Error.captureStackTrace(deadlock, guard);
  throw deadlock;
}

/** Call before entering workflow code. */
export function resetGuard(): void {
  checksLeft = checksPerLook;
  deadlineMs = undefined;
  deadlock = undefined;
  // The property stays writable, since libraries set it. It is reset here, since one run must not see the value that
  // another run has set.
  Error.stackTraceLimit = stackTraceLimit;
}

/**
 * The guard's error, with the stack of the interrupted code; undefined when the guard did not interrupt the last
 * entered code.
 */
export function deadlockError(): Error | undefined {
  return deadlock;
}
