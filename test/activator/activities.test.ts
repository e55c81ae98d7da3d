// Scheduling activities and what workflow code sees of their ends. Behaviors 40, 41, 44 and 58, 59 of spec/sdk.md.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ActivityFailure,
  type ActivityOptions,
  ApplicationFailure,
  defineSignal,
  proxyActivities,
  setHandler,
  sleep,
  TimeoutFailure,
} from '../../sdk/workflow.ts';
import { decodePayload } from '../../runtime/history/payload.ts';
import { completed, failed, resultOf, texts, workflowTest } from './harness.ts';

interface Activities {
  greet(name: string, at?: Date): Promise<string>;
  pay(order: { id: number }): Promise<void>;
}
const options = { startToCloseTimeout: '10s' } as const;
const { greet, pay } = proxyActivities<Activities>(options);

workflowTest(
  'arguments and options of an activity stand in its event, its result comes back',
  () => ({
    async workflow(name: string): Promise<string> {
      const acts = proxyActivities<Activities>({
        startToCloseTimeout: 1000,
        scheduleToCloseTimeout: '1 minute',
        scheduleToStartTimeout: 500,
        heartbeatTimeout: '2s',
        summary: 'says hello',
        cancellationType: 'TRY_CANCEL',
        retry: {
          initialInterval: '2s',
          backoffCoefficient: 3,
          maximumInterval: 9000,
          maximumAttempts: 4,
          nonRetryableErrorTypes: ['Bad'],
        },
      });
      return await acts.greet(name, new Date(5));
    },
  }),
  async (driver) => {
    const [activity] = await driver.start(['Ada']);
    assert.ok(activity?.payload);
    assert.equal(activity.name, 'greet');
    assert.deepEqual(decodePayload(activity.payload), ['Ada', new Date(5)]);
    assert.deepEqual(JSON.parse(activity.meta ?? ''), {
      id: '1',
      stc: 1000,
      s2c: 60_000,
      s2s: 500,
      hb: 2000,
      retry: { initial: 2000, coefficient: 3, max: 9000, attempts: 4, fatal: ['Bad'] },
      cancel: 'TRY_CANCEL',
      summary: 'says hello',
    });
    assert.deepEqual(texts(await driver.turn(completed(activity.seq, 'hello'))), ['WorkflowCompleted "hello"']);
  },
);

workflowTest(
  'ids count up, an own id is kept, and results reach the right call in any order',
  () => ({
    async workflow(): Promise<string[]> {
      return await Promise.all([
        greet('a'),
        greet.executeWithOptions({ activityId: 'mine', retry: { maximumAttempts: 2 } }, ['b']),
        greet('c'),
      ]);
    },
  }),
  async (driver) => {
    const scheduled = await driver.start();
    assert.deepEqual(texts(scheduled), [
      'ActivityScheduled greet#1',
      'ActivityScheduled greet#mine',
      'ActivityScheduled greet#3',
    ]);
    assert.deepEqual(JSON.parse(scheduled[1]!.meta!), { id: 'mine', stc: 10_000, retry: { attempts: 2 } });
    const [first, second, third] = scheduled.map(({ seq }) => seq);
    assert.deepEqual(await driver.turn(completed(third!, 'C')), []);
    assert.deepEqual(await driver.turn(completed(first!, 'A'), completed(first!, 'again')), []);
    const [closed] = await driver.turn(completed(second!, 'B'), completed(999, 'nobody'));
    assert.deepEqual(resultOf(closed), ['A', 'B', 'C']);
  },
);

