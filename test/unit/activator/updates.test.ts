// Updates: validated, accepted, each handled as a separate task, answered. Behaviors 1, 3, 4 and 10 to 18 of
// docs/behaviors.md.
import assert from 'node:assert/strict';
import { ApplicationFailure as Failure } from '../../../runtime/core/failure/failure.ts';
import {
  allHandlersFinished,
  condition,
  currentUpdateInfo,
  defineQuery,
  defineSignal,
  defineUpdate,
  HandlerUnfinishedPolicy,
  log,
  setDefaultUpdateHandler,
  setHandler,
  sleep,
} from '../../../sdk/workflow.ts';
import { cancelRequested, fired, globals, resultOf, signal, texts, update, workflowTest } from './harness.ts';

const add = defineUpdate<number, [number]>('add');
const slow = defineUpdate<string, [number]>('slow');
const go = defineSignal('go');

workflowTest(
  'an update from before the start reaches the handler that the first lines set',
  () => ({
    async workflow(): Promise<number> {
      let sum = 0;
      setHandler(add, (value) => (sum += value));
      return sum;
    },
  }),
  async (driver) => {
    assert.deepEqual(texts(await driver.start([], update('u1', 'add', 7))), [
      'UpdateCompleted 2 7',
      'WorkflowCompleted 7',
    ]);
  },
);

const counter = () => ({
  async workflow(): Promise<number> {
    let sum = 0;
    setHandler(add, (value) => (sum += value), {
      validator: (value) => {
        if (value < 0) throw new RangeError(`negative: ${value}`);
      },
    });
    await condition(() => sum >= 10);
    return sum;
  },
});

workflowTest('a validator rejects before anything is written, and later events move up', counter, async (driver) => {
  await driver.start();
  assert.deepEqual(texts(await driver.turn(update('u1', 'add', -1))), []);
  const outputs = await driver.turn(
    update('u2', 'add', 4),
    update('u3', 'add', -2),
    signal('go'),
    update('u4', 'add', -3),
    update('u5', 'add', 6),
  );
  // 1 is the start, 2 u2, 3 the signal, 4 u5.
  assert.deepEqual(texts(outputs), ['UpdateCompleted 2 4', 'UpdateCompleted 4 10', 'WorkflowCompleted 10']);
  assert.deepEqual(
    driver.rejections.map((error) => error.message),
    ['negative: -1', 'negative: -2', 'negative: -3'],
  );
  assert.ok(driver.rejections.every((error) => error instanceof Failure && error.type === 'RangeError'));
});

workflowTest(
  'a validator sees its own copy of the arguments',
  () => ({
    async workflow(): Promise<void> {
      setHandler(defineUpdate<number, [{ n: number }]>('set'), (value) => value.n, {
        validator: (value) => {
          value.n = 99;
        },
      });
      await sleep(1);
    },
  }),
  async (driver) => {
    await driver.start();
    assert.deepEqual(texts(await driver.turn(update('u', 'set', { n: 1 }))), ['UpdateCompleted 3 1']);
  },
);

workflowTest(
  'a validator that changes the run or is asynchronous rejects its update',
  () => ({
    async workflow(): Promise<void> {
      setHandler(add, (value) => value, { validator: () => void sleep(5).catch(() => undefined) });
      setHandler(slow, () => 'done', { validator: () => Promise.resolve() as never });
      setHandler(defineUpdate<void>('writes'), () => undefined, {
        validator: () => {
          setHandler(go, () => undefined);
          globals.setTimeout(() => undefined, 5);
        },
      });
      await sleep(1);
    },
  }),
  async (driver) => {
    await driver.start();
    await driver.turn(update('a', 'slow', 1), update('b', 'writes'));
    assert.deepEqual(
      driver.rejections.map((error) => error.message.slice(0, 60)),
      [
        'The validator of update slow returned a promise, expected it',
        'A query handler or an update validator tried to change the r',
      ],
    );
  },
);

