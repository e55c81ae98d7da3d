// Cancellation scopes, triggers and the errors they reject with. Behaviors 33 to 36 and 39 of docs/behaviors.md.
import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  defineSignal,
  isCancellation,
  proxyActivities,
  setHandler,
  sleep,
  Trigger,
} from '../../../sdk/workflow.ts';
import {
  cancelRequested,
  completed,
  failed,
  fired,
  globals,
  resultOf,
  signal,
  texts,
  workflowTest,
} from './harness.ts';

interface Activities {
  charge(amount: number): Promise<string>;
}
const { charge } = proxyActivities<Activities>({ startToCloseTimeout: 1000 });
const cancelTypes = Object.fromEntries(
  Object.values(ActivityCancellationType).map((cancellationType) => [
    cancellationType,
    proxyActivities<Activities>({ startToCloseTimeout: 1000, cancellationType }).charge,
  ]),
) as Record<ActivityCancellationType, typeof charge>;
const go = defineSignal('go');

function describe(error: unknown): string {
  assert.ok(error instanceof Error);
  const cause = error instanceof ActivityFailure ? ` <- ${error.cause?.name}: ${error.cause?.message}` : '';
  return `${error.name}: ${error.message}${cause}`;
}

workflowTest(
  'a cancel request rejects operations in the root scope, and rethrowing the error cancels the run',
  () => ({ workflow: () => sleep('1 day') }),
  async (driver) => {
    const [timer] = await driver.start();
    assert.deepEqual(texts(await driver.turn(cancelRequested())), [
      `TimerCancelled ${timer!.seq}`,
      'WorkflowCancelled',
    ]);
  },
);

workflowTest(
  'a run that swallows cancellation completes, and a second request has no effect',
  () => ({
    async workflow(): Promise<string[]> {
      const seen: string[] = [];
      await sleep(1000).catch((error: unknown) => seen.push(describe(error)));
      await CancellationScope.nonCancellable(() => sleep(5).catch((error: unknown) => seen.push(describe(error))));
      return seen;
    },
  }),
  async (driver) => {
    await driver.start();
    const outputs = await driver.turn(cancelRequested());
    assert.deepEqual(texts(outputs), ['TimerCancelled 2', 'TimerStarted']);
    assert.deepEqual(texts(await driver.turn(cancelRequested())), []);
    const [closed] = await driver.turn(fired(outputs[1]!.seq));
    assert.deepEqual(resultOf(closed), ['CancelledFailure: Workflow cancelled']);
  },
);

workflowTest(
  'a CancelledFailure without a cancel request fails the run',
  () => ({
    async workflow(): Promise<void> {
      throw new CancelledFailure('mine');
    },
  }),
  async (driver) => assert.deepEqual(texts(await driver.start()), ['WorkflowFailed mine']),
);

workflowTest(
  'another failure after a cancel request fails the run',
  () => ({
    async workflow(): Promise<void> {
      await sleep(1000).catch(() => {
        throw ApplicationFailure.nonRetryable('cleanup failed');
      });
    },
  }),
  async (driver) => {
    await driver.start();
    assert.deepEqual(texts(await driver.turn(cancelRequested())), [
      'TimerCancelled 2',
      'WorkflowFailed cleanup failed',
    ]);
  },
);

workflowTest(
  'an activity cancelled by the request makes the run cancelled',
  () => ({ workflow: () => charge(5) }),
  async (driver) => {
    const [activity] = await driver.start();
    assert.deepEqual(texts(await driver.turn(cancelRequested())), [`ActivityCancelRequested ${activity!.seq}`]);
    const cancelled = failed(activity!.seq, new CancelledFailure('CANCELLED'), {}, 'ActivityCancelled');
    assert.deepEqual(texts(await driver.turn(cancelled)), ['WorkflowCancelled']);
  },
);

workflowTest(
  'cancelRequested of the root scope rejects on the request, also when it is shielded',
  () => ({
    async workflow(): Promise<unknown[]> {
      const seen: unknown[] = [];
      const root = CancellationScope.current();
      const shielded = new CancellationScope({ cancellable: false });
      const inner = shielded.run(async () => {
        const child = new CancellationScope();
        await CancellationScope.current().cancelRequested.catch((error: unknown) => seen.push(describe(error)));
        seen.push(shielded.consideredCancelled, child.consideredCancelled, root.consideredCancelled);
        await child.run(() => sleep(1));
      });
      await root.cancelRequested.catch((error: unknown) => seen.push(describe(error)));
      await inner;
      return seen;
    },
  }),
  async (driver) => {
    await driver.start();
    const [timer] = await driver.turn(cancelRequested());
    const [closed] = await driver.turn(fired(timer!.seq));
    assert.deepEqual(
      new Set(resultOf(closed) as unknown[]),
      new Set(['CancelledFailure: Workflow cancelled', false, true]),
    );
    assert.equal((resultOf(closed) as unknown[]).length, 5);
  },
);

