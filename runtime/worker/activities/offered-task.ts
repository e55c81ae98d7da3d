// The next attempt of an activity as a task for others. Pure.
import { longestMs } from '../../core/options/duration.ts';
import type { Micros } from '../../core/log/event.ts';
import type { OfferedTask } from '../../store/activities/task-offers.ts';
import type { PendingActivity } from '../turns/live-run.ts';

/** `queue`: the key of the queue whose workers are to execute it. */
export function offeredTask(
  runId: string,
  activity: PendingActivity,
  { queue, now }: { readonly queue: string; readonly now: Micros },
): OfferedTask {
  const { options, scheduledAt, failedAttempts, lostAttempts, nextAttemptAt } = activity;
  const [s2s, s2c] = [limitOf(options.s2s), limitOf(options.s2c)];
  const dueAt = nextAttemptAt === 0 ? now : Math.min(nextAttemptAt, now + longestMs * 1000);
  // Each attempt has that long to be taken; one that was under way or paused before counts as scheduled anew.
  const waitsFrom = failedAttempts + lostAttempts === 0 && nextAttemptAt === 0 ? scheduledAt : dueAt;
  return {
    runId,
    seq: activity.seq,
    queue,
    type: activity.type,
    attempt: failedAttempts + lostAttempts + 1,
    dueAt,
    startBy: s2s === null ? null : waitsFrom + s2s * 1000,
    closeBy: s2c === null ? null : scheduledAt + s2c * 1000,
    scheduleToStartMs: s2s,
    startToCloseMs: limitOf(options.stc),
    heartbeatMs: limitOf(options.hb),
  };
}

/** Null when there is none. Logs of old hold longer ones than the database can count: they are as good as none. */
function limitOf(ms: number | undefined): number | null {
  return ms === undefined || ms > longestMs ? null : ms;
}