workflowTest(
  'a failed activity is an ActivityFailure around its cause',
  () => ({
    async workflow(): Promise<unknown> {
      try {
        return await greet('x');
      } catch (error) {
        assert.ok(error instanceof ActivityFailure && error.cause instanceof ApplicationFailure);
        const { message, activityType, activityId, retryState, identity, cause } = error;
        return { message, activityType, activityId, retryState, identity, type: cause.type, cause: cause.message };
      }
    },
  }),
  async (driver) => {
    const [activity] = await driver.start();
    const [closed] = await driver.turn(failed(activity!.seq, new RangeError('too far')));
    assert.deepEqual(resultOf(closed), {
      message: 'Activity task failed',
      activityType: 'greet',
      activityId: '1',
      retryState: 'MAXIMUM_ATTEMPTS_REACHED',
      identity: 'worker-1',
      type: 'RangeError',
      cause: 'too far',
    });
  },
);

workflowTest(
  'a timed out activity has a TimeoutFailure as cause; thrown on, it fails the run',
  () => ({
    async workflow(): Promise<void> {
      await greet('x').catch((error: ActivityFailure) => {
        assert.ok(error.cause instanceof TimeoutFailure);
        assert.equal(error.retryState, 'TIMEOUT');
        throw error;
      });
    },
  }),
  async (driver) => {
    const [activity] = await driver.start();
    const failure = new TimeoutFailure('activity StartToClose timeout', null, 'START_TO_CLOSE');
    const outputs = await driver.turn(failed(activity!.seq, failure, { retryState: 'TIMEOUT' }, 'ActivityTimedOut'));
    assert.deepEqual(texts(outputs), ['WorkflowFailed Activity task failed']);
  },
);

workflowTest(
  'two open activities with one id are refused; a closed one frees its id',
  () => ({
    async workflow(): Promise<string> {
      const call = (): Promise<string> => greet.executeWithOptions({ activityId: 'one' }, ['x']);
      const first = call();
      const error = await call().catch((thrown: unknown) => thrown);
      await first;
      await call();
      return (error as Error).message;
    },
  }),
  async (driver) => {
    const [first] = await driver.start();
    const [second] = await driver.turn(completed(first!.seq));
    const [closed] = await driver.turn(completed(second!.seq));
    assert.match(resultOf(closed) as string, /with id 'one': an open activity of this run has that id/);
  },
);

workflowTest(
  'arguments that cannot be encoded reject the call and leave nothing',
  () => ({
    async workflow(): Promise<string[]> {
      const throwing = {
        id: 1,
        get secret(): string {
          throw new Error('throwing getter');
        },
      };
      const circular: { id: number; self?: unknown } = { id: 1 };
      circular.self = circular;
      const seen: string[] = [];
      for (const order of [throwing, circular, { id: 1, run: () => 1 }]) {
        await pay(order).catch((error: Error) => seen.push((error as { code?: string }).code ?? error.name));
      }
      return seen;
    },
  }),
  async (driver) => {
    const [closed] = await driver.start();
    assert.deepEqual(resultOf(closed), ['NOT_SERIALISABLE', 'NOT_SERIALISABLE', 'NOT_SERIALISABLE']);
  },
);

workflowTest(
  'five thousand activities of one turn settle in any order',
  () => ({
    async workflow(): Promise<number> {
      const results = await Promise.all(Array.from({ length: 5000 }, (_, index) => greet(String(index))));
      return results.filter((result, index) => result === `r${index}`).length;
    },
  }),
  async (driver) => {
    const scheduled = await driver.start();
    const answers = scheduled.map(({ seq }, index) => completed(seq, `r${index}`)).reverse();
    assert.deepEqual(await driver.turn(...answers.slice(0, 2500)), []);
    assert.deepEqual(texts(await driver.turn(...answers.slice(2500))), ['WorkflowCompleted 5000']);
  },
);

workflowTest(
  'commands made after the run ended in the same activation come before its end, a second end is dropped',
  () => ({
    async workflow(): Promise<string> {
      setHandler(defineSignal('x'), async () => {
        await Promise.resolve();
        throw ApplicationFailure.nonRetryable('late');
      });
      void Promise.resolve()
        .then(() => null)
        .then(() => null)
        .then(() => null)
        .then(() => greet('after'));
      return 'first';
    },
  }),
  async (driver) => {
    assert.deepEqual(texts(await driver.start()), ['ActivityScheduled greet#1', 'WorkflowCompleted "first"']);
  },
);

