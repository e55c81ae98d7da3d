// Updates: how they are rejected, what handlers get, and how updates and their workflow end together. Behaviors 10 to
// 20 of docs/behaviors.md. test/worker/updates.test.ts covers behavior 14, and behavior 16 for runs that end.
// test/sdk/id-policies.test.ts covers updates that the client refuses to send.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { ActivityFailure, ApplicationFailure, CancelledFailure } from 'reprise/common';
import {
  WithStartWorkflowOperation,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  type WorkflowHandle,
  type WorkflowIdConflictPolicy,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from 'reprise/client';
import { defineUpdate } from 'reprise/workflow';
import { until } from '../support/engine.ts';
import { behavior, taskFailureOf, turnsOf, typesOf, type Way, ways } from './ways.ts';

const all = await ways();
const put = defineUpdate<number, [string]>('put');

/** Waits until the update fails. Returns the cause of the failure. */
async function causeOf(updated: Promise<unknown>): Promise<Error | undefined> {
  const error: unknown = await updated.then(
    (value) => assert.fail(`not failed: ${String(value)}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof WorkflowUpdateFailedError, String(error));
  assert.equal(error.message, 'Workflow Update failed');
  return error.cause;
}
const facts = ({ name, message, type, nonRetryable, details }: ApplicationFailure): unknown[] => [
  name,
  message,
  type,
  nonRetryable,
  details,
];

for (const [how, expected] of [
  ['error', ['ApplicationFailure', 'not valid', 'RangeError', false, []]],
  ['failure', ['ApplicationFailure', 'not valid', 'Invalid', false, [1]]],
  ['cancelled', ['CancelledFailure', 'not valid', undefined, undefined, []]],
  [
    'text',
    [
      'ApplicationFailure',
      'not valid [A non-Error value was thrown from your code. We recommend throwing Error objects so that we can provide a stack trace]',
      undefined,
      false,
      [],
    ],
  ],
  ['cancel', /^A query handler or an update validator tried to change the run/],
  ['promise', /^The validator of update put returned a promise, expected it to be synchronous/],
] as const) {
  behavior(all, `10, 13: a validator that fails rejects the update, which leaves no trace: ${how}`, async (way) => {
    const handle = await way.start('failsInUpdates');
    await handle.query('validations');
    const before = await handle.history();
    const args: [string] = [`invalid: ${how}`];
    const started = await handle.startUpdate(put, { args, waitForStage: 'ACCEPTED' });
    for (const updated of [started.result(), handle.executeUpdate(put, { args })]) {
      const cause = (await causeOf(updated)) as ApplicationFailure;
      if (expected instanceof RegExp) assert.match(cause.message, expected);
      else assert.deepEqual(facts(cause), expected);
    }
    assert.deepEqual(await handle.history(), before);
    await handle.signal('go');
    assert.equal(await way.result(handle), 'went on');
  });
}

behavior(
  all,
  '10: a validator cannot use timers or activities; if it ignores the error, the task fails',
  async (way) => {
    const handle = await way.start('failsInUpdates');
    for (const how of ['timer', 'activity of validator']) {
      assert.equal(await handle.executeUpdate(put, { args: [how] }), how.length);
    }
    const update = handle.executeUpdate(put, { args: ['timer that nobody waits for'] });
    update.catch(() => undefined);
    const { code, message } = await taskFailureOf(handle);
    assert.equal(code, 'READ_ONLY');
    assert.match(message, /^Unhandled Promise rejection: .*an update validator tried to change the run/);
    await handle.terminate();
    await assert.rejects(update);
    await way.replays(handle);
    assert.ok(!(await typesOf(handle)).some((type) => /Timer|Activity/.test(type)));
  },
);

behavior(all, '10: an update whose arguments cannot be decoded is rejected', async (way) => {
  const taskQueue = way.newId('held');
  const handle = await way.start('failsInUpdates', [], { taskQueue });
  const cause = causeOf(handle.executeUpdate(put, { args: ['x'] }));
  await until(async () => {
    const { rowCount } = await way.engine.pool.query(
      "update reprise.inbox set payload = '\\xffff' where run_id = $1 and name = 'put'",
      [handle.runId],
    );
    return rowCount === 1;
  });
  await way.serve(taskQueue, async () => {
    assert.ok((await cause) instanceof ApplicationFailure);
    await handle.signal('go');
    await way.result(handle);
  });
  assert.ok(!(await typesOf(handle)).some((type) => type.startsWith('Update')));
});

behavior(all, '10: a validator runs once, live, and not in replay', async (way) => {
  const handle = await way.start('failsInUpdates');
  await handle.executeUpdate(put, { args: ['fine'] });
  const isReplayed = way.name !== 'cached';
  assert.equal(await handle.query('validations'), isReplayed ? 0 : 1);
  await handle.signal('go');
  await way.result(handle);
  assert.equal((await typesOf(handle)).filter((type) => type === 'UpdateAccepted').length, 1);
});

behavior(all, '11, 18: a handler gets the arguments as sent, and knows its update', async (way) => {
  const handle = await way.start('looksAtUpdates');
  const word = { word: 'as sent' };
  assert.deepEqual(await handle.executeUpdate('look', { args: [word] as unknown as [], updateId: 'u-1' }), word);
  await handle.signal('go');
  const info = { id: 'u-1', name: 'look' };
  assert.deepEqual(await way.result(handle), [
    { outside: 'none' },
    { argument: word, first: info, later: info },
    { inSignal: 'none' },
  ]);
});

behavior(all, '12: a handler that is set later in the same activation gets the update', async (way) => {
  await way.gathered(
    ['acceptsAfterAwait'],
    1,
    async (handle) => void handle.startUpdate('put', { args: ['word'], waitForStage: 'ACCEPTED', updateId: 'early' }),
    async (handle) => {
      assert.equal(await way.result(handle), 'word');
      assert.equal(await handle.getUpdateHandle('early').result(), 4);
      assert.equal((await turnsOf(handle)).length, 1);
    },
  );
});

behavior(all, '12: without a handler, an update is rejected and leaves nothing in the history', async (way) => {
  const handle = await way.start('listensLate');
  await assert.rejects(handle.executeUpdate('put', { args: ['x'] as unknown as [] }), (error) => {
    assert.ok(error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure);
    assert.equal(error.cause.message, 'No registered handler for update: put');
    assert.equal(error.cause.nonRetryable, true);
    return true;
  });
  await handle.signal('go');
  await way.result(handle);
  assert.ok(!(await typesOf(handle)).some((type) => type.startsWith('Update')));
});

behavior(all, '13: startUpdate resolves when the update is accepted, result() when its handler ends', async (way) => {
  const handle = await way.start('failsInUpdates');
  const update = await handle.startUpdate(put, { args: ['waits'], waitForStage: 'ACCEPTED' });
  assert.ok((await typesOf(handle)).includes('UpdateAccepted'));
  assert.ok(!(await typesOf(handle)).includes('UpdateCompleted'));
  const results = [update.result(), handle.getUpdateHandle(update.updateId).result()];
  await handle.signal('go');
  assert.deepEqual(await Promise.all(results), [5, 5]);
  await way.result(handle);
});

for (const [how, check] of [
  [
    'failure',
    (cause: unknown) =>
      cause instanceof ApplicationFailure &&
      assert.deepEqual(facts(cause), ['ApplicationFailure', 'refused', 'Refused', true, ['why']]) === undefined,
  ],
  ['failure later', (cause: unknown) => cause instanceof ApplicationFailure && cause.message === 'later'],
  ['cancelled', (cause: unknown) => cause instanceof CancelledFailure && cause.message === 'by the handler'],
  [
    'activity',
    (cause: unknown) =>
      cause instanceof ActivityFailure &&
      cause.message === 'Activity task failed' &&
      (cause.cause as Error).message === 'failure 1',
  ],
] as const) {
  behavior(
    all,
    `15: a handler that throws a failure fails its update, and the workflow continues: ${how}`,
    async (way) => {
      const handle = await way.start('failsInUpdates');
      assert.ok(check(await causeOf(handle.executeUpdate(put, { args: [how] }))));
      await handle.signal('go');
      assert.equal(await way.result(handle), 'went on');
      assert.ok((await typesOf(handle)).includes('UpdateFailed'));
    },
  );
}

for (const how of ['bug', 'bug later']) {
  behavior(all, `15: every other error of a handler fails the task, which is retried: ${how}`, async (way) => {
    const handle = await way.start('failsInUpdates');
    const update = handle.executeUpdate(put, { args: [how] });
    update.catch(() => undefined);
    assert.match((await taskFailureOf(handle)).message, /^TypeError: a bug in a handler/);
    assert.equal((await handle.describe()).status.name, 'RUNNING');
    assert.equal((await typesOf(handle)).includes('UpdateAccepted'), how === 'bug later');
    await handle.terminate();
    if (how === 'bug') {
      await assert.rejects(
        update,
        (error) => error instanceof WorkflowNotFoundError && /completed/.test(error.message),
      );
    } else {
      const cause = (await causeOf(update)) as ApplicationFailure;
      assert.equal(cause.type, 'AcceptedUpdateCompletedWorkflow');
    }
    await way.replays(handle);
  });
}

behavior(all, '16: a cancellation that reaches a handler fails its update', async (way) => {
  const handle = await way.start('cancelledInUpdate');
  const update = await handle.startUpdate('put', { args: ['x'], waitForStage: 'ACCEPTED' });
  await handle.cancel();
  await assert.rejects(update.result(), (error) => {
    assert.ok(error instanceof WorkflowUpdateFailedError && error.cause instanceof CancelledFailure);
    assert.equal(error.cause.message, 'Workflow cancelled');
    return true;
  });
  await assert.rejects(way.result(handle), /Workflow execution cancelled/);
});

for (const fails of [false, true]) {
  const how = fails ? 'throws' : 'returns';
  behavior(all, `17: an update can end after the workflow ${how}, in the same activation`, async (way) => {
    for (const word of ['word', '']) {
      const handle = await way.start('endsBeforeUpdate', [fails]);
      const update = handle.executeUpdate('put', { args: [word] as unknown as [] });
      if (word === '') {
        await assert.rejects(update, (error) => {
          assert.ok(error instanceof WorkflowUpdateFailedError);
          assert.equal(error.cause?.message, 'no word');
          return true;
        });
      } else assert.equal(await update, 4);
      if (fails) await assert.rejects(way.result(handle), /Workflow execution failed/);
      else assert.equal(await way.result(handle), 'done');
      assert.deepEqual((await turnsOf(handle)).at(-1)!.slice(-3), [
        'UpdateAccepted',
        word === '' ? 'UpdateFailed' : 'UpdateCompleted',
        fails ? 'WorkflowFailed' : 'WorkflowCompleted',
      ]);
    }
  });
}

behavior(
  all,
  '19: without a worker, the caller waits for an update until it gives up; the update may be handled later',
  async (way) => {
    const { client } = way.engine;
    const taskQueue = way.newId('unserved');
    const handle = await way.start('failsInUpdates', [], { taskQueue });
    const late = (error: unknown): boolean =>
      error instanceof WorkflowUpdateRPCTimeoutOrCancelledError && /has no answer/.test(error.message);
    const abort = new AbortController();
    const tries = [
      client.withDeadline(Date.now() + 2_000, () => handle.executeUpdate(put, { args: ['a'], updateId: 'executed' })),
      client.withAbortSignal(abort.signal, () =>
        handle.startUpdate(put, { args: ['bc'], updateId: 'started', waitForStage: 'ACCEPTED' }),
      ),
    ];
    await until(async () => {
      const { rowCount } = await way.engine.pool.query('select from reprise.inbox where run_id = $1', [handle.runId]);
      return rowCount === tries.length;
    });
    abort.abort();
    for (const tried of await Promise.allSettled(tries)) assert.ok(tried.status === 'rejected' && late(tried.reason));
    await way.serve(taskQueue, async () => {
      assert.equal(await handle.getUpdateHandle('executed').result(), 1);
      assert.equal(await handle.getUpdateHandle('started').result(), 2);
      await handle.signal('go');
      await way.result(handle);
    });
  },
);

describe('update-with-start', () => {
  const operation = (
    way: Way,
    workflowId: string,
    workflowIdConflictPolicy: WorkflowIdConflictPolicy = 'USE_EXISTING',
  ) =>
    new WithStartWorkflowOperation('failsInUpdates', {
      workflowId,
      taskQueue: way.engine.taskQueue,
      workflowIdConflictPolicy,
    });
  const end = async (way: Way, handle: WorkflowHandle): Promise<void> => {
    await handle.signal('go');
    assert.equal(await way.result(handle), 'went on');
  };

  behavior(
    all,
    '20: starts the run, which handles the update in its first activation; the next update goes to the same run',
    async (way) => {
      const { workflow } = way.engine.client;
      const workflowId = way.newId('with start');
      const first = operation(way, workflowId);
      assert.equal(await workflow.executeUpdateWithStart(put, { args: ['a'], startWorkflowOperation: first }), 1);
      const handle = await first.workflowHandle();
      assert.deepEqual((await turnsOf(handle))[0]!.slice(0, 3), [
        'WorkflowStarted',
        'UpdateAccepted',
        'UpdateCompleted',
      ]);
      const second = operation(way, workflowId);
      const call = { args: ['bb'] as [string], startWorkflowOperation: second, updateId: 'u2' };
      const update = await workflow.startUpdateWithStart(put, { ...call, waitForStage: 'ACCEPTED' });
      assert.equal(await update.result(), 2);
      assert.equal((await second.workflowHandle()).runId, handle.runId);
      // A call with a known update id gets the outcome of that update. An operation can be used only once.
      const again = { ...call, args: ['ccc'] as [string], startWorkflowOperation: operation(way, workflowId) };
      assert.equal(await workflow.executeUpdateWithStart(put, again), 2);
      await assert.rejects(workflow.executeUpdateWithStart(put, again), { code: 'ILLEGAL_STATE' });
      await end(way, handle);
    },
  );

  for (const how of ['invalid: error', 'failure']) {
    behavior(all, `20: a failed update does not stop the workflow that was started with it: ${how}`, async (way) => {
      const start = operation(way, way.newId('left'), 'FAIL');
      const updated = way.engine.client.workflow.executeUpdateWithStart(put, {
        args: [how],
        startWorkflowOperation: start,
      });
      assert.ok((await causeOf(updated)) instanceof ApplicationFailure);
      const handle = await start.workflowHandle();
      assert.equal((await handle.describe()).status.name, 'RUNNING');
      await end(way, handle);
    });
  }
});
