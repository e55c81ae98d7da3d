// Scheduling activities, and how workflow code sees their outcomes. Behaviors 40, 41, 44, 58 and 59 of
// docs/behaviors.md.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ActivityFailure,
  type ActivityOptions,
  ApplicationFailure,
  defineSignal,
  proxyActivities,
  type RetryPolicy,
  scheduleActivity,
  setHandler,
  sleep,
  TimeoutFailure,
} from '../../../sdk/workflow.ts';
import { ValueError } from '../../../sdk/common.ts';
import { decodePayload } from '../../../runtime/core/payload/payload.ts';
import { completed, failed, resultOf, texts, workflowTest } from './harness.ts';

interface Activities {
  greet(name: string, at?: Date): Promise<string>;
  pay(order: { id: number }): Promise<void>;
}
const options = { startToCloseTimeout: '10s' } as const;
const { greet, pay } = proxyActivities<Activities>(options);

workflowTest(
  "an activity's event holds its arguments and options, and the call returns its result",
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
  'default ids count up, a given id is kept, and results in any order reach the right call',
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
  'a timed out activity has a TimeoutFailure as cause, and rethrowing it fails the run',
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
    assert.deepEqual(texts(outputs), ['WorkflowFailed Activity task timed out']);
  },
);

const ids = (second: string) => () => ({
  async workflow(): Promise<string> {
    const first = greet.executeWithOptions({ activityId: 'one' }, ['x']);
    await greet.executeWithOptions({ activityId: second }, ['x']).catch(() => undefined);
    await first;
    return greet.executeWithOptions({ activityId: 'one' }, ['again']);
  },
});

workflowTest(
  'two open activities with the same id fail the task, even if the code catches the error',
  ids('one'),
  async (driver) => {
    const failure = await driver.failingTurn(driver.started());
    assert.equal(failure.code, 'INVALID_INPUT');
    assert.match(failure.message, /'greet' .* with id 'one': an open activity of this run has that id/);
  },
);

workflowTest('a closed activity frees its id', ids('two'), async (driver) => {
  const [one] = await driver.start();
  const [two] = await driver.turn(completed(one!.seq + 1), completed(one!.seq));
  assert.equal(two?.type, 'ActivityScheduled');
  await driver.turn(completed(two.seq, 'done'));
});

