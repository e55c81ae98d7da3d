// Local activities as workflow code sees them. Behavior 46 of docs/behaviors.md, and the order of results in an
// activation.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  defineSignal,
  type LocalActivityOptions,
  type RetryPolicy,
  proxyActivities,
  proxyLocalActivities,
  scheduleLocalActivity,
  setHandler,
  sleep,
  TimeoutFailure,
} from '../../../sdk/workflow.ts';
import { decodePayload } from '../../../runtime/core/payload/payload.ts';
import {
  cancelRequested,
  completed,
  failed,
  fired,
  missingActivities,
  resultOf,
  signal,
  texts,
  workflowTest,
} from './harness.ts';

interface Activities {
  greet(name: string): Promise<string>;
  absent(): Promise<string>;
  moved(): Promise<string>;
}
const options = { startToCloseTimeout: '10s' } as const;
const ordinary = proxyActivities<Activities>(options);
const local = proxyLocalActivities<Activities>(options);

workflowTest(
  "a local activity's event holds its arguments and options, and the call returns its result",
  () => ({
    async workflow(name: string): Promise<string[]> {
      const acts = proxyLocalActivities<Activities>({
        startToCloseTimeout: 1000,
        scheduleToCloseTimeout: '1 minute',
        scheduleToStartTimeout: 500,
        localRetryThreshold: '10 minutes',
        summary: 'says hello',
        cancellationType: 'TRY_CANCEL',
        retry: { maximumAttempts: 4 },
      });
      const merged = acts.greet.executeWithOptions({ startToCloseTimeout: 5, retry: { initialInterval: 7 } }, [name]);
      return [await acts.greet(name), await merged, await scheduleLocalActivity<string>('greet', ['x'], options)];
    },
  }),
  async (driver) => {
    const [merged, activity] = await driver.start(['Ada']);
    assert.deepEqual(decodePayload(activity!.payload!), ['Ada']);
    const common = { s2c: 60_000, s2s: 500, local: true, cancel: 'TRY_CANCEL', summary: 'says hello' };
    assert.deepEqual(JSON.parse(activity!.meta ?? ''), { id: '2', stc: 1000, ...common, retry: { attempts: 4 } });
    const retry = { attempts: 4, initial: 7 };
    assert.deepEqual(JSON.parse(merged!.meta ?? ''), { id: '1', stc: 5, ...common, retry });
    const [third] = await driver.turn(completed(activity!.seq, 'a'), completed(merged!.seq, 'b'));
    assert.deepEqual(JSON.parse(third!.meta ?? ''), { id: '3', stc: 10_000, local: true });
    assert.deepEqual(texts(await driver.turn(completed(third!.seq, 'c'))), ['WorkflowCompleted ["a","b","c"]']);
  },
);

workflowTest(
  'workflow code does not see a failed attempt that arrives with the result',
  () => ({
    async workflow(): Promise<string> {
      return await local.greet('x');
    },
  }),
  async (driver) => {
    const [activity] = await driver.start();
    const attempt = { ...completed(activity!.seq, 'never'), type: 'ActivityAttemptFailed', attempt: 1 } as const;
    assert.deepEqual(texts(await driver.turn(attempt, completed(activity!.seq, 'in the end'))), [
      'WorkflowCompleted "in the end"',
    ]);
  },
);

workflowTest(
  'an activation handles outcomes of local activities last, in the order of the log',
  () => ({
    async workflow(): Promise<string[]> {
      const seen: string[] = [];
      const note = (what: string) => (): void => void seen.push(what);
      setHandler(defineSignal('s'), note('signal'));
      await Promise.all([
        local.greet('a').then(note('local a')),
        local.greet('b').then(undefined, note('local b failed')),
        ordinary.greet('c').then(note('ordinary')),
        sleep(5).then(note('timer')),
      ]);
      return seen;
    },
  }),
  async (driver) => {
    const [a, b, c, timer] = await driver.start();
    const [closed] = await driver.turn(
      failed(b!.seq, new Error('no')),
      completed(a!.seq),
      fired(timer!.seq),
      signal('s'),
      completed(c!.seq),
    );
    assert.deepEqual(resultOf(closed), ['signal', 'timer', 'ordinary', 'local b failed', 'local a']);
  },
);

workflowTest(
  'workflow code gets the error of a local activity unchanged',
  () => ({
    async workflow(): Promise<unknown> {
      const error = await local.greet('x').catch((thrown: unknown) => thrown);
      assert.ok(error instanceof ApplicationFailure);
      return [error.type, error.message];
    },
  }),
  async (driver) => {
    const [activity] = await driver.start();
    const [closed] = await driver.turn(failed(activity!.seq, new RangeError('too far')));
    assert.deepEqual(resultOf(closed), ['RangeError', 'too far']);
  },
);

