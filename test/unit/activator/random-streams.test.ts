// Named random streams: independent of each other and of Math.random, and the same on every replay.
import assert from 'node:assert/strict';
import { getRandomStream, sleep, uuid4, workflowRandom } from '../../../sdk/workflow.ts';
import { Driver, fired, globals, resultOf, workflowTest } from './harness.ts';

const draw = (count: number, from: () => number): number[] => Array.from({ length: count }, from);

workflowTest(
  'a stream does not affect others, and every lookup continues the same sequence',
  () => ({
    async workflow(): Promise<number[][]> {
      const first = draw(2, () => globals.Math.random());
      const mine = draw(3, () => getRandomStream('a').random());
      await sleep(1);
      const again = draw(2, () => getRandomStream('a').random());
      const other = draw(2, () => getRandomStream('b').random());
      return [first, mine, again, other, draw(2, () => globals.Math.random())];
    },
  }),
  async (driver) => {
    const [timer] = await driver.start();
    const [closed] = await driver.turn(fired(timer!.seq));
    const lists = resultOf(closed) as number[][];
    const all = lists.flat();
    assert.equal(new Set(all).size, all.length);
    assert.ok(all.every((value) => value >= 0 && value < 1));
  },
);

workflowTest(
  'with() redirects Math.random and uuid4 to a stream, across await, and workflowRandom stays the run’s own',
  () => ({
    async workflow(): Promise<unknown[]> {
      const stream = getRandomStream('scope');
      const inside = await stream.with(async () => {
        const before = globals.Math.random();
        await Promise.resolve();
        return [before, uuid4(), workflowRandom.with(() => globals.Math.random()), workflowRandom.random()];
      });
      return [inside, globals.Math.random(), stream.uuid4(), Array.from(stream.fill(new Uint8Array(4)))];
    },
  }),
  async (driver) => {
    const [closed] = await driver.start();
    const [[drawn, id, own, ownAgain], outside, next, filled] = resultOf(closed) as [
      [number, string, number, number],
      number,
      string,
      number[],
    ];
    // The run's own stream yields the same numbers as in a run without other streams.
    assert.equal(new Set([drawn, own, ownAgain, outside]).size, 4);
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.notEqual(id, next);
    assert.ok(filled.length === 4 && filled.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255));
  },
);

workflowTest(
  'the run’s own sequence does not depend on other streams',
  () => ({
    async workflow(withStreams: boolean): Promise<number[]> {
      const drawn: number[] = [];
      for (let i = 0; i < 3; i++) {
        if (withStreams) getRandomStream(`s${i}`).with(() => globals.Math.random());
        drawn.push(globals.Math.random());
      }
      return drawn;
    },
  }),
  async (driver) => {
    const [closed] = await driver.start([true]);
    const plain = new Driver(() => ({ workflow: async () => draw(3, () => globals.Math.random()) }), 'workflow');
    assert.deepEqual(resultOf(closed), resultOf((await plain.start())[0]));
  },
);
