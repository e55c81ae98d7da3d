// Queries: read-only, answered whenever a run exists. Behaviors 21 to 24 of spec/sdk.md; queryRejectCondition is tested in
// test/sdk/query-reject.test.ts, what query handlers log in isolation.test.ts.
import assert from 'node:assert/strict';
import { QueryNotRegisteredError } from 'reprise/client';
import { until } from '../support/engine.ts';
import { behavior, typesOf, ways } from './ways.ts';

const all = await ways();

behavior(all, '21: a query changes nothing, tries no condition, and is answered by closed runs too', async (way) => {
  const handle = await way.start('answers');
  await handle.signal('tell', 'second');
  await until(async () => (await handle.query<string[]>('told')).length === 2);
  const before = await handle.history();
  const tries = await handle.query<number>('tries');
  assert.equal(await handle.query('tries'), tries);
  assert.equal(await handle.query('sleeps'), 'asked for a timer');
  assert.deepEqual(await handle.history(), before);
  await handle.signal('go');
  assert.equal(await way.result(handle), 'first,second,last');
  assert.deepEqual(await handle.query('told'), ['first', 'second', 'last']);
  assert.equal((await typesOf(handle)).filter((type) => type === 'TimerStarted').length, 1);

  const opened = await way.start('answers');
  await opened.query('told');
  const waiting = await opened.history();
  assert.equal(await opened.query('opens'), true);
  await opened.query('told');
  assert.deepEqual(await opened.history(), waiting);
  await opened.terminate();
});

behavior(all, '22: a query handler that is async, or throws, fails the query and not the run', async (way) => {
  const handle = await way.start('answers');
  await assert.rejects(handle.query('async'), { message: 'Query handlers should not return a Promise' });
  await assert.rejects(handle.query('throws'), { message: 'no answer' });
  await handle.signal('go');
  assert.equal(await way.result(handle), 'first,last');
});

behavior(all, '23: an unknown query names those that there are, in the order of their registration', async (way) => {
  const handle = await way.start('answers');
  const message =
    'Workflow did not register a handler for unknown. Registered queries: [__stack_trace __enhanced_stack_trace __temporal_workflow_metadata told tries opens async throws sleeps]';
  const unknown = (error: unknown): boolean => error instanceof QueryNotRegisteredError && error.message === message;
  await assert.rejects(handle.query('unknown'), unknown);
  await handle.signal('go');
  await way.result(handle);
  await assert.rejects(handle.query('unknown'), unknown);
});

behavior(all, '24: a query that comes before the first task waits for it', async (way) => {
  let answer: Promise<string[]> | undefined;
  await way.gathered(
    ['answers'],
    0,
    async (handle) => {
      answer = handle.query<string[]>('told');
    },
    async (handle) => {
      assert.deepEqual(await answer, ['first']);
      await handle.signal('go');
      await way.result(handle);
    },
  );
});
