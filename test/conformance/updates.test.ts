// Updates: what handlers are given, and how they end beside their workflow. Behaviors 11, 12, 16, 17 and 18 of spec/sdk.md;
// 10, 13, 14, 15 and 19 are proven by test/worker/updates.test.ts, 20 by test/sdk/id-policies.test.ts.
import assert from 'node:assert/strict';
import { ApplicationFailure, CancelledFailure } from 'reprise/common';
import { WorkflowUpdateFailedError } from 'reprise/client';
import { behavior, turnsOf, typesOf, ways } from './ways.ts';

const all = await ways();

behavior(all, '11, 18: a handler has the arguments as they were sent, and knows its update', async (way) => {
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

behavior(all, '12: a handler that is set after an await of the same activation gets the update', async (way) => {
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

behavior(all, '12: without a handler an update is rejected and leaves nothing in the history', async (way) => {
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

behavior(all, '16: cancellation of the workflow that reaches a handler fails its update', async (way) => {
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
  behavior(all, `17: an update ends in the activation in which the workflow ${how}, after it`, async (way) => {
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
