// How a run or its task ends, and how replay detects code that issues other commands. Behaviors 56, 58 and 60 of
// docs/behaviors.md.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareOutputs } from '../../../runtime/activator/determinism/determinism.ts';
import { divergenceText } from '../../../runtime/activator/determinism/divergence-text.ts';
import type { ActivationResult } from '../../../runtime/core/log/activation.ts';
import { newEvent } from '../../../runtime/core/log/new-event.ts';
import { ApplicationFailure, condition, proxyActivities, sleep, workflowInfo } from '../../../sdk/workflow.ts';
import { completed, Driver, type Exports, failureOf, fired, globals, texts, workflowTest } from './harness.ts';

const { a, b } = proxyActivities<{ a(): Promise<void>; b(): Promise<void> }>({ startToCloseTimeout: 1000 });

function assertTaskFailure(result: ActivationResult, code: string, message: RegExp): string {
  assert.ok(!result.ok);
  assert.equal(result.failure.code, code);
  assert.match(result.failure.message, message);
  return result.failure.stack ?? '';
}

workflowTest(
  'a TemporalFailure fails the run',
  () => ({
    async workflow(): Promise<void> {
      throw ApplicationFailure.create({ message: 'no', type: 'Refused', details: [1] });
    },
  }),
  async (driver) => {
    const [closed] = await driver.start();
    const failure = failureOf(closed);
    assert.ok(failure instanceof ApplicationFailure);
    assert.deepEqual([failure.message, failure.type, failure.details], ['no', 'Refused', [1]]);
  },
);

/** Throws any value. */
function raise(thrown: unknown): never {
  throw thrown as Error;
}

const hostile = {
  get name(): string {
    throw new Error('getter');
  },
  toString(): string {
    throw new Error('toString');
  },
};
const hostileError = Object.defineProperty(new Error('x'), 'message', {
  get() {
    throw new Error('throwing getter');
  },
});
for (const [name, thrown, message] of [
  ['an Error', new Error('plain'), /^plain$/],
  ['a TypeError', new TypeError('typed'), /^TypeError: typed$/],
  ['a text', 'text', /^text$/],
  ['undefined', undefined, /^undefined$/],
  ['an object whose toString throws', hostile, /unreadable/],
  ['an error whose message throws', hostileError, /unreadable/],
] as const) {
  for (const [kind, main] of Object.entries({
    sync: () => raise(thrown),
    async: () => Promise.reject(thrown),
  })) {
    test(`throwing ${name} fails the task, not the run (${kind})`, async () => {
      const driver = await attemptMain(main);
      assertTaskFailure(driver, 'WORKFLOW_ERROR', message);
    });
  }
}

async function attemptMain(main: () => unknown): Promise<ActivationResult> {
  const driver = new Driver(() => ({ workflow: main }), 'workflow');
  return driver.attempt(driver.started());
}

test('a result that cannot be encoded fails the task', async () => {
  const result = {
    get value(): string {
      throw new Error('throwing getter');
    },
  };
  assertTaskFailure(await attemptMain(async () => result), 'NOT_SERIALISABLE', /Cannot serialise \$\.value/);
});

test('an error while the user code loads fails the task', async () => {
  const driver = new Driver(() => {
    throw new SyntaxError('bad module');
  }, 'workflow');
  assertTaskFailure(await driver.attempt(driver.started()), 'WORKFLOW_ERROR', /^SyntaxError: bad module$/);
  assertTaskFailure(await driver.attempt(fired(1)), 'WORKFLOW_ERROR', /bad module/);
});

for (const exported of [{}, { workflow: 5 }, Object.create({ workflow: async () => 1 }) as Exports]) {
  test(`an unknown workflow type is named (${JSON.stringify(exported)})`, async () => {
    const driver = new Driver(() => exported, 'workflow');
    const result = await driver.attempt(driver.started());
    assertTaskFailure(
      result,
      'WORKFLOW_TYPE_NOT_FOUND',
      /^Failed to initialize workflow of type 'workflow': no such function is exported by the workflow bundle\. It exports \w+/,
    );
  });
}

workflowTest(
  'a default export runs every unknown workflow type',
  () => ({ default: async (x: number) => [workflowInfo().workflowType, x] }),
  async (driver) => assert.deepEqual(texts(await driver.start([4])), ['WorkflowCompleted ["anything",4]']),
  'anything',
);

workflowTest(
  'a failure that the host reports fails the running activation',
  () => ({ workflow: () => sleep(5) }),
  async (driver) => {
    driver.run.fail({ code: 'WORKFLOW_ERROR', message: 'Unhandled Promise rejection: oops' });
    assertTaskFailure(await driver.attempt(driver.started()), 'WORKFLOW_ERROR', /^Unhandled Promise rejection: oops$/);
  },
);