workflowTest(
  'an update without a handler is rejected only at the end of the activation',
  () => ({
    async workflow(): Promise<void> {
      await Promise.resolve();
      setHandler(add, (value) => value + 1);
      await sleep(1);
    },
  }),
  async (driver) => {
    const outputs = await driver.start([], update('u1', 'add', 1), update('u2', 'unknown'));
    assert.deepEqual(texts(outputs), ['UpdateCompleted 2 2', 'TimerStarted']);
    const [rejection] = driver.rejections;
    assert.ok(rejection instanceof Failure && rejection.nonRetryable);
    assert.equal(rejection.message, 'No registered handler for update: unknown');
  },
);

workflowTest(
  'a default handler takes updates without a named handler in order, and a handler set by a handler takes effect at once',
  () => ({
    async workflow(): Promise<string[]> {
      const seen: string[] = [];
      setHandler(defineUpdate<void, [number]>('A'), (value) => {
        seen.push(`A${value}`);
        setHandler(defineUpdate<void, [number]>('B'), (other) => void seen.push(`B${other}`));
      });
      setDefaultUpdateHandler((name, value) => void seen.push(`${name}-${String(value)}`));
      return seen;
    },
  }),
  async (driver) => {
    const inputs = [update('1', 'x', 1), update('2', 'A', 2), update('3', 'B', 3), update('4', 'y', 4)];
    const outputs = await driver.start([], ...inputs);
    assert.deepEqual(resultOf(outputs.at(-1)), ['A2', 'B3', 'x-1', 'y-4']);
  },
);

workflowTest(
  'handlers run as separate tasks: two interleave at await, and an update may complete long after its acceptance',
  () => ({
    async workflow(): Promise<string[]> {
      const seen: string[] = [];
      setHandler(slow, async (ms) => {
        seen.push(`begin ${ms}`);
        await sleep(ms);
        seen.push(`end ${ms}`);
        return `slept ${ms}`;
      });
      await condition(() => seen.length === 4 && allHandlersFinished());
      return seen;
    },
  }),
  async (driver) => {
    await driver.start();
    const timers = await driver.turn(update('u1', 'slow', 20), update('u2', 'slow', 10));
    assert.deepEqual(texts(timers, driver.nowMs), ['TimerStarted 20', 'TimerStarted 10']);
    assert.deepEqual(texts(await driver.turn(fired(timers[1]!.seq))), ['UpdateCompleted 3 "slept 10"']);
    const last = await driver.turn(fired(timers[0]!.seq));
    assert.deepEqual(texts(last.slice(0, 1)), ['UpdateCompleted 2 "slept 20"']);
    assert.deepEqual(resultOf(last.at(-1)), ['begin 20', 'begin 10', 'end 10', 'end 20']);
    assert.deepEqual(driver.logs, []);
  },
);

workflowTest(
  'a failure of a handler fails the update and not the workflow',
  () => ({
    async workflow(): Promise<string> {
      setHandler(add, () => {
        throw Failure.nonRetryable('refused');
      });
      setHandler(slow, async () => {
        await sleep(1000);
        return 'never';
      });
      await sleep(1).catch(() => undefined);
      return 'done';
    },
  }),
  async (driver) => {
    await driver.start();
    assert.deepEqual(texts(await driver.turn(update('u1', 'add', 1))), ['UpdateFailed 3 refused']);
    await driver.turn(update('u2', 'slow', 1));
    // The cancellation reaches what the handler awaits.
    const outputs = await driver.turn(cancelRequested());
    assert.ok(texts(outputs).some((text) => /^UpdateFailed \d+ Workflow cancelled$/.test(text)));
    assert.ok(texts(outputs).includes('WorkflowCompleted "done"'));
  },
);

workflowTest(
  'any other error of a handler fails the task, so the update is not accepted',
  () => ({
    async workflow(): Promise<void> {
      setHandler(add, () => {
        throw new TypeError('a bug');
      });
      await sleep(1);
    },
  }),
  async (driver) => {
    await driver.start();
    const result = await driver.attempt(update('u1', 'add', 1));
    assert.ok(!result.ok);
    assert.equal(result.failure.message, 'TypeError: a bug');
  },
);

workflowTest(
  "an update can complete in the workflow's last activation, also after the workflow",
  () => ({
    async workflow(): Promise<string> {
      let released = false;
      setHandler(add, async (value) => {
        released = true;
        await Promise.resolve();
        await Promise.resolve();
        await Promise.resolve();
        return value;
      });
      await condition(() => released);
      return 'done';
    },
  }),
  async (driver) => {
    await driver.start();
    assert.deepEqual(texts(await driver.turn(update('u', 'add', 5))), [
      'UpdateCompleted 2 5',
      'WorkflowCompleted "done"',
    ]);
  },
);

