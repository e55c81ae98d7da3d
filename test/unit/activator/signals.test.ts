// Signals: buffered, drained in order and re-entrantly, each handled as a separate task. Behaviors 1 to 6 of
// docs/behaviors.md.
import assert from 'node:assert/strict';
import {
  ApplicationFailure,
  condition,
  defineSignal,
  setDefaultSignalHandler,
  setHandler,
  sleep,
} from '../../../sdk/workflow.ts';
import { cancelRequested, fired, resultOf, signal, texts, workflowTest } from './harness.ts';

const signalA = defineSignal<[number]>('A');
const signalB = defineSignal<[number]>('B');
const signalC = defineSignal<[number]>('C');

workflowTest(
  'a signal from before the start is visible on the line after setHandler',
  () => ({
    async workflow(): Promise<number> {
      let seen = 0;
      setHandler(signalA, (value) => {
        seen = value;
      });
      return seen;
    },
  }),
  async (driver) => {
    assert.deepEqual(texts(await driver.start([], signal('A', 7))), ['WorkflowCompleted 7']);
  },
);

workflowTest(
  'the main function starts after the signals and the cancel request of its activation',
  () => {
    const order: string[] = [];
    setDefaultSignalHandler((name) => void order.push(name));
    return {
      async workflow(): Promise<string[]> {
        order.push('main');
        await sleep(1).catch((error: Error) => order.push(error.message));
        return order;
      },
    };
  },
  async (driver) => {
    const [closed] = await driver.start([], cancelRequested(), signal('x'), signal('y'));
    assert.deepEqual(resultOf(closed), ['x', 'y', 'main', 'Workflow cancelled']);
  },
);

const firstSignals = [
  signal('unknown', 1),
  signal('A', 2),
  signal('unknown', 3),
  signal('unknown', 4),
  signal('B', 5),
  signal('unknown', 6),
  signal('B', 7),
];

workflowTest(
  'a named handler drains its own signals, a default handler the rest, each in order of arrival',
  () => ({
    async workflow(): Promise<string[]> {
      const seen: string[] = [];
      setHandler(signalA, (value) => void seen.push(`A${value}`));
      setHandler(signalA, undefined);
      setHandler(signalB, (value) => void seen.push(`B${value}`));
      setDefaultSignalHandler((_name, value) => void seen.push(`default${String(value)}`));
      return seen;
    },
  }),
  async (driver) => {
    const [closed] = await driver.start([], ...firstSignals);
    assert.deepEqual(resultOf(closed), ['A2', 'B5', 'B7', 'default1', 'default3', 'default4', 'default6']);
  },
);

workflowTest(
  'the drain is re-entrant: a handler set by a handler takes the next signal',
  () => ({
    async workflow(): Promise<string[]> {
      const seen: string[] = [];
      const handleA = (value: number): void => {
        seen.push(`A${value}`);
        setHandler(signalA, undefined);
        setHandler(signalB, handleB);
      };
      const handleB = (value: number): void => {
        seen.push(`B${value}`);
        setHandler(signalB, undefined);
        setHandler(signalC, handleC);
      };
      const handleC = (value: number): void => {
        seen.push(`C${value}`);
        setHandler(signalC, undefined);
        setDefaultSignalHandler(handleDefault);
      };
      const handleDefault = (_name: string, value: unknown): void => {
        seen.push(`default${String(value)}`);
        setDefaultSignalHandler(undefined);
        setHandler(signalA, handleA);
      };
      setHandler(signalA, handleA);
      return seen;
    },
  }),
  async (driver) => {
    const arrived = [
      signal('unknown', 1),
      signal('A', 2),
      signal('A', 3),
      signal('B', 4),
      signal('B', 5),
      signal('C', 6),
      signal('C', 7),
    ];
    const [closed] = await driver.start([], ...arrived);
    assert.deepEqual(resultOf(closed), ['A2', 'B4', 'C6', 'default1', 'A3', 'B5', 'C7']);
  },
);

workflowTest(
  'two signals to an async handler interleave at await',
  () => ({
    async workflow(): Promise<string[]> {
      const seen: string[] = [];
      setHandler(signalA, async (value) => {
        seen.push(`begin${value}`);
        await sleep(value);
        seen.push(`end${value}`);
      });
      await condition(() => seen.length === 4);
      return seen;
    },
  }),
  async (driver) => {
    assert.deepEqual(texts(await driver.start()), []);
    const timers = await driver.turn(signal('A', 20), signal('A', 10));
    assert.equal(timers.length, 2);
    const [closed] = await driver.turn(fired(timers[1]!.seq), fired(timers[0]!.seq));
    assert.deepEqual(resultOf(closed), ['begin20', 'begin10', 'end10', 'end20']);
  },
);

workflowTest(
  'signals without a handler neither fail nor block the run',
  () => ({ workflow: async () => 'done' }),
  async (driver) => {
    assert.deepEqual(texts(await driver.start([], signal('nobody', 1))), ['WorkflowCompleted "done"']);
  },
);

for (const [kind, handler] of [
  [
    'a sync',
    () => {
      throw ApplicationFailure.nonRetryable('no');
    },
  ],
  [
    'an async',
    async () => {
      await Promise.resolve();
      throw ApplicationFailure.nonRetryable('no');
    },
  ],
] as const) {
  workflowTest(
    `a failure in ${kind} signal handler fails the run`,
    () => ({
      async workflow(): Promise<void> {
        setHandler(signalA, handler);
        await sleep(1000);
      },
    }),
    async (driver) => {
      assert.deepEqual(texts(await driver.start([], signal('A', 1))), ['TimerStarted', 'WorkflowFailed no']);
    },
  );
}

for (const [kind, handler] of [
  [
    'a sync',
    () => {
      throw new TypeError('bug');
    },
  ],
  [
    'an async',
    async () => {
      await Promise.resolve();
      throw new TypeError('bug');
    },
  ],
] as const) {
  workflowTest(
    `any other error in ${kind} signal handler fails the task`,
    () => ({
      async workflow(): Promise<void> {
        setHandler(signalA, handler);
        await sleep(1000);
      },
    }),
    async (driver) => {
      const result = await driver.attempt(driver.started(), signal('A', 1));
      assert.ok(!result.ok);
      assert.equal(result.failure.code, 'WORKFLOW_ERROR');
      assert.equal(result.failure.message, 'TypeError: bug');
      assert.match(result.failure.stack ?? '', /signals\.test\.ts/);
    },
  );
}

workflowTest(
  'a handler must be a function or undefined',
  () => ({
    async workflow(): Promise<string> {
      try {
        setHandler(signalA, 'text' as unknown as undefined);
      } catch (error) {
        return String(error);
      }
      return '';
    },
  }),
  async (driver) => {
    const [closed] = await driver.start();
    assert.equal(resultOf(closed), "TypeError: Expected handler to be either a function or 'undefined'. Got: 'string'");
  },
);

workflowTest(
  'ten thousand buffered signals drain in order, skipping signals with another name',
  () => ({
    async workflow(): Promise<boolean> {
      const seen: number[] = [];
      setHandler(signalB, (value) => void seen.push(value));
      return seen.length === 10_000 && seen.every((value, index) => value === index);
    },
  }),
  async (driver) => {
    const others = Array.from({ length: 100 }, () => signal('A', 0));
    const [closed] = await driver.start(
      [],
      ...others,
      ...Array.from({ length: 10_000 }, (_, index) => signal('B', index)),
    );
    assert.equal(resultOf(closed), true);
  },
);
