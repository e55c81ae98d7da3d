// Queries: read-only, synchronous, answered also after the run has closed. Behaviors 21 to 24 and 62 of
// docs/behaviors.md.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFailure } from '../../../runtime/core/failure/failure-info.ts';
import {
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  getCurrentDetails,
  log,
  proxyActivities,
  setCurrentDetails,
  setDefaultQueryHandler,
  setHandler,
  sleep,
  workflowMetadataQuery,
} from '../../../sdk/workflow.ts';
import { fired, signal, texts, workflowTest } from './harness.ts';

const { act } = proxyActivities<{ act(): Promise<void> }>({ startToCloseTimeout: 1000 });
const count = defineQuery<number>('count');
const add = defineSignal<[number]>('add');

workflowTest(
  'a query with arguments reads the state, also after the run has closed',
  () => ({
    async workflow(): Promise<number> {
      let total = 1;
      setHandler(defineQuery<number, [number]>('times'), (factor) => total * factor);
      setHandler(add, (value) => void (total += value));
      await condition(() => total > 5);
      return total;
    },
  }),
  async (driver) => {
    await driver.start();
    assert.equal(driver.query('times', 3), 3);
    assert.deepEqual(texts(await driver.turn(signal('add', 9))), ['WorkflowCompleted 10']);
    assert.equal(driver.query('times', 2), 20);
  },
);

workflowTest(
  'a query issues no command, evaluates no condition and does not advance time',
  () => ({
    async workflow(): Promise<void> {
      let tried = 0;
      const scope = new CancellationScope();
      void scope.run(() => sleep(5)).catch(() => undefined);
      const writes: (() => unknown)[] = [
        () => sleep(1),
        () => act(),
        () => scope.cancel(),
        () => condition(() => false),
      ];
      setHandler(defineQuery<unknown, [number]>('write'), (index) => {
        const made = writes[index]!();
        if (made instanceof Promise) made.catch(() => undefined);
        return 'written';
      });
      setHandler(count, () => tried);
      await condition(() => {
        tried += 1;
        return false;
      });
    },
  }),
  async (driver) => {
    await driver.start();
    const before = driver.query('count');
    assert.equal(driver.query('count'), before);
    assert.throws(() => driver.query('write', 2), /A query handler or an update validator tried to change the run/);
    for (const index of [0, 1, 3]) assert.equal(driver.query('write', index), 'written');
    assert.deepEqual(texts(await driver.turn(signal('nobody'))), []);
  },
);

workflowTest(
  'later writes of an async query handler are rejected too',
  () => ({
    async workflow(): Promise<void> {
      setHandler(defineQuery<Promise<void>>('later'), async () => {
        await Promise.resolve();
        await act();
      });
      await sleep(5);
    },
  }),
  async (driver) => {
    const [timer] = await driver.start();
    assert.throws(() => driver.query('later'), { message: 'Query handlers should not return a Promise' });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(texts(await driver.turn(fired(timer!.seq))), ['WorkflowCompleted undefined']);
  },
);

workflowTest(
  'a throwing query handler fails only the query',
  () => ({
    async workflow(): Promise<void> {
      setHandler(count, () => {
        throw new RangeError('no count');
      });
      await sleep(5);
    },
  }),
  async (driver) => {
    const [timer] = await driver.start();
    const result = driver.queryResult('count');
    assert.ok(!result.ok && result.registered);
    assert.equal(decodeFailure(result.failure).message, 'no count');
    assert.deepEqual(texts(await driver.turn(fired(timer!.seq))), ['WorkflowCompleted undefined']);
  },
);

workflowTest(
  'the error for an unknown query lists registered queries in order, without removed ones',
  () => ({
    async workflow(): Promise<void> {
      setHandler(defineQuery<number>('second'), () => 2);
      setHandler(count, () => 1);
      setHandler(defineQuery<number>('gone'), () => 3);
      setHandler(defineQuery<number>('gone'), undefined);
      await sleep(5);
    },
  }),
  async (driver) => {
    await driver.start();
    const result = driver.queryResult('gone');
    assert.ok(!result.ok && !result.registered);
    assert.equal(
      decodeFailure(result.failure).message,
      'Workflow did not register a handler for gone. Registered queries: [__stack_trace __enhanced_stack_trace __temporal_workflow_metadata second count]',
    );
  },
);

workflowTest(
  'a default query handler answers unknown queries',
  () => ({
    async workflow(): Promise<void> {
      setDefaultQueryHandler((name, ...args) => [name, args]);
      await sleep(5);
    },
  }),
  async (driver) => {
    await driver.start();
    assert.deepEqual(driver.query('any', 1, 2), ['any', [1, 2]]);
  },
);

workflowTest(
  'a query logs, also between replayed turns',
  () => ({
    async workflow(): Promise<void> {
      setHandler(count, () => {
        log.info('counting', { by: 1 });
        return 1;
      });
      await sleep(5);
    },
  }),
  async (driver) => {
    await driver.start();
    const { logs } = driver.queryResult('count');
    assert.deepEqual(
      logs.map(({ message, attributes }) => [message, attributes['by']]),
      [['counting', 1]],
    );
  },
);

test('reserved names are rejected', () => {
  const prefixed = (kind: string, name: string, prefix: string): object => ({
    name: 'TypeError',
    message: `Cannot use ${kind} name: '${name}', with reserved prefix: '${prefix}'`,
  });
  assert.throws(() => defineQuery('__temporal_x'), prefixed('query', '__temporal_x', '__temporal_'));
  assert.throws(() => defineSignal('__temporal_x'), prefixed('signal', '__temporal_x', '__temporal_'));
  assert.throws(() => defineSignal('__reprise_x'), prefixed('signal', '__reprise_x', '__reprise_'));
  for (const name of ['__stack_trace', '__enhanced_stack_trace']) {
    assert.throws(() => defineQuery(name), {
      name: 'TypeError',
      message: `Cannot use query name: '${name}', which is a reserved name`,
    });
  }
  const acts = proxyActivities({ startToCloseTimeout: 1 });
  assert.throws(() => acts['__temporal_a'], prefixed('activity', '__temporal_a', '__temporal_'));
});

workflowTest(
  'the metadata query lists handlers with descriptions, and the current details',
  () => ({
    async workflow(): Promise<void> {
      setHandler(defineQuery<number>('count'), () => 1, { description: 'how many' });
      setHandler(defineSignal('go'), () => undefined, { description: 'goes on' });
      setHandler(defineUpdate<number>('set'), () => 1);
      setCurrentDetails(`${getCurrentDetails()}**waiting**`);
      await sleep(1);
    },
  }),
  async (driver) => {
    await driver.start();
    assert.deepEqual(driver.query(workflowMetadataQuery.name), {
      definition: {
        type: 'workflow',
        queryDefinitions: [
          { name: '__stack_trace', description: 'Returns a sensible stack trace.' },
          {
            name: '__enhanced_stack_trace',
            description: 'Returns a stack trace annotated with source information.',
          },
          { name: '__temporal_workflow_metadata', description: 'Returns metadata associated with this workflow.' },
          { name: 'count', description: 'how many' },
        ],
        signalDefinitions: [{ name: 'go', description: 'goes on' }],
        updateDefinitions: [{ name: 'set' }],
      },
      currentDetails: '**waiting**',
    });
  },
);
