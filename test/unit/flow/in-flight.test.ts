// Waiting until the count of work in flight falls below a limit, or until no work is left.
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import { InFlight } from '../../../runtime/flow/in-flight.ts';

test('a waiter for fewer than a limit continues when the count falls below it', async () => {
  const work = new InFlight();
  for (let i = 0; i < 3; i++) work.enter();
  const reached: number[] = [];
  for (const limit of [1, 3, 4]) void work.below(limit).then(() => reached.push(limit));
  await setImmediate();
  assert.deepEqual(reached, [4]);
  work.leave();
  await setImmediate();
  assert.deepEqual(reached, [4, 3]);
  work.leave();
  work.enter();
  work.leave();
  await setImmediate();
  assert.deepEqual(reached, [4, 3]);
  work.leave();
  await setImmediate();
  assert.deepEqual(reached, [4, 3, 1]);
});

test('tracked work counts until it settles, and its failure reaches only its caller', async () => {
  const work = new InFlight();
  const { promise, reject } = Promise.withResolvers<never>();
  const tracked = assert.rejects(work.track(promise), /failed/);
  assert.equal(work.count, 1);
  reject(new Error('failed'));
  await tracked;
  assert.equal(work.count, 0);
});

test('drained reports whether the work ended in time', async () => {
  const work = new InFlight();
  assert.equal(await work.drained(0), true);
  work.enter();
  assert.equal(await work.drained(0), false);
  const drained = work.drained(Infinity);
  work.leave();
  assert.equal(await drained, true);
});
