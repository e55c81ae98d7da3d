// Timers, conditions, time and randomness. Behaviors 25 to 32 of docs/behaviors.md.
import assert from 'node:assert/strict';
import {
  condition,
  defineSignal,
  proxyActivities,
  setHandler,
  sleep,
  uuid4,
  workflowInfo,
} from '../../../sdk/workflow.ts';
import { completed, fired, globals, resultOf, runId, signal, texts, workflowTest } from './harness.ts';

const go = defineSignal<[number?]>('go');
const { fetchIt } = proxyActivities<{ fetchIt(): Promise<string> }>({ startToCloseTimeout: '1 minute' });

workflowTest(
  'sleep takes milliseconds or a text, and lasts at least 1 ms',
  () => ({
    async workflow(): Promise<void> {
      await Promise.all([sleep(0), sleep(-5), sleep(0.25), sleep('2s'), sleep(1500)]);
    },
  }),
  async (driver) => {
    const timers = await driver.start();
    const at = timers[0] === undefined ? 0 : driver.turns[0]!.at / 1000;
    assert.deepEqual(texts(timers, at), [
      'TimerStarted 1',
      'TimerStarted 1',
      'TimerStarted 1',
      'TimerStarted 2000',
      'TimerStarted 1500',
    ]);
    assert.deepEqual(texts(await driver.turn(...timers.map(({ seq }) => fired(seq)))), ['WorkflowCompleted undefined']);
  },
);

workflowTest(
  'an invalid duration is a TypeError that workflow code can catch',
  () => ({
    async workflow(): Promise<string[]> {
      const errors: string[] = [];
      for (const bad of ['garbage', '', Number.NaN, Number.POSITIVE_INFINITY, {}, undefined, 1e300]) {
        try {
          await sleep(bad as number);
        } catch (error) {
          errors.push((error as Error).name);
        }
      }
      return errors;
    },
  }),
  async (driver) => {
    const [closed] = await driver.start();
    assert.deepEqual(
      resultOf(closed),
      Array.from({ length: 7 }, () => 'TypeError'),
    );
  },
);

workflowTest(
  'a condition without timeout leaves nothing in the history and is evaluated after every job',
  () => ({
    async workflow(): Promise<string> {
      let count = 0;
      setHandler(go, () => void (count += 1));
      await condition(() => count === 1); // true between two microtasks of one activation
      return `saw 1, now ${count}`;
    },
  }),
  async (driver) => {
    assert.deepEqual(await driver.start(), []);
    assert.deepEqual(texts(await driver.turn(signal('go'), signal('go'))), ['WorkflowCompleted "saw 1, now 2"']);
  },
);

workflowTest(
  'conditions unblock each other to a fixed point, also across microtasks',
  () => ({
    async workflow(): Promise<string[]> {
      const order: string[] = [];
      let open = false;
      setHandler(go, () => void (open = true));
      const wait = async (name: string, predicate: () => boolean): Promise<void> => {
        await condition(predicate);
        order.push(name);
      };
      await Promise.all([
        wait('third', () => order.includes('second')),
        wait('second', () => order.includes('first')),
        wait('first', () => open),
      ]);
      return order;
    },
  }),
  async (driver) => {
    await driver.start();
    const [closed] = await driver.turn(signal('go'));
    assert.deepEqual(resultOf(closed), ['first', 'second', 'third']);
  },
);

workflowTest(
  'a condition that holds at once leaves no timer',
  () => ({ workflow: () => condition(() => true, '1 day') }),
  async (driver) => assert.deepEqual(texts(await driver.start()), ['WorkflowCompleted true']),
);

workflowTest(
  'a condition with timeout 0 waits for 1 ms and returns false',
  () => ({ workflow: () => condition(() => false, 0) }),
  async (driver) => {
    const [timer] = await driver.start();
    assert.deepEqual(texts([timer!], driver.nowMs), ['TimerStarted 2']); // .5 ms of the turn's time rounded down, + 1 ms
    assert.deepEqual(texts(await driver.turn(fired(timer!.seq))), ['WorkflowCompleted false']);
  },
);

const waitForGo = () => ({
  async workflow(): Promise<boolean> {
    let open = false;
    setHandler(go, () => void (open = true));
    const met = await condition(() => open, '1 minute');
    await sleep(1);
    return met;
  },
});

workflowTest('a condition that becomes true later cancels its timer', waitForGo, async (driver) => {
  const [timer] = await driver.start();
  const outputs = await driver.turn(signal('go'));
  assert.deepEqual(texts(outputs), [`TimerCancelled ${timer!.seq}`, 'TimerStarted']);
  assert.deepEqual(texts(await driver.turn(fired(outputs[1]!.seq))), ['WorkflowCompleted true']);
});

workflowTest(
  'with a signal and a timer in one activation the condition is met, and the fired timer is not cancelled',
  waitForGo,
  async (driver) => {
    const [timer] = await driver.start();
    const outputs = await driver.turn(fired(timer!.seq), signal('go'));
    assert.deepEqual(texts(outputs), ['TimerStarted']);
    assert.deepEqual(texts(await driver.turn(fired(outputs[0]!.seq))), ['WorkflowCompleted true']);
  },
);