workflowTest(
  'arguments that cannot be encoded reject the call and leave no event',
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
  'commands issued after the run ended in the same activation precede its closing event, and a second end is dropped',
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

const retryOptions = 'initialInterval, backoffCoefficient, maximumInterval, maximumAttempts, nonRetryableErrorTypes';
const refused: [ActivityOptions | undefined, string, string][] = [
  [undefined, 'TypeError', 'options must be defined'],
  [{}, 'TypeError', 'Required either scheduleToCloseTimeout or startToCloseTimeout'],
  [{ startToCloseTimeout: 0 }, 'TypeError', 'Required either scheduleToCloseTimeout or startToCloseTimeout'],
  [
    { startToCloseTimeout: 'soon' as '1s' },
    'TypeError',
    "startToCloseTimeout: Invalid duration string: 'soon'. Expected milliseconds or a text such as '5 minutes'",
  ],
  [{ ...options, heartbeatTimeout: -1 }, 'TypeError', 'heartbeatTimeout is -1 ms, expected 0 to 100 years'],
  [{ startToCloseTimeout: 1e16 }, 'TypeError', 'startToCloseTimeout is 10000000000000000 ms, expected 0 to 100 years'],
  [
    { ...options, scheduleToCloseTimeout: 1e300 },
    'TypeError',
    'scheduleToCloseTimeout is 1e+300 ms, expected 0 to 100 years',
  ],
  [
    { scheduleToStartTimeout: Number.POSITIVE_INFINITY },
    'TypeError',
    "scheduleToStartTimeout: Invalid duration: Infinity. Expected milliseconds or a text such as '30s'",
  ],
  [
    { ...options, queue: 'other' } as ActivityOptions,
    'RuntimeError',
    'An activity has no option "queue". Known options: startToCloseTimeout, scheduleToCloseTimeout, scheduleToStartTimeout, retry, cancellationType, skippable, summary, heartbeatTimeout, taskQueue, allowEagerDispatch, versioningIntent, activityId.',
  ],
  [
    { ...options, taskQueue: '' },
    'TypeError',
    'Invalid taskQueue: the text "". Expected 1 to 1000 characters without NUL and lone surrogates',
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
  [
    { ...options, retry: { maximumAttempts: Number.NaN } },
    'ValueError',
    'RetryPolicy.maximumAttempts must be an integer',
  ],
  [
    { ...options, retry: { backoffCoefficient: 0.5 } },
    'ValueError',
    'RetryPolicy.backoffCoefficient must not be less than 1',
  ],
  [{ ...options, retry: { initialInterval: -1 } }, 'ValueError', 'RetryPolicy.initialInterval cannot be negative'],
  [
    { ...options, retry: { nonRetryableErrorTypes: 'Bad' as unknown as string[] } },
    'ValueError',
    'RetryPolicy.nonRetryableErrorTypes must be an array of strings without NUL',
  ],
  [
    { ...options, retry: { initialInterval: 'soon' as '1s' } },
    'TypeError',
    "retry.initialInterval: Invalid duration string: 'soon'. Expected milliseconds or a text such as '5 minutes'",
  ],
  [
    { ...options, retry: { maximumInterval: {} as unknown as '1s' } },
    'TypeError',
    "retry.maximumInterval: Invalid duration: [object Object]. Expected milliseconds or a text such as '30s'",
  ],
  [
    { ...options, retry: { backoffCoefficient: '2' as unknown as number } },
    'ValueError',
    'RetryPolicy.backoffCoefficient must be a number',
  ],
  [
    { ...options, retry: { maxAttempts: 3 } as RetryPolicy },
    'RuntimeError',
    `retry has no option "maxAttempts". Known options: ${retryOptions}.`,
  ],
  [
    { ...options, retry: 5 as unknown as RetryPolicy },
    'RuntimeError',
    `retry is 5, expected an object of ${retryOptions}.`,
  ],
  [
    { ...options, retry: [] as unknown as RetryPolicy },
    'RuntimeError',
    `retry is a list of 0, expected an object of ${retryOptions}.`,
  ],
  [
    { ...options, activityId: '' },
    'RuntimeError',
    'activityId is the text "", expected text of 1 to 1000 characters without NUL and lone surrogates.',
  ],
  [
    { ...options, activityId: 5 as unknown as string },
    'RuntimeError',
    'activityId is 5, expected text of 1 to 1000 characters without NUL and lone surrogates.',
  ],
];
for (const [bad, name, message] of refused) {
  test(`invalid options are rejected at once: ${message}`, () => {
    assert.throws(() => proxyActivities(bad as ActivityOptions), { name, message });
  });
}

workflowTest(
  'unlimited attempts and an unset policy leave no trace',
  () => ({
    async workflow(): Promise<void> {
      const unset = { initialInterval: null, maximumInterval: null, backoffCoefficient: null, maximumAttempts: null };
      void greet.executeWithOptions({ retry: { maximumAttempts: Number.POSITIVE_INFINITY } }, ['x']);
      void greet.executeWithOptions({ retry: unset as unknown as RetryPolicy }, ['x']);
      await sleep(1);
    },
  }),
  async (driver) => {
    const [first, second] = await driver.start();
    assert.deepEqual(JSON.parse(first?.meta ?? ''), { id: '1', stc: 10_000, retry: {} });
    assert.deepEqual(JSON.parse(second?.meta ?? ''), { id: '2', stc: 10_000, retry: {} });
  },
);

workflowTest(
  'executeWithOptions overrides the options of the proxy, also inside retry, and undefined removes an option',
  () => ({
    async workflow(): Promise<void> {
      const acts = proxyActivities<Activities>({
        startToCloseTimeout: 1000,
        heartbeatTimeout: 100,
        retry: { maximumAttempts: 2, nonRetryableErrorTypes: ['A'] },
      });
      void acts.greet.executeWithOptions({ heartbeatTimeout: 50, retry: { nonRetryableErrorTypes: ['B'] } }, ['x']);
      const without = { retry: undefined, heartbeatTimeout: undefined } as unknown as ActivityOptions;
      void acts.greet.executeWithOptions(without, ['x']);
      await sleep(1);
    },
  }),
  async (driver) => {
    const [merged, without] = await driver.start();
    assert.deepEqual(JSON.parse(merged?.meta ?? ''), {
      id: '1',
      stc: 1000,
      hb: 50,
      retry: { attempts: 2, fatal: ['B'] },
    });
    assert.deepEqual(JSON.parse(without?.meta ?? ''), { id: '2', stc: 1000 });
  },
);

workflowTest(
  'executeWithOptions rejects invalid options and leaves no event',
  () => ({
    workflow: () =>
      greet
        .executeWithOptions({ retry: { maximumAttempts: -1 } }, ['x'])
        .catch((error: unknown) => [error instanceof ValueError, String(error)]),
  }),
  async (driver) => {
    const [closed] = await driver.start();
    assert.deepEqual(resultOf(closed), [true, 'ValueError: RetryPolicy.maximumAttempts must be a positive integer']);
  },
);

workflowTest(
  'an invalid retry policy fails the task before any command',
  () => ({
    async workflow(): Promise<void> {
      void sleep(1);
      proxyActivities({ ...options, retry: { initialInterval: 0 } });
    },
  }),
  async (driver) => {
    const failure = await driver.failingTurn(driver.started());
    assert.equal(failure.message, 'ValueError: RetryPolicy.initialInterval cannot be 0');
  },
);

workflowTest(
  'scheduleActivity calls an activity by type, without a proxy',
  () => ({
    async workflow(): Promise<unknown> {
      const empty = await scheduleActivity('greet', [], undefined as unknown as ActivityOptions).catch(String);
      const reserved = await scheduleActivity('__temporal_x', [], options).catch(String);
      return [empty, reserved, await scheduleActivity<string>('greet', ['Ada'], options)];
    },
  }),
  async (driver) => {
    const [activity] = await driver.start();
    assert.deepEqual(decodePayload(activity!.payload!), ['Ada']);
    const [closed] = await driver.turn(completed(activity!.seq, 'hello'));
    assert.deepEqual(resultOf(closed), [
      'TypeError: Got empty activity options',
      "TypeError: Cannot use activity name: '__temporal_x', with reserved prefix: '__temporal_'",
      'hello',
    ]);
  },
);

test('an activity cannot be called outside of workflow code', async () => {
  await assert.rejects(scheduleActivity('greet', [], options), { code: 'ILLEGAL_STATE', message: /scheduleActivity/ });
  assert.throws(() => greet('x'), { code: 'ILLEGAL_STATE', message: /scheduleActivity/ });
});

workflowTest(
  'changed arguments and options of activities do not cause a determinism error',
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