workflowTest(
  'a proxy may be returned from an async function, and has no symbols',
  () => ({
    async workflow(): Promise<string> {
      const acts = await (async () => proxyActivities<Activities>(options))();
      try {
        return String(Reflect.get(acts, Symbol.iterator));
      } catch (error) {
        return String(error);
      }
    },
  }),
  async (driver) => {
    const [closed] = await driver.start();
    assert.equal(
      resultOf(closed),
      'TypeError: Only strings are supported for Activity types, got: Symbol(Symbol.iterator)',
    );
  },
);

const refused: [ActivityOptions | undefined, string, string][] = [
  [undefined, 'TypeError', 'options must be defined'],
  [{}, 'TypeError', 'Required either scheduleToCloseTimeout or startToCloseTimeout'],
  [{ startToCloseTimeout: 0 }, 'TypeError', 'Required either scheduleToCloseTimeout or startToCloseTimeout'],
  [{ startToCloseTimeout: 'soon' as '1s' }, 'TypeError', "Invalid duration string: 'soon'"],
  [{ ...options, heartbeatTimeout: -1 }, 'TypeError', 'Invalid heartbeatTimeout: -1 ms. Expected a positive duration'],
  [
    { ...options, queue: 'other' } as ActivityOptions,
    'RuntimeError',
    "Activity option 'queue' is unknown. Expected startToCloseTimeout, scheduleToCloseTimeout, scheduleToStartTimeout, heartbeatTimeout, retry, cancellationType, activityId, taskQueue, summary, allowEagerDispatch, versioningIntent.",
  ],
  [
    { ...options, taskQueue: '' },
    'TypeError',
    'Invalid taskQueue: "". Expected 1 to 1000 characters without NUL and lone surrogates',
  ],
  [
    { ...options, cancellationType: 'NEVER' as 'ABANDON' },
    'TypeError',
    "Invalid cancellationType: 'NEVER'. Expected one of TRY_CANCEL, WAIT_CANCELLATION_COMPLETED, ABANDON",
  ],
  [{ ...options, retry: { initialInterval: 0 } }, 'ValueError', 'RetryPolicy.initialInterval cannot be 0'],
  [{ ...options, retry: { maximumInterval: 0 } }, 'ValueError', 'RetryPolicy.maximumInterval cannot be 0'],
  [
    { ...options, retry: { maximumInterval: 10 } },
    'ValueError',
    'RetryPolicy.maximumInterval cannot be less than its initialInterval',
  ],
  [
    { ...options, retry: { backoffCoefficient: 0 } },
    'ValueError',
    'RetryPolicy.backoffCoefficient must be greater than 0',
  ],
  [
    { ...options, retry: { maximumAttempts: 0 } },
    'ValueError',
    'RetryPolicy.maximumAttempts must be a positive integer',
  ],
  [{ ...options, retry: { maximumAttempts: 1.5 } }, 'ValueError', 'RetryPolicy.maximumAttempts must be an integer'],
];
for (const [bad, name, message] of refused) {
  test(`options are checked at once: ${message}`, () => {
    assert.throws(() => proxyActivities(bad as ActivityOptions), { name, message });
  });
}

test('unlimited attempts and an unset policy leave no trace', () => {
  proxyActivities({ ...options, retry: { maximumAttempts: Number.POSITIVE_INFINITY } });
});

workflowTest(
  'changed arguments and options of activities are no determinism error',
  () => ({
    async workflow(): Promise<void> {
      await greet('before');
      await sleep(5);
    },
  }),
  async (driver) => {
    const [activity] = await driver.start();
    await driver.turn(completed(activity!.seq));
    const changed = await driver.replay(() => ({
      async workflow(): Promise<void> {
        await proxyActivities<Activities>({ startToCloseTimeout: 5, summary: 'new' }).greet('after');
        await sleep(99);
      },
    }));
    assert.ok(changed.ok);
  },
);
