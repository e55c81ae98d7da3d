// Serialised work: the order, failures, and waiting until all work has ended.
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { SerialQueue } from '../../../runtime/flow/serial-queue.ts';

test('work of one key runs in order without overlap, also after failures, and other keys do not wait', async () => {
  const script = fc.array(fc.record({ key: fc.nat(2), turns: fc.nat(3), fails: fc.boolean() }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(script, async (works) => {
      const queue = new SerialQueue<number>();
      const running = new Set<number>();
      const ended = new Map<number, number[]>();
      const results = works.map(({ key, turns, fails }, i) =>
        queue.run(async () => {
          assert.ok(!running.has(key));
          running.add(key);
          for (let turn = 0; turn < turns; turn++) await setImmediate();
          running.delete(key);
          ended.set(key, [...(ended.get(key) ?? []), i]);
          if (fails) throw new Error(`work ${i}`);
          return i;
        }, key),
      );
      const settled = Promise.allSettled(results);
      await queue.drained();
      for (const [key, order] of ended) {
        assert.deepEqual(
          order,
          works.flatMap((work, i) => (work.key === key ? [i] : [])),
        );
      }
      assert.deepEqual(
        (await settled).map((result) => (result.status === 'fulfilled' ? result.value : String(result.reason))),
        works.map(({ fails }, i) => (fails ? `Error: work ${i}` : i)),
      );
    }),
  );
});

test('work of one key does not wait for that of another', async () => {
  const queue = new SerialQueue<string>();
  const blocked = Promise.withResolvers<void>();
  const first = queue.run(() => blocked.promise, 'a');
  assert.equal(await queue.run(async () => 'done', 'b'), 'done');
  blocked.resolve();
  await first;
});

test('an empty queue is drained at once', async () => {
  await new SerialQueue().drained();
});
