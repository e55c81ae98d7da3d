// The next attempt of an activity as a task for others. Pure.
import { longestMs } from '../options/duration.ts';
import type { Micros } from '../log/event.ts';
import { nextAttempt, type PendingActivity } from './pending-activity.ts';

export interface OfferedTask {
  readonly runId: string;
  /** Of its ActivityScheduled. */
  readonly seq: number;
  /**
   * `namespace/task queue`; behind a prefix that of a run that belongs to a version or a deployment: it goes to the workers
   * of that, if any ever polled the task queue, else to those of the task queue (until one of that polls it: `gatherTasks`).
   */
  readonly queue: string;
  readonly type: string;
  /** From 1; greater than that of any attempt before. */
  readonly attempt: number;
  readonly dueAt: Micros;
  /** Absolute ends of schedule-to-start and schedule-to-close; null without. */
  readonly startBy: Micros | null;
  readonly closeBy: Micros | null;
  /** Of each attempt. */
  readonly scheduleToStartMs: number | null;
  readonly startToCloseMs: number | null;
  readonly heartbeatMs: number | null;
}

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
    attempt: nextAttempt(activity),
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