workflowTest(
  'currentUpdateInfo and log lines know the update, also after an await, and only in its handler',
  () => ({
    async workflow(): Promise<unknown[]> {
      const seen: unknown[] = [currentUpdateInfo() ?? null];
      setHandler(
        add,
        async (value) => {
          log.info('begin');
          await Promise.resolve();
          seen.push({ ...currentUpdateInfo() });
          return value;
        },
        { validator: () => assert.equal(currentUpdateInfo()?.name, 'add') },
      );
      setHandler(go, () => void seen.push(currentUpdateInfo() ?? null));
      await condition(() => seen.length === 3);
      return seen;
    },
  }),
  async (driver) => {
    await driver.start();
    const outputs = await driver.turn(update('u-7', 'add', 5), signal('go'));
    assert.deepEqual(resultOf(outputs.at(-1)), [null, null, { id: 'u-7', name: 'add' }]);
    const [line] = driver.logs;
    assert.deepEqual([line?.attributes['updateId'], line?.attributes['updateName']], ['u-7', 'add']);
  },
);

workflowTest(
  'a workflow that ends while handlers run logs a warning, unless they may be abandoned',
  () => ({
    async workflow(): Promise<void> {
      setHandler(slow, async (ms) => sleep(ms).then(() => ''));
      setHandler(defineUpdate<void>('quiet'), async () => sleep(100), {
        unfinishedPolicy: HandlerUnfinishedPolicy.ABANDON,
      });
      setHandler(go, async () => sleep(100));
      setHandler(defineQuery<boolean>('finished'), () => allHandlersFinished());
      await sleep(1);
    },
  }),
  async (driver) => {
    const [timer] = await driver.start();
    assert.equal(driver.query('finished'), true);
    await driver.turn(update('u1', 'slow', 5), update('u2', 'quiet'), signal('go'), signal('go'));
    assert.equal(driver.query('finished'), false);
    await driver.turn(fired(timer!.seq));
    const [updates, signals, ...rest] = driver.logs.map(({ level, message }) => `${level} ${message}`);
    assert.match(
      updates ?? '',
      /^warn \[TMPRL1102\] Workflow finished while an update handler was still running\. .*: \[\{"name":"slow","id":"u1"\}\]$/,
    );
    assert.match(
      signals ?? '',
      /^warn \[TMPRL1102\] Workflow finished while a signal handler was still running\. .*: \[\{"name":"go","count":2\}\]$/,
    );
    assert.deepEqual(rest, []);
  },
);

workflowTest(
  'a failed workflow logs no warning about running handlers',
  () => ({
    async workflow(): Promise<void> {
      setHandler(slow, async (ms) => sleep(ms).then(() => ''));
      await sleep(1);
      throw Failure.nonRetryable('over');
    },
  }),
  async (driver) => {
    const [timer] = await driver.start();
    await driver.turn(update('u1', 'slow', 5));
    assert.deepEqual(texts(await driver.turn(fired(timer!.seq))), ['WorkflowFailed over']);
    assert.deepEqual(driver.logs, []);
  },
);

workflowTest('code without the handler of a recorded update gets an error that says so', counter, async (driver) => {
  await driver.start();
  await driver.turn(update('u1', 'add', 10));
  const result = await driver.replay(() => ({ workflow: async () => condition(() => false) }));
  assert.ok(!result.ok);
  assert.match(
    result.failure.message,
    /event 2 \(UpdateAccepted\): the history holds update 'add', for which the workflow code no longer has a handler/,
  );
});

workflowTest('a recorded update is not validated again, so a validator may be tightened', counter, async (driver) => {
  await driver.start();
  await driver.turn(update('u1', 'add', 4));
  const strict = () => ({
    async workflow(): Promise<number> {
      let sum = 0;
      const validator = (): void => {
        throw new Error('closed for the day');
      };
      setHandler(add, (value) => (sum += value), { validator });
      await condition(() => sum >= 10);
      return sum;
    },
  });
  assert.ok((await driver.replay(strict)).ok);
});
