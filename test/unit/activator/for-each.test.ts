// forEach: bounded concurrency, ids made of keys, the first error ends the loop.
import assert from 'node:assert/strict';
import { CancelledFailure, forEach, proxyActivities, sleep } from '../../../sdk/workflow.ts';
import { cancelRequested, completed, failed, fired, resultOf, texts, workflowTest } from './harness.ts';

interface Activities {
  check(id: string): Promise<string>;
  fix(id: string): Promise<void>;
}
const { check, fix } = proxyActivities<Activities>({ startToCloseTimeout: 1000 });

workflowTest(
  'at most the given number of items run at once, and the next begins when one ends',
  () => ({
    async workflow(): Promise<number[]> {
      const indices: number[] = [];
      await forEach(
        new Set(['a', 'b', 'c', 'd']),
        async (item, index) => {
          indices.push(index);
          await check(item);
        },
        { concurrency: 2 },
      );
      return indices;
    },
  }),
  async (driver) => {
    const [a, b] = await driver.start();
    const [c, ...none] = await driver.turn(completed(b!.seq));
    assert.deepEqual(none, []);
    const [d] = await driver.turn(completed(a!.seq));
    assert.deepEqual(await driver.turn(completed(c!.seq)), []);
    assert.deepEqual(texts(await driver.turn(completed(d!.seq))), ['WorkflowCompleted [0,1,2,3]']);
  },
);

workflowTest(
  'the default concurrency is sixteen, and an empty list resolves at once',
  () => ({
    async workflow(): Promise<void> {
      await forEach([], () => assert.fail('no item'));
      await forEach(
        Array.from({ length: 40 }, (_, index) => index),
        (index) => check(String(index)),
      );
    },
  }),
  async (driver) => {
    const first = await driver.start();
    assert.equal(first.length, 16);
    assert.equal((await driver.turn(...first.map(({ seq }) => completed(seq)))).length, 16);
  },
);

workflowTest(
  'keys name the activities of their item across await, nested loops and repeated calls',
  () => ({
    async workflow(): Promise<void> {
      await forEach(
        ['x', 'y'],
        async (item) => {
          await check(item);
          await check(item);
          await forEach([1, 2], () => fix(item), { key: (part) => part });
          await fix.executeWithOptions({ activityId: `own-${item}` }, [item]);
        },
        { key: (item) => item },
      );
      await check('outside');
    },
  }),
  async (driver) => {
    const seen: string[] = [];
    let outputs = await driver.start();
    while (outputs[0]?.type === 'ActivityScheduled') {
      seen.push(...texts(outputs));
      outputs = await driver.turn(...outputs.map(({ seq }) => completed(seq)));
    }
    assert.deepEqual(
      seen.map((text) => text.replace('ActivityScheduled ', '')),
      [
        'check#check:x',
        'check#check:y',
        'check#check:x#2',
        'check#check:y#2',
        'fix#fix:x/1',
        'fix#fix:x/2',
        'fix#fix:y/1',
        'fix#fix:y/2',
        'fix#own-x',
        'fix#own-y',
        'check#11',
      ],
    );
  },
);

workflowTest(
  'two concurrent loops over the same keys get different ids',
  () => ({
    async workflow(): Promise<void> {
      const loop = () => forEach(['x'], (item) => check(item), { key: (item) => item });
      await Promise.all([loop(), loop()]);
    },
  }),
  async (driver) => {
    const outputs = await driver.start();
    assert.deepEqual(texts(outputs), ['ActivityScheduled check#check:x', 'ActivityScheduled check#check:x#2']);
  },
);

workflowTest(
  'a duplicate key and an invalid concurrency are rejected before any item begins',
  () => ({
    async workflow(): Promise<string[]> {
      const seen: string[] = [];
      const note = (error: Error) => void seen.push(error.message);
      await forEach(['a', 'b', 'a'], () => assert.fail('began'), { key: (item) => item }).catch(note);
      await forEach([1], () => assert.fail('began'), { concurrency: 0 }).catch(note);
      return seen;
    },
  }),
  async (driver) => {
    const [closed] = await driver.start();
    assert.deepEqual(resultOf(closed), [
      "forEach got the key 'a' twice, for items 0 and 2. Keys must be unique in a loop.",
      'forEach got concurrency 0, expected a positive integer.',
    ]);
  },
);

workflowTest(
  'after the first error no further item begins, running items are awaited, and the error is thrown',
  () => ({
    async workflow(): Promise<unknown[]> {
      const done: string[] = [];
      const work = forEach(
        ['a', 'b', 'c', 'd'],
        async (item) => {
          await check(item);
          done.push(item);
        },
        { concurrency: 2 },
      );
      const error = await work.catch((thrown: Error) => thrown);
      return [done, (error as Error).message];
    },
  }),
  async (driver) => {
    const [a, b] = await driver.start();
    assert.deepEqual(await driver.turn(failed(a!.seq, new Error('no'))), []);
    const [closed] = await driver.turn(completed(b!.seq));
    assert.deepEqual(resultOf(closed), [['b'], 'Activity task failed']);
  },
);

workflowTest(
  'cancellation ends a loop',
  () => ({
    workflow: () => forEach([1, 2, 3], () => sleep(100), { concurrency: 2 }),
  }),
  async (driver) => {
    await driver.start();
    assert.deepEqual(texts(await driver.turn(cancelRequested())), [
      'TimerCancelled 2',
      'TimerCancelled 3',
      'WorkflowCancelled',
    ]);
  },
);

workflowTest(
  'a synchronous error of an item rejects the loop',
  () => ({
    async workflow(): Promise<string> {
      const error = await forEach([1], () => {
        throw new CancelledFailure('sync');
      }).catch((thrown: Error) => thrown);
      await sleep(1);
      return (error as Error).message;
    },
  }),
  async (driver) => {
    const [timer] = await driver.start();
    assert.deepEqual(texts(await driver.turn(fired(timer!.seq))), ['WorkflowCompleted "sync"']);
  },
);