workflowTest(
  'a predicate that throws rejects only its own condition',
  () => ({
    async workflow(): Promise<string> {
      const state = {
        armed: false,
        get value(): boolean {
          if (this.armed) throw new RangeError('throwing getter');
          return false;
        },
      };
      setHandler(go, () => void (state.armed = true));
      const other = condition(() => state.armed);
      const error = await condition(() => state.value).catch((thrown: Error) => thrown);
      await other;
      return String(error);
    },
  }),
  async (driver) => {
    await driver.start();
    assert.deepEqual(texts(await driver.turn(signal('go'))), ['WorkflowCompleted "RangeError: throwing getter"']);
  },
);

workflowTest(
  'time stands still within an activation and advances with the next',
  () => ({
    async workflow(): Promise<number[]> {
      const { Date } = globals;
      const seen = [Date.now(), new Date().getTime()];
      await sleep(1);
      seen.push(Date.now(), Number(new Date()), workflowInfo().startTime.getTime());
      return seen;
    },
  }),
  async (driver) => {
    const [timer] = await driver.start();
    const first = driver.nowMs;
    const [closed] = await driver.turn(fired(timer!.seq));
    const second = driver.nowMs;
    assert.ok(second > first);
    assert.deepEqual(resultOf(closed), [first, first, second, second, first]);
  },
);

workflowTest(
  'Date otherwise behaves as usual',
  () => ({
    async workflow(): Promise<unknown[]> {
      const { Date } = globals;
      class Day extends Date {}
      const day = new Day(2020, 1, 2);
      return [
        new Date(5).getTime(),
        new Date('2020-02-03T00:00:00Z').toISOString(),
        day instanceof Day && day instanceof Date,
        new Day().getTime() === Date.now(),
        (Date as unknown as () => string)() === new Date().toString(),
        Date.UTC(2020, 0) === Date.parse('2020-01-01T00:00:00Z'),
        Date.name,
        Date.length,
      ];
    },
  }),
  async (driver) => {
    const [closed] = await driver.start();
    assert.deepEqual(resultOf(closed), [5, '2020-02-03T00:00:00.000Z', true, true, true, true, 'Date', 7]);
  },
);

workflowTest(
  'random numbers and ids depend only on the seed',
  () => ({
    async workflow(): Promise<unknown[]> {
      return [globals.Math.random(), globals.Math.random(), uuid4(), globals.crypto.randomUUID()];
    },
  }),
  async (driver) => {
    const [closed] = await driver.start();
    const [a, b, first, second] = resultOf(closed) as [number, number, string, string];
    assert.ok(a >= 0 && a < 1 && b >= 0 && b < 1 && a !== b);
    for (const id of [first, second])
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.notEqual(first, second);
    // Golden values: a changed generator would break every history that used it.
    assert.deepEqual([a, b], [0.11666529455556218, 0.37013087394537314]);
    assert.deepEqual([first, second], ['4c093de2-b528-41db-bee5-c78ae0888b24', 'a5def759-5378-4924-98b6-89c6ce3f0f25']);
  },
);

workflowTest(
  'setTimeout is a durable timer with arguments, and clearTimeout in the same activation leaves nothing',
  () => ({
    async workflow(): Promise<string> {
      const { setTimeout, clearTimeout } = globals;
      clearTimeout(setTimeout(() => undefined, 50));
      const later = setTimeout(() => assert.fail('cleared'), 60_000);
      const text = await new Promise<string>((resolve) => setTimeout(resolve, 10, 'hello'));
      clearTimeout(later);
      clearTimeout(later);
      await sleep(1);
      return text;
    },
  }),
  async (driver) => {
    const timers = await driver.start();
    assert.deepEqual(texts(timers), ['TimerStarted', 'TimerStarted']);
    const outputs = await driver.turn(fired(timers[1]!.seq));
    assert.deepEqual(texts(outputs), [`TimerCancelled ${timers[0]!.seq}`, 'TimerStarted']);
    assert.deepEqual(texts(await driver.turn(fired(outputs[1]!.seq))), ['WorkflowCompleted "hello"']);
  },
);

workflowTest(
  'an error in a setTimeout callback fails the task',
  () => ({
    async workflow(): Promise<void> {
      globals.setTimeout(() => {
        throw new Error('late');
      }, 1);
      await condition(() => false);
    },
  }),
  async (driver) => {
    const [timer] = await driver.start();
    const result = await driver.attempt(fired(timer!.seq));
    assert.ok(!result.ok);
    assert.deepEqual([result.failure.code, result.failure.message], ['WORKFLOW_ERROR', 'late']);
  },
);

workflowTest(
  'the loser of Promise.race is not cancelled, and the run may close while it is pending',
  () => ({ workflow: () => Promise.race([sleep('1 day'), fetchIt()]) }),
  async (driver) => {
    const [timer, activity] = await driver.start();
    assert.deepEqual(texts([timer!, activity!]), ['TimerStarted', 'ActivityScheduled fetchIt#1']);
    assert.deepEqual(texts(await driver.turn(completed(activity!.seq, 'fast'))), ['WorkflowCompleted "fast"']);
    assert.deepEqual(await driver.turn(fired(timer!.seq)), []); // the run accepts nothing after its end
  },
);

workflowTest(
  'workflowInfo describes the run',
  () => ({
    async workflow(): Promise<unknown[]> {
      const before = workflowInfo().historyLength;
      await sleep(1);
      const info = workflowInfo();
      return [info.workflowId, info.runId, info.workflowType, info.taskQueue, info.attempt, before, info.historyLength];
    },
  }),
  async (driver) => {
    const [timer] = await driver.start();
    const [closed] = await driver.turn(fired(timer!.seq));
    assert.deepEqual(resultOf(closed), ['order-1', runId, 'workflow', 'orders', 1, 1, 3]);
  },
);
