// The batcher under every interleaving of new items and ends of sends, with limits, sharing, repetition and closing.
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BatchLimits, Batcher, type BatchSender } from '../../../runtime/flow/batcher.ts';

interface Call {
  readonly items: readonly number[];
  /** Ends the call. May return items to send again. */
  end(again?: readonly number[]): void;
}

/** Records each batch and keeps it in flight until the test ends it. */
class Recorder implements BatchSender<number> {
  readonly batches: (readonly number[])[] = [];
  readonly calls: Call[] = [];
  most = 0;

  send(items: readonly number[]): Promise<readonly number[]> {
    const { promise, resolve } = Promise.withResolvers<readonly number[]>();
    this.batches.push(items);
    this.calls.push({ items, end: (again = []) => resolve(again) });
    this.most = Math.max(this.most, this.calls.length);
    return promise;
  }

  /** The size of an item is its value. */
  sizeOf(item: number): number {
    return item;
  }

  async end(index = 0, again: readonly number[] = []): Promise<void> {
    this.calls.splice(index, 1)[0]!.end(again);
    await setImmediate();
  }
}

function batching(limits?: BatchLimits): { sender: Recorder; batcher: Batcher<number> } {
  const sender = new Recorder();
  return { sender, batcher: new Batcher(sender, limits) };
}

const counts = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test('every item is sent exactly once, in order, within the limits, and drained', async () => {
  const commands = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('add' as const), count: fc.integer({ min: 1, max: 8 }) }),
      fc.record({ kind: fc.constant('put' as const), count: fc.integer({ min: 1, max: 8 }) }),
      fc.record({ kind: fc.constant('end' as const), index: fc.nat(9) }),
      fc.record({ kind: fc.constant('turn' as const) }),
    ),
    { maxLength: 40 },
  );
  const limits = fc.record({
    inFlightMax: fc.integer({ min: 1, max: 4 }),
    itemsMax: fc.integer({ min: 1, max: 10 }),
    bytesMax: fc.integer({ min: 1, max: 500 }),
    shareMin: fc.integer({ min: 1, max: 10 }),
  });
  await fc.assert(
    fc.asyncProperty(commands, limits, async (script, limit) => {
      const { sender, batcher } = batching(limit);
      let next = 1;
      for (const command of script) {
        if (command.kind === 'turn') await setImmediate();
        else if (command.kind === 'end') {
          if (sender.calls.length > 0) await sender.end(command.index % sender.calls.length);
        } else {
          for (let i = 0; i < command.count; i++) batcher[command.kind](next++);
          if (command.kind === 'put') batcher.pump();
        }
      }
      let isDrained = false;
      const drained = batcher.drained().then(() => {
        isDrained = true;
      });
      while (sender.calls.length > 0) {
        assert.equal(isDrained, false);
        await sender.end();
      }
      await drained;
      assert.deepEqual(sender.batches.flat(), counts(1, next));
      assert.ok(sender.most <= limit.inFlightMax);
      for (const batch of sender.batches) {
        assert.ok(batch.length <= limit.itemsMax);
        assert.ok(batch.length === 1 || batch.reduce((sum, item) => sum + item, 0) <= limit.bytesMax);
      }
      assert.ok(batcher.isIdle);
    }),
  );
});

test('a single item goes out at once, and items that arrive meanwhile go out together when it ends', async () => {
  const { sender, batcher } = batching();
  batcher.put(1);
  batcher.pump();
  assert.deepEqual(sender.batches, [[1]]);
  for (const item of [2, 3, 4]) {
    batcher.add(item);
    await setImmediate();
  }
  assert.deepEqual(sender.batches, [[1]]);
  await sender.end();
  assert.deepEqual(sender.batches, [[1], [2, 3, 4]]);
});

test('items of one macrotask make one batch, in that macrotask', async () => {
  const { sender, batcher } = batching({ inFlightMax: 3 });
  batcher.add(1);
  await Promise.resolve();
  batcher.add(2);
  await setImmediate();
  assert.deepEqual(sender.batches, [[1, 2]]);
});

test('a waiting item is not sent twice, but an item in flight may be', async () => {
  const { sender, batcher } = batching();
  for (const item of [1, 1]) batcher.put(item);
  batcher.pump();
  for (const item of [1, 2, 1]) batcher.put(item);
  await sender.end();
  assert.deepEqual(sender.batches, [[1], [1, 2]]);
});

test('batches that may start together share the waiting items above a minimum', () => {
  const shared = batching({ inFlightMax: 2, shareMin: 3 });
  for (const item of counts(0, 10)) shared.batcher.put(item);
  shared.batcher.pump();
  assert.deepEqual(
    shared.sender.batches.map((batch) => batch.length),
    [5, 5],
  );
  const few = batching({ inFlightMax: 2, shareMin: 3 });
  for (const item of counts(0, 3)) few.batcher.put(item);
  few.batcher.pump();
  assert.deepEqual(few.sender.batches, [[0, 1, 2]]);
});

test('an item that is too large for a batch goes out alone', () => {
  const { sender, batcher } = batching({ inFlightMax: 3, bytesMax: 10 });
  for (const item of [4, 50, 6, 3]) batcher.put(item);
  batcher.pump();
  assert.deepEqual(sender.batches, [[4], [50], [6, 3]]);
});

test('items to send again go behind waiting items', async () => {
  const { sender, batcher } = batching();
  for (const item of [1, 2]) batcher.put(item);
  batcher.pump();
  batcher.put(3);
  await sender.end(0, [2]);
  assert.deepEqual(sender.batches, [
    [1, 2],
    [3, 2],
  ]);
});

test('a closed batcher returns waiting items and sends nothing more', async () => {
  const { sender, batcher } = batching();
  for (const item of [1, 2]) batcher.add(item);
  await setImmediate();
  for (const item of [3, 4]) batcher.add(item);
  assert.deepEqual(batcher.close(), [3, 4]);
  batcher.add(5);
  await sender.end(0, [1]);
  await batcher.drained();
  assert.deepEqual(sender.batches, [[1, 2]]);
});
