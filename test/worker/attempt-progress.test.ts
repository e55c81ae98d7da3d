// How often the heartbeat details of an attempt are stored.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AttemptProgress } from '../../runtime/worker/activities/attempt-progress.ts';

test('a throttle that is longer than any timer holds back all reports after the first', async () => {
  let stored = 0;
  const owner = { silent: () => assert.fail(), storeProgress: () => stored++ };
  const progress = new AttemptProgress(owner, { defaultMs: 1e300, maxMs: 1e300 }, undefined);
  progress.beat();
  progress.beat();
  await sleep(20);
  assert.equal(stored, 1);
  progress.flush();
  assert.equal(stored, 2);
  progress.stop();
});
