// How many activities may start per second, on one worker and on all workers of a queue.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { returnStarts, takeStarts } from '../../runtime/store/activities/activity-rates.ts';
import { WorkerRate } from '../../runtime/worker/activities/start-rates.ts';
import { Worker } from 'reprise/worker';
import { fixtureWorker, quiet, testEngine } from '../support/engine.ts';

const engine = await testEngine({ maxActivitiesPerSecond: 20 });

/** Records when each activity starts, in ms. */
function recorder(): { begun: number[]; activities: Record<string, () => Promise<void>> } {
  const begun: number[] = [];
  return { begun, activities: { noted: async () => void begun.push(performance.now()) } };
}

describe('a rate', () => {
  it('allows the starts of a tenth of a second at once, and spreads the others evenly', () => {
    let now = 0;
    const rate = new WorkerRate(50, () => now);
    assert.equal(rate.take(100), 5);
    assert.equal(rate.take(1), 0);
    now = 20;
    assert.equal(rate.take(5), 1);
    now = 10_000;
    assert.equal(rate.take(100), 5);
    rate.give(2);
    assert.equal(rate.take(100), 2);
  });

  it('may be below one per second', () => {
    let now = 0;
    const rate = new WorkerRate(0.5, () => now);
    assert.equal(rate.take(3), 1);
    now = 1_999;
    assert.equal(rate.take(1), 0);
    now = 2_000;
    assert.equal(rate.take(1), 1);
  });

  it('of a queue is shared through the database, which spaces all starts evenly', async () => {
    const { database } = engine.connection;
    const take = (count: number): Promise<number> => takeStarts(database, 'default/q', { perSecond: 0.01, count });
    assert.equal(await take(10), 0);
    const second = await take(10);
    assert.ok(second > 800_000 && second <= 1_000_000, String(second));
    await returnStarts(database, 'default/q', { perSecond: 0.01, count: 15 });
    const third = await take(1);
    assert.ok(third > 300_000 && third <= 500_000, String(third));
  });
});

it('a worker keeps its rate', async () => {
  const begun = performance.now();
  const handle = await engine.start('chain', [12]);
  const many = await engine.start('callMany', ['hello', 0, 6]);
  await Promise.all([handle.result(), many.result()]);
  // 18 starts at 20 per second. Two of the starts may happen at once.
  assert.ok(performance.now() - begun >= 780);
});

it('all workers of a queue together keep the queue’s rate', async () => {
  const { begun, activities } = recorder();
  const limit = { maxTaskQueueActivitiesPerSecond: 20 };
  const owner = await fixtureWorker(engine.connection, 'rated', { activities, ...limit });
  const other = await Worker.create({
    connection: engine.connection,
    taskQueue: 'rated',
    activities: { ...activities, others: activities['noted'] },
    logger: quiet,
    ...limit,
  });
  const running = [owner.run(), other.run()];
  const start = performance.now();
  const handles = await Promise.all(
    ['noted', 'others'].flatMap((type) =>
      Array.from({ length: 8 }, (_, i) =>
        engine.client.workflow.start('callRemote', {
          workflowId: `${type} ${i}`,
          taskQueue: 'rated',
          args: [type, [], { taskQueue: 'rated' }],
        }),
      ),
    ),
  );
  await Promise.all(handles.map((handle) => handle.result()));
  assert.equal(begun.length, 16);
  assert.ok(begun.at(-1)! - start >= 700, String(begun.at(-1)! - start));
  owner.shutdown();
  other.shutdown();
  await Promise.all(running);
});
