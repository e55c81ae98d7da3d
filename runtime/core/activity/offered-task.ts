// Builds the task that offers the next attempt of an activity to other workers. Pure.
import { longestMs } from '../options/duration.ts';
import type { Micros } from '../log/event.ts';
import { nextAttempt, type PendingActivity } from './pending-activity.ts';

export interface OfferedTask {
  readonly runId: string;
  readonly seq: number;
  /**
   * `namespace/task queue`. The key of a run that belongs to a version or deployment has a prefix, and the task goes to
   * the workers of that version or deployment. If none of these workers has polled the task queue yet, the task goes to
   * the task queue's other workers, until the first one polls and moves the task (`gatherTasks`).
   */
  readonly queue: string;
  readonly type: string;
  /** Seq of the event that holds the arguments; absent: the activity's ActivityScheduled. */
  readonly argsSeq?: number;
  /** From 1. Greater than the number of every earlier attempt. */
  readonly attempt: number;
  readonly dueAt: Micros;
  /** Absolute ends of the schedule-to-start and schedule-to-close timeouts; null: no timeout. */
  readonly startBy: Micros | null;
  readonly closeBy: Micros | null;
  /** The same for every attempt, counted anew for each. */
  readonly scheduleToStartMs: number | null;
  readonly startToCloseMs: number | null;
  readonly heartbeatMs: number | null;
}

/** `queue`: key of the queue whose workers execute the attempt. */
export function offeredTask(
  runId: string,
  activity: PendingActivity,
  { queue, now }: { readonly queue: string; readonly now: Micros },
): OfferedTask {
  const { options, limitsFrom, argsSeq, nextAttemptAt } = activity;
  const [s2s, s2c] = [limitOf(options.s2s), limitOf(options.s2c)];
  const dueAt = nextAttemptAt === 0 ? now : Math.min(nextAttemptAt, now + longestMs * 1000);
  // schedule-to-start counts anew for each attempt. If the activity has run or was paused, the count starts at the due
  // time.
  const waitsFrom = nextAttempt(activity) === 1 && nextAttemptAt === 0 ? limitsFrom : dueAt;
  return {
    runId,
    seq: activity.seq,
    queue,
    type: activity.type,
    ...(argsSeq === 0 ? {} : { argsSeq }),
    attempt: nextAttempt(activity),
    dueAt,
    startBy: s2s === null ? null : waitsFrom + s2s * 1000,
    closeBy: s2c === null ? null : limitsFrom + s2c * 1000,
    scheduleToStartMs: s2s,
    startToCloseMs: limitOf(options.stc),
    heartbeatMs: limitOf(options.hb),
  };
}

/** Null means no limit. Old logs hold durations beyond the database's range; these count as no limit. */
function limitOf(ms: number | undefined): number | null {
  return ms === undefined || ms > longestMs ? null : ms;
}
