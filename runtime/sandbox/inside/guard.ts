// The guard that loops and functions of workflow code pass (see loop-guard.ts): counts, now and then looks at the clock,
// and once an activation has computed for too long throws at every further check, so that no `catch` of the user's
// keeps the loop alive. One activation at a time runs in a vm context, so one counter serves all runs.
import { host } from './host-realm.ts';

/** Checks between two looks at the clock. The clock of an activation starts at the first look. */
const checksPerLook = 100;
const stackTraceLimit = 10;

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
  deadlock = new Error(`Workflow code computed for more than ${host.deadlockTimeoutMs} ms without coming to rest`);
  Error.captureStackTrace(deadlock, guard);
  throw deadlock;
}

/** To be called before workflow code is entered. */
export function resetGuard(): void {
  checksLeft = checksPerLook;
  deadlineMs = undefined;
  deadlock = undefined;
  // Left writable, since libraries set it, and reset, since one run must not see what another has set.
  Error.stackTraceLimit = stackTraceLimit;
}

/** The error, with the stack of the place, when the guard interrupted the code that was entered last. */
export function deadlockError(): Error | undefined {
  return deadlock;
}