workflowTest(
  'operations that start in a cancelled scope reject at once and leave no history',
  () => ({
    async workflow(): Promise<string[]> {
      const seen: string[] = [];
      const scope = new CancellationScope();
      scope.cancel();
      scope.cancel();
      let asked = false;
      await scope.run(async () => {
        const attempts = [
          sleep(10),
          charge(1),
          condition(() => (asked = true)),
          condition(() => (asked = true), 10),
          new Trigger<void>(),
          CancellationScope.withTimeout(10, () => charge(2)),
        ];
        globals.setTimeout(() => assert.fail('never'), 1);
        for (const attempt of attempts)
          await Promise.resolve(attempt).catch((error: unknown) => seen.push(describe(error)));
      });
      seen.push(`asked ${asked}`);
      return seen;
    },
  }),
  async (driver) => {
    const [closed, ...none] = await driver.start();
    assert.deepEqual(none, []);
    const rejected = Array.from({ length: 6 }, () => 'CancelledFailure: Cancellation scope cancelled');
    assert.deepEqual(resultOf(closed), [...rejected, 'asked false']);
  },
);

workflowTest(
  'operations cancelled in the activation that started them leave no history',
  () => ({
    async workflow(): Promise<string[]> {
      const seen: string[] = [];
      await CancellationScope.cancellable(async () => {
        const attempts = [sleep(10), charge(1), cancelTypes.ABANDON(1), cancelTypes.TRY_CANCEL(1)].map((attempt) =>
          attempt.then(
            () => undefined,
            (error: unknown) => void seen.push(describe(error)),
          ),
        );
        CancellationScope.current().cancel();
        await Promise.all(attempts);
      });
      await sleep(3);
      return seen;
    },
  }),
  async (driver) => {
    const outputs = await driver.start();
    assert.deepEqual(texts(outputs), ['TimerStarted']);
    const [closed] = await driver.turn(fired(outputs[0]!.seq));
    const scope = 'CancelledFailure: Cancellation scope cancelled';
    const activity = `ActivityFailure: Activity cancelled <- ${scope}`;
    assert.deepEqual(resultOf(closed), [scope, activity, activity, activity]);
  },
);

for (const [type, atOnce] of [
  ['TRY_CANCEL', ['ActivityCancelRequested 2', 'TimerStarted']],
  ['ABANDON', ['TimerStarted']],
] as const) {
  workflowTest(
    `${type} rejects the call at once`,
    () => ({
      async workflow(): Promise<string> {
        const error = await cancelTypes[type](1).catch((thrown: unknown) => thrown);
        await CancellationScope.nonCancellable(() => sleep(1));
        return describe(error);
      },
    }),
    async (driver) => {
      await driver.start();
      const outputs = await driver.turn(cancelRequested());
      assert.deepEqual(texts(outputs), atOnce);
      assert.deepEqual(await driver.turn(completed(2, 'late')), []);
      const [closed] = await driver.turn(fired(outputs.at(-1)!.seq));
      assert.equal(resultOf(closed), 'ActivityFailure: Activity cancelled <- CancelledFailure: Workflow cancelled');
    },
  );
}

workflowTest(
  'WAIT_CANCELLATION_COMPLETED returns the result of an activity that completes despite the request',
  () => ({ workflow: () => cancelTypes.WAIT_CANCELLATION_COMPLETED(1) }),
  async (driver) => {
    await driver.start();
    assert.deepEqual(texts(await driver.turn(cancelRequested())), ['ActivityCancelRequested 2']);
    assert.deepEqual(texts(await driver.turn(completed(2, 'paid'))), ['WorkflowCompleted "paid"']);
  },
);

workflowTest(
  'a result in the activation of the cancel request wins',
  () => ({ workflow: () => cancelTypes.TRY_CANCEL(1) }),
  async (driver) => {
    await driver.start();
    assert.deepEqual(texts(await driver.turn(cancelRequested(), completed(2, 'paid'))), ['WorkflowCompleted "paid"']);
  },
);

const limited = () => ({
  async workflow(): Promise<string> {
    const result = await CancellationScope.withTimeout(1000, () => charge(1)).catch(describe);
    await sleep(1);
    return result;
  },
});

workflowTest('withTimeout cancels its scope when the timeout expires', limited, async (driver) => {
  const [timer, activity] = await driver.start();
  assert.deepEqual(texts([timer!, activity!], driver.nowMs), ['TimerStarted 1001', 'ActivityScheduled charge#1']);
  assert.deepEqual(texts(await driver.turn(fired(timer!.seq))), [`ActivityCancelRequested ${activity!.seq}`]);
  const cancelled = failed(activity!.seq, new CancelledFailure('CANCELLED'), {}, 'ActivityCancelled');
  const [last] = await driver.turn(cancelled);
  const [closed] = await driver.turn(fired(last!.seq));
  assert.equal(resultOf(closed), 'ActivityFailure: Activity cancelled <- CancelledFailure: CANCELLED');
});

