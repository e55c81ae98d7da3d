// Queries: they are read-only, and are answered as long as the run exists. Behaviors 21 to 24 of docs/behaviors.md.
// isolation.test.ts covers what query handlers log.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Client, QueryNotRegisteredError, QueryRejectCondition, QueryRejectedError } from 'reprise/client';
import { until } from '../support/engine.ts';
import { behavior, typesOf, ways } from './ways.ts';

const all = await ways();

behavior(all, '21: a query changes nothing, evaluates no condition, and works for closed runs too', async (way) => {
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

behavior(all, '23: the error of an unknown query names the registered ones in order', async (way) => {
  const handle = await way.start('answers');
  const message =
    'Workflow did not register a handler for unknown. Registered queries: [__stack_trace __enhanced_stack_trace __temporal_workflow_metadata told tries opens async throws sleeps]';
  const unknown = (error: unknown): boolean => error instanceof QueryNotRegisteredError && error.message === message;
  await assert.rejects(handle.query('unknown'), unknown);
  await handle.signal('go');
  await way.result(handle);
  await assert.rejects(handle.query('unknown'), unknown);
});

behavior(all, '24: a query sees the signals that were sent before it', async (way) => {
  const handle = await way.start('answers');
  const sent = ['first'];
  for (let i = 0; i < 20; i++) {
    await handle.signal('tell', `signal ${i}`);
    sent.push(`signal ${i}`);
    assert.deepEqual(await handle.query('told'), sent);
  }
  await handle.signal('go');
  await way.result(handle);
});

behavior(all, '24: a query before the first task waits for that task', async (way) => {
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

behavior(all, '24: without a worker, a query waits until its caller gives up', async (way) => {
  const { client } = way.engine;
  const taskQueue = way.newId('nobody');
  const handle = await way.start('answers', [], { taskQueue });
  const asked = client.withDeadline(Date.now() + 50, () => handle.query('told'));
  await assert.rejects(asked, {
    code: 'TIMEOUT',
    message: /^No worker answered query told of workflow answers-\d+: the deadline has passed\. Check that/,
  });
  const abort = new AbortController();
  const aborted = client.withAbortSignal(abort.signal, () => handle.query('told'));
  abort.abort();
  await assert.rejects(aborted, { code: 'TIMEOUT', message: /: the call was aborted\. Check that/ });
  const { rows } = await way.engine.pool.query('select from reprise.requests where run_id = $1', [handle.runId]);
  assert.equal(rows.length, 0, 'nobody is asked any more');
  await way.serve(taskQueue, async () => assert.deepEqual(await handle.query('told'), ['first']));
  await handle.terminate();
  await way.replays(handle);
});

const endings = ['open', 'COMPLETED', 'TERMINATED', 'CANCELLED', 'CONTINUED_AS_NEW'] as const;
const { NONE, NOT_OPEN, NOT_COMPLETED_CLEANLY } = QueryRejectCondition;
const conditions = [NONE, NOT_OPEN, NOT_COMPLETED_CLEANLY];
const refused: Record<QueryRejectCondition, readonly string[]> = {
  NONE: [],
  NOT_OPEN: endings.slice(1),
  NOT_COMPLETED_CLEANLY: ['TERMINATED', 'CANCELLED', 'CONTINUED_AS_NEW'],
};

behavior(all, '24: queryRejectCondition decides whether a query to a closed run is refused', async (way) => {
  const { connection, client } = way.engine;
  for (const ending of endings) {
    const handle = await way.start('answers', [ending === 'CONTINUED_AS_NEW' ? 1 : 0]);
    await handle.query('told');
    if (ending === 'TERMINATED') await handle.terminate();
    else if (ending === 'CANCELLED') await handle.cancel();
    else if (ending !== 'open') await handle.signal('go');
    const { workflowId, runId } = handle;
    const own = client.workflow.getHandle(workflowId, runId);
    if (ending !== 'open') await until(async () => (await own.describe()).status.name === ending);
    for (const queryRejectCondition of conditions) {
      const asking = new Client({ connection, workflow: { queryRejectCondition } });
      const answer = asking.workflow.getHandle(workflowId, runId).query<string[]>('told');
      if (refused[queryRejectCondition].includes(ending)) {
        await assert.rejects(answer, (error) => error instanceof QueryRejectedError && error.status.name === ending);
      } else assert.equal((await answer)[0], 'first');
    }
    if (ending === 'open') await handle.signal('go');
    if (ending === 'CONTINUED_AS_NEW') await handle.terminate();
    await way.result(handle).catch(() => undefined);
  }
});

it('24: an unknown queryRejectCondition is refused', () => {
  const { connection } = all[0]!.engine;
  const make = (workflow: object) => () => new Client({ connection, workflow });
  assert.throws(make({ queryRejectCondition: 'OPEN' }), { code: 'INVALID_INPUT' });
  assert.throws(make({ queryRejectConditions: 'NONE' }), { code: 'INVALID_INPUT' });
});
