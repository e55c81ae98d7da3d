// A pending activity of a replay fork as its executing worker sees it. Its time limits count from now, because the fork
// lives in the time of its record.
import type { PendingActivity } from '../../core/activity/pending-activity.ts';
import type { ScheduledMeta } from '../../core/log/activation.ts';
import type { Micros } from '../../core/log/event.ts';

/** Everything else is read from `pending`, which the fold goes on changing. */
export function enteredActivity(pending: PendingActivity, now: Micros, options: ScheduledMeta): PendingActivity {
  const own = { scheduledAt: now, limitsFrom: now, nextAttemptAt: 0, options } satisfies Partial<PendingActivity>;
  return Object.assign(Object.create(pending) as object, own) as PendingActivity;
}