workflowTest('withTimeout cancels its timer when the body ends first', limited, async (driver) => {
  const [timer, activity] = await driver.start();
  const outputs = await driver.turn(completed(activity!.seq, 'paid'));
  assert.deepEqual(texts(outputs), [`TimerCancelled ${timer!.seq}`, 'TimerStarted']);
  const [closed] = await driver.turn(fired(outputs[1]!.seq));
  assert.equal(resultOf(closed), 'paid');
});

workflowTest(
  'a sleep in withTimeout rejects when the scope is cancelled',
  () => ({
    workflow: () => CancellationScope.withTimeout(10, () => sleep(20)).then(String, describe),
  }),
  async (driver) => {
    const [timer, inner] = await driver.start();
    const outputs = await driver.turn(fired(timer!.seq));
    assert.deepEqual(texts(outputs), [
      `TimerCancelled ${inner!.seq}`,
      'WorkflowCompleted "CancelledFailure: Cancellation scope cancelled"',
    ]);
  },
);

workflowTest(
  'cancelling an outer scope reaches inner ones through await, but not a shielded one',
  () => ({
    async workflow(): Promise<string[]> {
      const seen: string[] = [];
      const note = (name: string) => (error: unknown) => void seen.push(`${name} ${describe(error)}`);
      const outer = new CancellationScope();
      setHandler(go, () => outer.cancel());
      await outer.run(async () => {
        await Promise.resolve();
        await Promise.all([
          CancellationScope.cancellable(async () => {
            await Promise.resolve();
            await CancellationScope.cancellable(() => sleep(10));
          }).catch(note('inner')),
          CancellationScope.nonCancellable(async () => {
            await CancellationScope.cancellable(() => sleep(20)).catch(note('shielded'));
          }),
          condition(() => false).catch(note('condition')),
          new Trigger<void>().catch(note('trigger')),
        ]);
      });
      return seen;
    },
  }),
  async (driver) => {
    const timers = await driver.start();
    assert.equal(timers.length, 2);
    const cancelled = await driver.turn(signal('go'));
    assert.equal(cancelled.length, 1);
    assert.equal(cancelled[0]!.type, 'TimerCancelled');
    const shielded = timers.find(({ seq }) => seq !== cancelled[0]!.answers)!;
    const [closed] = await driver.turn(fired(shielded.seq));
    const names = (resultOf(closed) as string[]).map((text) => text.split(' ')[0]);
    assert.deepEqual(names.sort(), ['condition', 'inner', 'trigger']);
  },
);

workflowTest(
  'code outside of a trigger settles it',
  () => ({
    async workflow(): Promise<string> {
      const trigger = new Trigger<string>();
      const refused = new Trigger<string>();
      refused.reject(new Error('nobody listens'));
      setHandler(go, () => trigger.resolve('pulled'));
      return await trigger;
    },
  }),
  async (driver) => {
    await driver.start();
    assert.deepEqual(texts(await driver.turn(signal('go'))), ['WorkflowCompleted "pulled"']);
  },
);

workflowTest(
  'isCancellation looks through an ActivityFailure',
  () => ({
    async workflow(): Promise<boolean[]> {
      const error = await charge(1).catch((thrown: unknown) => thrown);
      return [isCancellation(error), isCancellation(new CancelledFailure('x')), isCancellation(new Error('x'))];
    },
  }),
  async (driver) => {
    await driver.start();
    const [closed] = await driver.turn(failed(2, new CancelledFailure('c'), {}, 'ActivityCancelled'));
    assert.deepEqual(resultOf(closed), [true, true, false]);
  },
);

const collectGarbage = ((): (() => void) => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

const endedScopes: WeakRef<CancellationScope>[] = [];
workflowTest(
  'ended scopes are not kept alive while the run goes on',
  () => ({
    async workflow(): Promise<void> {
      for (let round = 0; round < 1000; round += 1) {
        await CancellationScope.cancellable(async () => {
          const scope = CancellationScope.current();
          endedScopes.push(new WeakRef(scope));
          scope.cancelRequested.catch(() => undefined);
          await Promise.race([sleep(1), Promise.resolve()]);
          scope.cancel();
        }).catch(() => undefined);
      }
      await sleep(1000);
    },
  }),
  async (driver) => {
    const outputs = await driver.start();
    assert.equal(outputs.length, 1);
    collectGarbage();
    const kept = endedScopes.filter((reference) => reference.deref() !== undefined).length;
    assert.ok(kept < 10, `${kept} of ${endedScopes.length} scopes are still reachable`);
    assert.deepEqual(texts(await driver.turn(fired(outputs[0]!.seq))), ['WorkflowCompleted undefined']);
  },
);