workflowTest(
  'completion drops fire-and-forget promises',
  () => ({
    async workflow(): Promise<string> {
      void a();
      void condition(() => false);
      return 'done';
    },
  }),
  async (driver) => {
    assert.deepEqual(texts(await driver.start()), ['ActivityScheduled a#1', 'WorkflowCompleted "done"']);
    assert.deepEqual(await driver.turn(completed(2)), []);
  },
);

workflowTest(
  'module-level state belongs to one run',
  () => {
    let calls = 0;
    return {
      async workflow(): Promise<number> {
        calls += 1;
        await sleep(1);
        return (calls += 1);
      },
    };
  },
  async (driver) => {
    const [timer] = await driver.start();
    assert.deepEqual(texts(await driver.turn(fired(timer!.seq))), ['WorkflowCompleted 2']);
  },
);

workflowTest(
  'using a class that depends on garbage collection is a determinism error',
  () => ({
    async workflow(): Promise<unknown> {
      return new globals.WeakRef({});
    },
  }),
  async (driver) =>
    assertTaskFailure(await driver.attempt(driver.started()), 'DETERMINISM', /WeakRef cannot be used/) as never,
);

// The history of some code is replayed on changed code: [name, recorded code, changed code, message].
const changes: [string, () => Promise<unknown>, () => Promise<unknown>, RegExp][] = [
  [
    'another activity',
    () => a(),
    () => b(),
    /event 2 \(ActivityScheduled\): the history holds ActivityScheduled of activity 'a' with id '1', but the workflow code produced ActivityScheduled of activity 'b' with id '1'/,
  ],
  [
    'a timer in place of an activity',
    () => a(),
    () => sleep(5),
    /activity 'a' with id '1', but the workflow code produced TimerStarted/,
  ],
  ['another order', () => Promise.all([a(), b()]), () => Promise.all([b(), a()]), /event 2 /],
  [
    'a removed command',
    () => Promise.all([a(), b()]),
    () => a(),
    /event 3 \(ActivityScheduled\): .*activity 'b' with id '2', but the workflow code produced nothing more/,
  ],
  [
    'an added command',
    () => a(),
    () => Promise.all([a(), b()]),
    /event 3 \(ActivityScheduled\): the history holds nothing more in this turn, but the workflow code produced ActivityScheduled of activity 'b'/,
  ],
  [
    'another activity id',
    () => a(),
    () => proxyActivities<{ a(): Promise<void> }>({ startToCloseTimeout: 1, activityId: 'x' }).a(),
    /with id 'x'/,
  ],
  ['an earlier end', () => a(), async () => undefined, /but the workflow code produced WorkflowCompleted/],
];
for (const [name, recorded, other, message] of changes) {
  workflowTest(
    `replay detects ${name}`,
    () => ({ workflow: recorded }),
    async (driver) => {
      await driver.start();
      const stack = assertTaskFailure(await driver.replay(() => ({ workflow: other })), 'DETERMINISM', message);
      if (/activity$|order|added/.test(name)) assert.match(stack, /outcome\.test\.ts/);
    },
  );
}

workflowTest(
  'replay detects a changed end',
  () => ({
    async workflow(): Promise<void> {
      await sleep(1);
    },
  }),
  async (driver) => {
    const [timer] = await driver.start();
    await driver.turn(fired(timer!.seq));
    const result = await driver.replay(() => ({
      async workflow(): Promise<void> {
        await sleep(1);
        throw ApplicationFailure.nonRetryable('x');
      },
    }));
    assertTaskFailure(result, 'DETERMINISM', /holds WorkflowCompleted, but the workflow code produced WorkflowFailed/);
  },
);

workflowTest(
  'workflow code sees that it is replayed, and its log is silent then',
  () => ({
    async workflow(): Promise<void> {
      const { console } = globals;
      seenReplaying.push(workflowInfo().unsafe.isReplaying);
      console['log']!('hello', { a: 1 }, 5);
      await sleep(1);
    },
  }),
  async (driver: Driver) => {
    await driver.start();
    assert.deepEqual(
      driver.logs.map(({ level, message }) => [level, message]),
      [['info', 'hello {"a":1} 5']],
    );
    assert.equal(driver.logs[0]!.attributes['workflowId'], 'order-1');
    await driver.replay();
    assert.deepEqual(seenReplaying, [false, true]);
  },
);
const seenReplaying: boolean[] = [];

test('values that are not compared may differ', () => {
  const timer = newEvent(4, 'TimerStarted', { meta: '{"due":1}' });
  const recorded = { ...timer, at: 0, hash: null };
  assert.equal(compareOutputs([recorded], [{ ...timer, meta: '{"due":2}' }]), undefined);
  const cancelled = newEvent(5, 'TimerCancelled', { answers: 4 });
  assert.match(
    divergenceText(compareOutputs([{ ...cancelled, at: 0, hash: null }], [{ ...cancelled, answers: 3 }])!),
    /event 5 \(TimerCancelled\): the history holds TimerCancelled of event 4, but the workflow code produced TimerCancelled of event 3/,
  );
});