workflowTest(
  'a timeout or cancellation of a local activity is wrapped in an ActivityFailure',
  () => ({
    async workflow(): Promise<unknown> {
      const seen: unknown[] = [];
      for (const name of ['timed out', 'cancelled']) {
        const error = await local.greet(name).catch((thrown: unknown) => thrown);
        assert.ok(error instanceof ActivityFailure);
        seen.push([error.message, error.activityType, error.activityId, error.retryState, error.cause?.message]);
      }
      return seen;
    },
  }),
  async (driver) => {
    const [first] = await driver.start();
    const timeout = new TimeoutFailure('activity StartToClose timeout', null, 'START_TO_CLOSE');
    const meta = { retryState: 'MAXIMUM_ATTEMPTS_REACHED' };
    const [second] = await driver.turn(failed(first!.seq, timeout, meta, 'ActivityTimedOut'));
    const [closed] = await driver.turn(
      failed(second!.seq, new CancelledFailure('CANCELLED'), { retryState: 'CANCEL_REQUESTED' }, 'ActivityCancelled'),
    );
    assert.deepEqual(resultOf(closed), [
      ['Local Activity timed out', 'greet', '1', 'MAXIMUM_ATTEMPTS_REACHED', 'activity StartToClose timeout'],
      ['Local Activity cancelled', 'greet', '2', 'CANCEL_REQUESTED', 'CANCELLED'],
    ]);
  },
);

for (const [cancellationType, atOnce, late] of [
  ['WAIT_CANCELLATION_COMPLETED', ['ActivityCancelRequested 2'], ['WorkflowCompleted "done"']],
  ['TRY_CANCEL', ['ActivityCancelRequested 2', 'WorkflowCancelled'], undefined],
  ['ABANDON', ['WorkflowCancelled'], undefined],
] as const) {
  workflowTest(
    `a cancelled run treats a local activity according to ${cancellationType}`,
    () => ({
      async workflow(): Promise<string> {
        const acts = proxyLocalActivities<Activities>({ ...options, cancellationType });
        return await acts.greet('x').catch((error: unknown) => {
          assert.ok(error instanceof ActivityFailure && error.cause instanceof CancelledFailure);
          assert.equal(error.message, 'Local Activity cancelled');
          throw error;
        });
      },
    }),
    async (driver) => {
      await driver.start();
      assert.deepEqual(texts(await driver.turn(cancelRequested())), atOnce);
      if (late !== undefined) assert.deepEqual(texts(await driver.turn(completed(2, 'done'))), late);
    },
  );
}

missingActivities.add('absent');
const caught = (name: 'absent' | 'moved') => () => ({
  async workflow(): Promise<string> {
    try {
      return await local[name]();
    } catch (error) {
      return `${error instanceof ReferenceError}: ${(error as Error).message}`;
    }
  },
});

workflowTest(
  'calling a local activity that the worker lacks throws a ReferenceError, live and on replay',
  caught('absent'),
  async (driver) => {
    const [closed] = await driver.start();
    assert.equal(resultOf(closed), "true: Local activity of type 'absent' not registered on worker");
  },
);

workflowTest(
  'replay of a recorded local activity does not require the worker to have it',
  caught('moved'),
  async (driver) => {
    const [activity] = await driver.start();
    missingActivities.add('moved');
    const elsewhere = await driver.continued(caught('moved'));
    const [closed] = await elsewhere.turn(completed(activity!.seq, 'it was there'));
    assert.equal(resultOf(closed), 'it was there');
  },
);

workflowTest(
  'an uncaught ReferenceError fails the task and not the run',
  () => ({ workflow: () => local.absent() }),
  async (driver) => {
    const failure = await driver.failingTurn(driver.started());
    assert.equal(failure.code, 'WORKFLOW_ERROR');
    assert.equal(failure.message, "ReferenceError: Local activity of type 'absent' not registered on worker");
  },
);

workflowTest(
  'replacing an ordinary activity by a local one is a determinism error',
  () => ({ workflow: () => ordinary.greet('x') }),
  async (driver) => {
    await driver.start();
    const changed = await driver.replay(() => ({ workflow: () => local.greet('x') }));
    assert.ok(!changed.ok && changed.failure.code === 'DETERMINISM');
    assert.match(changed.failure.message, /holds ActivityScheduled of activity 'greet'.*of local activity 'greet'/);
  },
);

const refused: [LocalActivityOptions | undefined, string, RegExp][] = [
  [undefined, 'TypeError', /^options must be defined$/],
  [{}, 'TypeError', /^Required either scheduleToCloseTimeout or startToCloseTimeout$/],
  [{ ...options, localRetryThreshold: -1 }, 'TypeError', /^localRetryThreshold is -1 ms, expected 0 to 100 years$/],
  [{ ...options, scheduleToCloseTimeout: '101 years' }, 'TypeError', /^scheduleToCloseTimeout is \d+ ms, expected 0/],
  [{ ...options, retry: { maximumAttempts: 0 } }, 'ValueError', /maximumAttempts must be a positive integer$/],
  [{ ...options, retry: { maxAttempts: 2 } as RetryPolicy }, 'RuntimeError', /^retry has no option "maxAttempts"/],
  ...['heartbeatTimeout', 'activityId'].map((key): [LocalActivityOptions, string, RegExp] => [
    { ...options, [key]: '1s' },
    'RuntimeError',
    new RegExp(`^A local activity: option ${key} is only for activities that are not local. Leave it out.$`),
  ]),
  [
    { ...options, colour: 'red' } as LocalActivityOptions,
    'RuntimeError',
    /^A local activity has no option "colour". Known options: startToCloseTimeout, /,
  ],
];
for (const [bad, name, message] of refused) {
  test(`invalid options of local activities are rejected at once: ${message.source}`, () => {
    assert.throws(() => proxyLocalActivities(bad as LocalActivityOptions), { name, message });
  });
}
