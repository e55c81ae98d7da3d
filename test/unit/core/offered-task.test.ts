// The next attempt of an activity as the row that other workers claim.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PendingActivity, scheduledActivity } from '../../../runtime/core/activity/pending-activity.ts';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { offeredTask } from '../../../runtime/core/activity/offered-task.ts';

const year = 365.25 * 86_400_000;
const now = 1_800_000_000_000_000;
const place = { queue: 'default/tools', now };

function pending(options: object, nextAttemptAt = 0): PendingActivity {
  const meta = JSON.stringify({ id: 'a', ...options });
  const event = { ...newEvent(2, 'ActivityScheduled', { name: 'tool', meta }), at: now, hash: null };
  return { ...scheduledActivity(event), nextAttemptAt };
}

test('limits from old logs never exceed the range of the database', () => {
  const { closeBy, startBy, ...task } = offeredTask(
    'run',
    pending({ stc: 1e16, s2c: 1e300, s2s: 9.223e15, hb: 1e16 }),
    place,
  );
  assert.deepEqual([closeBy, startBy], [null, null]);
  assert.deepEqual([task.scheduleToStartMs, task.startToCloseMs, task.heartbeatMs], [null, null, null]);
  assert.equal(offeredTask('run', pending({ stc: 1 }, 9e18), place).dueAt, now + 100 * year * 1000);
});

test('a limit of 100 years is kept', () => {
  const task = offeredTask('run', pending({ stc: 100 * year, s2c: 100 * year }), place);
  assert.deepEqual([task.startToCloseMs, task.closeBy], [100 * year, now + 100 * year * 1000]);
});
