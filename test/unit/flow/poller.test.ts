// Polling at intervals and on demand, with a clock that only the test moves.
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Looker, type PollClock, Poller } from '../../../runtime/flow/poller.ts';

class TestClock implements PollClock {
  time = 0;
  chance = 0;
  readonly timers = new Set<{ readonly at: number; readonly work: () => void }>();

  now(): number {
    return this.time;
  }

  random(): number {
    return this.chance;
  }

  after(ms: number, work: () => void): () => void {
    const timer = { at: this.time + ms, work };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  }

  /** When the next poll is scheduled. */
  get next(): number | undefined {
    return [...this.timers][0]?.at;
  }

  async advance(ms: number): Promise<void> {
    this.time += ms;
    for (const timer of [...this.timers].filter(({ at }) => at <= this.time)) {
      this.timers.delete(timer);
      timer.work();
    }
    await setImmediate();
  }
}

/** Each poll runs until the test ends it. */
class TestLooker implements Looker {
  everyMs: number | undefined;
  looks = 0;
  underWay = 0;
  most = 0;
  readonly failures: unknown[] = [];
  #end: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(everyMs?: number) {
    this.everyMs = everyMs;
  }

  async look(): Promise<void> {
    this.looks++;
    this.underWay++;
    this.most = Math.max(this.most, this.underWay);
    this.#end = Promise.withResolvers();
    try {
      await this.#end.promise;
    } finally {
      this.underWay--;
    }
  }

  failed(error: unknown): void {
    this.failures.push(error);
  }

  async end(error?: Error): Promise<void> {
    if (this.underWay === 0) return;
    if (error === undefined) this.#end.resolve();
    else this.#end.reject(error);
    await setImmediate();
  }
}

function polling(everyMs?: number): { clock: TestClock; looker: TestLooker; poller: Poller } {
  const clock = new TestClock();
  const looker = new TestLooker(everyMs);
  return { clock, looker, poller: new Poller(looker, clock) };
}

test('polls never overlap, and a nudge is never lost', async () => {
  const commands = fc.array(fc.constantFrom('nudge', 'end', 'fail', 'time'), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(commands, async (script) => {
      const { clock, looker, poller } = polling(100);
      let nudgedAt = 0;
      for (const command of script) {
        if (command === 'nudge') {
          nudgedAt = looker.looks;
          poller.nudge();
          assert.equal(looker.underWay, 1);
        } else if (command === 'time') await clock.advance(60);
        else await looker.end(command === 'fail' ? new Error('failed') : undefined);
      }
      if (script.includes('nudge')) {
        await looker.end();
        assert.ok(looker.looks > nudgedAt);
      }
      const stopped = poller.stop();
      await looker.end();
      await stopped;
      assert.equal(looker.underWay, 0);
      assert.ok(looker.most <= 1);
      assert.equal(clock.next, undefined);
    }),
  );
});

test('a nudge polls at once, and a nudge during a poll causes one more poll', async () => {
  const { looker, poller } = polling();
  poller.nudge();
  assert.equal(looker.looks, 1);
  poller.nudge();
  poller.nudge();
  await looker.end();
  assert.equal(looker.looks, 2);
  await looker.end();
  assert.equal(looker.looks, 2);
});

test('the interval counts from the start of a poll, and a longer poll is followed by the next at once', async () => {
  const { clock, looker, poller } = polling(100);
  poller.start();
  assert.deepEqual([looker.looks, clock.next], [0, 100]);
  await clock.advance(100);
  assert.equal(looker.looks, 1);
  await clock.advance(30);
  await looker.end();
  assert.equal(clock.next, 200);
  await clock.advance(70);
  await clock.advance(150);
  await looker.end();
  assert.equal(clock.next, 350);
});

test('a nudge replaces the scheduled poll', async () => {
  const { clock, looker, poller } = polling(100);
  poller.start();
  await clock.advance(40);
  poller.nudge();
  await looker.end();
  assert.equal(clock.timers.size, 1);
  assert.equal(clock.next, 140);
});

test('jitter shortens an interval by at most a tenth', async () => {
  const { clock, poller } = polling(100);
  clock.chance = 1;
  poller.start();
  assert.equal(clock.next, 90);
});

test('failures are reported and delay the next poll by up to a second, until one succeeds', async () => {
  const { clock, looker, poller } = polling(100);
  poller.start();
  const intervals: number[] = [];
  for (let i = 0; i < 6; i++) {
    const begun = clock.next!;
    await clock.advance(begun - clock.time);
    await looker.end(i < 5 ? new Error(`failure ${i}`) : undefined);
    intervals.push(clock.next! - begun);
  }
  assert.deepEqual(intervals, [200, 400, 800, 1_000, 1_000, 100]);
  assert.deepEqual(
    looker.failures.map(String),
    [0, 1, 2, 3, 4].map((i) => `Error: failure ${i}`),
  );
});

test('stopping waits for the running poll, drops its failure, and prevents further polls', async () => {
  const { clock, looker, poller } = polling(100);
  poller.nudge();
  poller.nudge();
  let isStopped = false;
  const stopping = poller.stop().then(() => {
    isStopped = true;
  });
  await setImmediate();
  assert.equal(isStopped, false);
  await looker.end(new Error('the connection was closed'));
  await stopping;
  assert.deepEqual(looker.failures, []);
  poller.nudge();
  poller.start();
  await clock.advance(1_000);
  assert.equal(looker.looks, 1);
});

test('a looker without an interval polls only when nudged or once it has an interval', async () => {
  const { clock, looker, poller } = polling();
  poller.start();
  assert.equal(clock.next, undefined);
  looker.everyMs = 50;
  poller.start();
  assert.equal(clock.next, 50);
});
