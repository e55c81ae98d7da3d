// Children, parent close policies and messages between runs. Behaviors 9, 36, 38, 48 and 49 of docs/behaviors.md. With
// runs cached, rebuilt from the log for every turn, and replayed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testEngine, until } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

const cached = await testEngine();
const evicted = await testEngine({ maxCachedRuns: 0 });

for (const [way, engine] of [
  ['cached', cached],
  ['evicted after every turn', evicted],
] as const) {
  const { client, taskQueue } = engine;
  const { workflow } = client;
  const execute = async (type: string, args: readonly unknown[], workflowId = `${type} ${args.join(' ')}`) => {
    const result: unknown = await workflow.execute(type, { workflowId, taskQueue, args });
    await assertReplay(workflowId);
    return result;
  };
  const assertReplay = async (workflowId: string) => {
    const { rows } = await engine.pool.query<{ run_id: string }>(
      'select run_id from reprise.runs where workflow_id = $1',
      [workflowId],
    );
    for (const { run_id: runId } of rows) {
      await assertReplays(engine.connection.database, runId);
      const verdict = await engine.pool.query('select ok from reprise_audit.verify($1)', [runId]);
      assert.deepEqual(verdict.rows, [{ ok: true }]);
    }
  };
  const statusOf = async (workflowId: string) => (await workflow.getHandle(workflowId).describe()).status.name;
  const closed = (workflowId: string, status: string) =>
    until(async () => (await statusOf(workflowId).catch(() => '')) === status);

  describe(`children of runs that are ${way}`, () => {
    it('know their parent and root; they inherit the task queue but not the memo', async () => {
      const memo = { of: 'the first' };
      const result = await workflow.execute('relative', { workflowId: 'grandparent', taskQueue, args: [2], memo });
      const { child } = result as { child: { parent: string; child: { parent: string } } };
      assert.deepEqual(result, {
        taskQueue,
        memo,
        child: {
          parent: 'grandparent',
          root: 'grandparent',
          taskQueue,
          child: { parent: child.child.parent, root: 'grandparent', taskQueue },
        },
      });
      await assertReplay('grandparent');
      const described = await workflow.getHandle(child.child.parent).describe();
      assert.equal(described.parentExecution?.workflowId, 'grandparent');
      assert.equal(described.rootExecution?.workflowId, 'grandparent');
    });

    it('return their result or failure to the parent at the end of the child’s chain', async () => {
      assert.equal(await execute('parentOf', ['works']), 'works');
      assert.equal(await execute('parentOf', ['again']), 'done');
      const retry = { initialInterval: 1, maximumAttempts: 3 };
      assert.equal(await execute('parentOf', ['third time', { retry }], 'tries'), 'third time');
      const failure = { message: 'Child Workflow execution failed', workflowType: 'child' };
      assert.deepEqual(await execute('parentOf', ['fails', { workflowId: 'unlucky' }], 'p-unlucky'), {
        ...failure,
        workflowId: 'unlucky',
        retryState: 'RETRY_POLICY_NOT_SET',
        cause: { name: 'ApplicationFailure', message: 'no luck', cancelled: false },
      });
      assert.deepEqual(await execute('parentOf', ['waits', { workflowId: 'slow', workflowRunTimeout: 30 }], 'p-slow'), {
        ...failure,
        workflowId: 'slow',
        retryState: 'TIMEOUT',
        cause: { name: 'TimeoutFailure', message: 'Workflow execution timed out', cancelled: false },
      });
      const running = execute('parentOf', ['waits', { workflowId: 'victim' }], 'p-victim');
      await closed('victim', 'RUNNING');
      await workflow.getHandle('victim').terminate('by hand');
      assert.deepEqual(await running, {
        ...failure,
        workflowId: 'victim',
        retryState: 'NON_RETRYABLE_FAILURE',
        cause: { name: 'TerminatedFailure', message: 'by hand', cancelled: false },
      });
    });

    it('have their own memo, search attributes and summary', async () => {
      const own = { memo: { a: 1 }, searchAttributes: { Color: ['red'] }, staticSummary: 'a child' };
      assert.equal(await execute('parentOf', ['works', { workflowId: 'tagged', ...own }], 'p-tagged'), 'works');
      const described = await workflow.getHandle('tagged').describe();
      assert.deepEqual(described.memo, own.memo);
      assert.deepEqual(described.searchAttributes, own.searchAttributes);
      assert.equal(await described.staticSummary(), 'a child');
    });

    it('run in large numbers at the same time', async () => {
      assert.equal(await execute('parentOfMany', [100]), 4950);
    });

    it('have unique workflow ids: a second start with the id of an open child is refused', async () => {
      assert.equal(await execute('twins', ['twin']), 'Workflow execution already started: twin listener');
    });

    it('are refused by their id reuse policy', async () => {
      assert.equal(await execute('parentOf', ['works', { workflowId: 'reused' }], 'r1'), 'works');
      assert.equal(await execute('parentOf', ['works', { workflowId: 'reused' }], 'r2'), 'works');
      for (const workflowIdReusePolicy of ['REJECT_DUPLICATE', 'ALLOW_DUPLICATE_FAILED_ONLY']) {
        const refused = await execute('parentOf', ['works', { workflowId: 'reused', workflowIdReusePolicy }], 'r3');
        assert.match((refused as Error).message, /already started/);
      }
    });

    it('receive signals through their handles, in order', async () => {
      const [workflowId, runId, words] = (await execute('talks', ['talkative'])) as unknown[];
      assert.equal(workflowId, 'talkative');
      assert.equal(runId, (await workflow.getHandle('talkative').describe()).runId);
      assert.deepEqual(words, ['a', 'b', 'c']);
    });

    it('are cancelled with their scope according to their cancellation type', async () => {
      const cause = { name: 'CancelledFailure', message: 'Cancellation scope cancelled', cancelled: true };
      const failure = {
        message: 'Child Workflow execution failed',
        workflowType: 'child',
        retryState: 'CANCEL_REQUESTED',
      };
      const cancels = (when: string, cancellationType: string | undefined, workflowId: string) =>
        execute(
          'cancelsChild',
          [when, { workflowId, ...(cancellationType && { cancellationType }) }],
          `p-${workflowId}`,
        );
      assert.deepEqual(await cancels('before', undefined, 'c1'), cause);
      assert.deepEqual(await cancels('same turn', undefined, 'c2'), { ...failure, workflowId: 'c2', cause });
      for (const never of ['c1', 'c2']) await assert.rejects(statusOf(never), { code: 'RUN_NOT_FOUND' });
      assert.deepEqual(await cancels('started', undefined, 'c3'), {
        ...failure,
        workflowId: 'c3',
        retryState: 'NON_RETRYABLE_FAILURE',
        cause: { name: 'CancelledFailure', message: 'Workflow execution cancelled', cancelled: true },
      });
      assert.equal(await statusOf('c3'), 'CANCELLED');
      assert.deepEqual(await cancels('started', 'TRY_CANCEL', 'c4'), { ...failure, workflowId: 'c4', cause });
      await until(async () => ['CANCELLED', 'TERMINATED'].includes(await statusOf('c4')));
      assert.deepEqual(await cancels('started', 'WAIT_CANCELLATION_REQUESTED', 'c5'), {
        ...failure,
        workflowId: 'c5',
        cause,
      });
      assert.deepEqual(await cancels('started', 'ABANDON', 'c6'), { ...failure, workflowId: 'c6', cause });
      await closed('c6', 'TERMINATED'); // the parent's close terminates the child; the scope abandons it
      const byHandle = (await cancels('handle', undefined, 'c7')) as { cause: unknown };
      assert.deepEqual(byHandle.cause, {
        name: 'CancelledFailure',
        message: 'Workflow execution cancelled',
        cancelled: true,
      });
    });

    it('end with their parent according to the parent close policy, however the parent ends', async () => {
      for (const how of ['complete', 'fail', 'continue', 'cancel', 'terminate']) {
        for (const [policy, status] of [
          ['TERMINATE', 'TERMINATED'],
          ['REQUEST_CANCEL', 'CANCELLED'],
          ['ABANDON', 'RUNNING'],
        ] as const) {
          const workflowId = `${how} ${policy}`;
          // With another cancellationType, the scope of a cancelled parent would cancel the child.
          const options = { parentClosePolicy: policy, cancellationType: 'ABANDON' };
          const parent = await workflow.start('parentThat', {
            workflowId: `parent ${workflowId}`,
            taskQueue,
            args: [workflowId, options],
          });
          await closed(workflowId, 'RUNNING');
          if (how === 'terminate') await parent.terminate();
          else if (how === 'cancel') await parent.cancel();
          else await parent.signal('leave', how);
          if (how !== 'continue') await parent.result().catch(() => undefined);
          else await until(async () => (await parent.describe()).runId !== parent.runId);
          await closed(workflowId, status);
          await assertReplay(`parent ${workflowId}`);
          if (status === 'RUNNING') await workflow.getHandle(workflowId).signal('stop');
        }
      }
    });

    it('that are abandoned start even if the parent ends in the same turn; other children do not start', async () => {
      await execute('leaves', ['orphan', { parentClosePolicy: 'ABANDON' }], 'l1');
      await closed('orphan', 'RUNNING');
      await workflow.getHandle('orphan').signal('stop');
      await execute('leaves', ['unborn', {}], 'l2');
      await until(async () => (await engine.pool.query('select 1 from reprise.outbox')).rowCount === 0);
      await assert.rejects(statusOf('unborn'), { code: 'RUN_NOT_FOUND' });
    });

    it('with invalid options fail the task with a clear error, and nothing is started', async () => {
      for (const [options, message] of [
        [
          { parentClosePolicy: 'KILL' },
          /parentClosePolicy is .*KILL.*expected one of TERMINATE, ABANDON, REQUEST_CANCEL/,
        ],
        [{ cancellationType: 'x' }, /cancellationType/],
        [{ taskQueue: '' }, /taskQueue is the text ""/],
        [{ cronSchedule: 'x' }, /Invalid cron schedule/],
        [{ wrokflowId: 'x' }, /no option "wrokflowId". Did you mean workflowId\?/],
      ] as const) {
        assert.match(((await execute('parentOf', ['works', options], 'odd')) as Error).message, message);
      }
    });
  });

  describe(`messages from runs that are ${way}`, () => {
    it('reach the open run of a workflow id, or only the run with a run id', async () => {
      const open = await workflow.start('listener', { workflowId: 'open', taskQueue });
      assert.deepEqual(await execute('outsider', ['open', open.runId]), ['ok', 'ok']);
      assert.deepEqual(await open.result().catch((error: Error) => error.message), 'Workflow execution cancelled');
      const notFound = (what: string) => `Unable to ${what} external workflow because it was not found`;
      const refused = [notFound('signal'), notFound('cancel')];
      assert.deepEqual(await execute('outsider', ['open']), refused);
      assert.deepEqual(await execute('outsider', ['nobody']), refused);
      assert.deepEqual(await execute('outsider', ['open', 'no run id']), refused);
      assert.deepEqual(await execute('outsider', ['self'], 'self'), refused);
      assert.deepEqual(await execute('outsider', ['self', 'own'], 'self'), refused);
    });

    it('are sent even if their sender ends in the same turn', async () => {
      const open = await workflow.start('listener', { workflowId: 'left behind', taskQueue });
      await execute('parting', ['left behind']);
      await until(async () => (await open.query<string[]>('heard')).length === 1);
      await open.signal('stop');
      assert.deepEqual(await open.result(), ['farewell']);
    });

    it('arrive exactly once each when two runs signal each other', async () => {
      const start = (workflowId: string, other: string) =>
        workflow.start('pingPong', { workflowId, taskQueue, args: [other, 20] });
      const [ping, pong] = await Promise.all([start('ping', 'pong'), start('pong', 'ping')]);
      assert.deepEqual(await Promise.all([ping.result(), pong.result()]), [20, 20]);
      await assertReplay('ping');
    });
  });
}

describe('a child on a queue without workers', () => {
  it('is terminated when its parent ends', async () => {
    const { workflow } = cached.client;
    const { taskQueue } = cached;
    const parent = await workflow.start('parentThat', {
      workflowId: 'parent of far',
      taskQueue,
      args: ['far', { taskQueue: 'nobody' }],
    });
    const far = workflow.getHandle('far');
    await until(async () => (await far.describe().catch(() => undefined))?.status.name === 'RUNNING');
    await parent.signal('leave', 'complete');
    await parent.result();
    await assert.rejects(far.result(), { message: 'by parent close policy' });
  });
});
