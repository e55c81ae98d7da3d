// Rounds: items that arrive together are read together, and no item is lost while the reader is busy.
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import { Rounds } from '../../../runtime/flow/rounds.ts';

test('what comes in one macrotask is one round, each item once', async () => {
  const rounds = new Rounds<string>();
  for (const item of ['a', 'b', 'a']) rounds.add(item);
  for await (const items of rounds) {
    assert.deepEqual([...items], ['a', 'b']);
    rounds.stop();
  }
});

test('what comes while the reader is at work waits for the next round', async () => {
  const rounds = new Rounds<number>();
  const seen: number[][] = [];
  rounds.add(1);
  for await (const items of rounds) {
    seen.push([...items]);
    if (seen.length === 3) break;
    rounds.add(seen.length * 10);
    await setImmediate();
    rounds.add(seen.length * 10 + 1);
  }
  assert.deepEqual(seen, [[1], [10, 11], [20, 21]]);
});

test('a stop ends a reader that waits, and drops what comes later', async () => {
  const rounds = new Rounds<number>();
  const reading = (async () => {
    const seen: number[] = [];
    for await (const items of rounds) seen.push(...items);
    return seen;
  })();
  await setImmediate();
  rounds.stop();
  rounds.add(1);
  assert.deepEqual(await reading, []);
});
