// Where a run waits after it leaves this worker's memory, and until when: its row in `ready`. Pure.
import { isBegun } from '../../core/activity/pending-activity.ts';
import { assert } from '../../core/failure/runtime-error.ts';
import type { Micros } from '../../core/log/event.ts';
import type { ParkedRun } from '../../store/ownership/claim.ts';
import type { LiveRun } from '../turns/live-run.ts';
import { homeQueue } from '../versions/worker-versions.ts';

/** A time that never comes: only a message wakes the run. In the year 2255, the last that µs represent exactly. */
const never: Micros = 9_000_000_000_000_000;

/** The run waits in the queue that its log names, until `wakeAt`. `queue`: key of the task queue. */
export function placementAt(run: LiveRun, queue: string, wakeAt: Micros): ParkedRun {
  assert(Number.isSafeInteger(wakeAt), `run ${run.runId} would be due at ${wakeAt}`);
  const placed = { runKey: run.runKey, mail: run.mailRead, wakeAt };
  if (run.state.replay !== undefined) return placed; // in the queue of replays
  const home = homeQueue(run, queue);
  return home === undefined ? placed : { ...placed, queue: home };
}

/**
 * Like `placementAt`, until the run has something to do without a message. `afterMs`: sets when a run that has
 * activities for this worker is due.
 */
export function placementOf(run: LiveRun, queue: string, now: Micros, afterMs?: number): ParkedRun {
  if (afterMs !== undefined && run.state.paused === undefined && run.activitiesHere().length > 0)
    return placementAt(run, queue, now + afterMs * 1000);
  const next = nextWake(run);
  return placementAt(run, queue, next === undefined ? never : Math.min(Math.max(next, now), never));
}

/** When the run next has something to do without a message; undefined when only a message can wake it. */
function nextWake(run: LiveRun): Micros | undefined {
  const { state, waitsUntil, retryTaskAt } = run;
  // The next owner reads from the record what comes next.
  if (state.replay !== undefined) return state.at;
  const deadline = state.chain?.deadline;
  if (state.paused !== undefined) return deadline;
  if (waitsUntil > 0) return Math.min(waitsUntil, deadline ?? waitsUntil);
  // While its code fails, nothing else of the run can continue.
  if (retryTaskAt !== undefined) return Math.min(retryTaskAt, deadline ?? retryTaskAt);
  if (state.links?.hasUnsent === true) return state.at;
  let next = deadline;
  for (const due of state.timers.values()) if (next === undefined || due < next) next = due;
  for (const activity of state.activities.values()) {
    if (run.places.of(activity.seq) !== 'local') continue; // a message tells the outcome
    if (isBegun(activity) || activity.isHeld) continue; // a person must decide
    if (next === undefined || activity.nextAttemptAt < next) next = activity.nextAttemptAt;
  }
  return next;
}
