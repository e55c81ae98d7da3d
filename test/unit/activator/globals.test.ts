// AsyncLocalStorage and AbortController of workflow code, and logging that cannot affect the run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AsyncLocalStorage, log, sleep } from '../../../sdk/workflow.ts';
import { fired, globals, resultOf, texts, workflowTest } from './harness.ts';

workflowTest(
  'AsyncLocalStorage follows await, timers and activations',
  () => {
    const storage = new AsyncLocalStorage<string>();
    return {
      async workflow(): Promise<unknown[]> {
        const work = async (): Promise<string | undefined> => {
          await sleep(1);
          const later = await new Promise((resolve) => globals.setTimeout(() => resolve(storage.getStore()), 1));
          return `${storage.getStore()} ${String(later)}`;
        };
        return [...(await Promise.all([storage.run('a', work), storage.run('b', work)])), storage.getStore() ?? 'none'];
      },
    };
  },
  async (driver) => {
    const first = await driver.start();
    const second = await driver.turn(...first.map(({ seq }) => fired(seq)));
    const [closed] = await driver.turn(...second.map(({ seq }) => fired(seq)).reverse());
    assert.deepEqual(resultOf(closed), ['a a', 'b b', 'none']);
  },
);

workflowTest(
  'logging a value that cannot be read or printed does not affect the run',
  () => ({
    async workflow(): Promise<string> {
      const throwing = {
        get value(): string {
          throw new Error('throwing getter');
        },
      };
      const circular: { self?: unknown } = {};
      circular.self = circular;
      globals.console['warn']!(throwing, circular, Symbol('s'), null, undefined, 5n, new Error('shown'));
      log.error('attributes', throwing);
      log.trace('none');
      return 'fine';
    },
  }),
  async (driver) => {
    assert.deepEqual(texts(await driver.start()), ['WorkflowCompleted "fine"']);
    const [printed, attributes, none] = driver.logs;
    assert.match(
      printed!.message,
      /^\[unprintable: throwing getter\] \[unprintable: .*\] Symbol\(s\) null undefined 5 Error: shown/s,
    );
    assert.equal(attributes!.attributes['unreadable'], 'throwing getter');
    assert.deepEqual([none!.level, none!.message], ['trace', 'none']);
  },
);

test('an abort reaches its listeners once', () => {
  const { AbortController: Controller, AbortSignal: Signal } = globals;
  const controller = new Controller();
  const { signal } = controller;
  const heard: unknown[] = [];
  const removed = (): unknown => heard.push('removed');
  signal.addEventListener('abort', (event) => heard.push(event.type, event.target === signal));
  signal.addEventListener('abort', removed);
  signal.removeEventListener('abort', removed);
  signal.onabort = () => heard.push('onabort');
  signal.throwIfAborted();
  const joined = Signal.any([new Controller().signal, signal]);
  controller.abort('why');
  controller.abort('again');
  assert.deepEqual(heard, ['onabort', 'abort', true]);
  assert.deepEqual([signal.aborted, signal.reason, joined.aborted, joined.reason], [true, 'why', true, 'why']);
  assert.throws(() => Signal.abort().throwIfAborted(), { name: 'AbortError' });
  assert.equal(Signal.any([Signal.abort(1)]).reason, 1);
});
