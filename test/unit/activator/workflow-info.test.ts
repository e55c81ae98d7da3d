// What workflow code may know about its history and the machine. Values on which workflow code may base decisions are
// the same on every replay.
import assert from 'node:assert/strict';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { encodePayload } from '../../../runtime/core/payload/payload.ts';
import {
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  proxyActivities,
  setHandler,
  sleep,
  workflowInfo,
} from '../../../sdk/workflow.ts';
import { SuggestContinueAsNewReason } from '../../../sdk/common.ts';
import { fired, input, resultOf, signal, update, workflowTest } from './harness.ts';

const { act } = proxyActivities<{ act(text: string): Promise<void> }>({ startToCloseTimeout: 1000 });
const add = defineSignal<[string]>('add');

workflowTest(
  'the size of the history grows with inputs and commands, and a replay finds the same',
  () => ({
    async workflow(): Promise<number[]> {
      const sizes = [workflowInfo().historySize];
      setHandler(defineUpdate<void, [string]>('set'), () => void sizes.push(workflowInfo().historySize), {
        validator: (text) => {
          if (text.length > 10) throw new Error('too long');
        },
      });
      setHandler(add, () => void sizes.push(workflowInfo().historySize));
      void act('x'.repeat(1000)).catch(() => undefined);
      await sleep(1000);
      return sizes;
    },
  }),
  async (driver) => {
    const outputs = await driver.start();
    await driver.turn(update('refused', 'set', 'x'.repeat(500)));
    await driver.turn(signal('add', 'x'.repeat(300)));
    await driver.turn(input('ActivityAttemptFailed', { answers: 2, reason: 'says nothing to the code' }));
    await driver.turn(update('taken', 'set', 'x'));
    const [closed] = await driver.turn(fired(outputs[1]!.seq));
    const [start, afterSignal, afterUpdate] = resultOf(closed) as [number, number, number];
    // The start, then two commands and a signal. An update counts from the next activation on.
    assert.ok(start > 120 && start < 400, `${start}`);
    assert.ok(afterSignal - start > 3 * 120 + 300 && afterSignal - start < 3 * 120 + 500, `${afterSignal - start}`);
    assert.equal(afterUpdate, afterSignal);
  },
);

workflowTest(
  'length and size of the history are the same on replay, also with rejected and accepted updates',
  () => ({
    async workflow(): Promise<number[]> {
      const { historyLength } = workflowInfo();
      setHandler(defineUpdate<void, [boolean]>('set'), () => undefined, {
        validator: (refuses) => {
          if (refuses) throw new Error('no');
        },
      });
      await sleep(1000);
      const then = workflowInfo();
      const seen = [historyLength, then.historyLength, then.historySize];
      await sleep(1000);
      return [...seen, workflowInfo().historyLength, workflowInfo().historySize];
    },
  }),
  async (driver) => {
    const [first] = await driver.start();
    const outputs = await driver.turn(update('1', 'set', true), fired(first!.seq), update('2', 'set', false));
    const second = outputs.find(({ type }) => type === 'TimerStarted');
    const [closed] = await driver.turn(fired(second!.seq));
    const [start, length, size, lengthThen, sizeThen] = resultOf(closed) as [number, number, number, number, number];
    // Started, TimerStarted, TimerFired; then UpdateAccepted, its outcome, TimerStarted, TimerFired.
    assert.deepEqual([start, length, lengthThen], [1, 3, 7]);
    assert.ok(sizeThen - size > 4 * 120 && sizeThen - size < 6 * 120, `${sizeThen - size}`);
  },
);

workflowTest(
  'a history with many events or bytes suggests continue-as-new and gives the reason',
  () => ({
    async workflow(): Promise<unknown> {
      const { unsafe: _, ...before } = workflowInfo();
      let signals = 0;
      setHandler(add, () => void (signals += 1));
      await condition(() => signals === 5);
      const { suggestedContinueAsNewReasons: large } = workflowInfo();
      await condition(() => signals === 4100);
      const { continueAsNewSuggested, suggestedContinueAsNewReasons: both } = workflowInfo();
      return [before.continueAsNewSuggested, before.suggestedContinueAsNewReasons, large, continueAsNewSuggested, both];
    },
  }),
  async (driver) => {
    await driver.start();
    await driver.turn(...Array.from({ length: 5 }, () => signal('add', 'x'.repeat(1_000_000))));
    const [closed] = await driver.turn(...Array.from({ length: 4095 }, () => signal('add', '')));
    const { HISTORY_SIZE_TOO_LARGE: size, TOO_MANY_HISTORY_EVENTS: events } = SuggestContinueAsNewReason;
    assert.deepEqual(resultOf(closed), [false, undefined, [size], true, [size, events]]);
  },
);

const seen: unknown[] = [];
workflowTest(
  'workflow code sees that it is replayed, and a query runs now, also after a replay',
  () => ({
    async workflow(): Promise<void> {
      const look = (): boolean[] => {
        const { isReplaying, isReplayingHistoryEvents } = workflowInfo().unsafe;
        return [isReplaying, isReplayingHistoryEvents];
      };
      setHandler(defineQuery<boolean[]>('look'), look);
      seen.push(look());
      await sleep(1);
    },
  }),
  async (driver) => {
    await driver.start();
    assert.deepEqual(driver.query('look'), [false, false]);
    const replayed = await driver.continued(driver.load);
    assert.deepEqual(replayed.query('look'), [true, false]);
    replayed.run.dispose();
    assert.deepEqual(seen, [
      [false, false],
      [true, true],
    ]);
  },
);

workflowTest(
  'queries can use randomness of the machine, which differs on every draw',
  () => ({
    async workflow(): Promise<void> {
      setHandler(defineQuery<unknown[]>('draw'), () => {
        const { random, now } = workflowInfo().unsafe;
        return [random.random(), random.uuid4(), [...random.fillRandom(new Uint8Array(16))], now()];
      });
      await sleep(1);
    },
  }),
  async (driver) => {
    await driver.start();
    const [first, second] = [driver.query('draw'), driver.query('draw')] as [unknown[], unknown[]];
    for (const [number, uuid, bytes, now] of [first, second]) {
      assert.ok((number as number) >= 0 && (number as number) < 1);
      assert.match(uuid as string, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.equal((bytes as number[]).length, 16);
      assert.ok(Math.abs((now as number) - Date.now()) < 60_000);
    }
    for (const index of [0, 1, 2]) assert.notDeepEqual(first[index], second[index]);
  },
);

workflowTest(
  'a run knows the start times of its chain and of itself',
  () => ({
    async workflow(): Promise<number[]> {
      const { startTime, runStartTime } = workflowInfo();
      return [startTime.getTime(), runStartTime.getTime()];
    },
  }),
  async (driver) => {
    const start = driver.started();
    const meta = JSON.stringify({ ...JSON.parse(start.meta!), chainStartedAt: 1_600_000_000_000_000 });
    const [closed] = await driver.turn({
      ...newEvent(0, 'WorkflowStarted', { ...start, meta }),
      payload: encodePayload([]),
    });
    assert.deepEqual(resultOf(closed), [1_600_000_000_000, driver.nowMs]);
  },
);
