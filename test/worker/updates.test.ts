// Updates from client to handler and back. Behaviors 8, 10, 14 and 16 of docs/behaviors.md. With the run cached,
// rebuilt from the log for every turn, and replayed. test/conformance/updates.test.ts covers the other behaviors of
// updates.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { ApplicationFailure } from 'reprise/common';
import { Client, Connection, WorkflowNotFoundError, WorkflowUpdateFailedError } from 'reprise/client';
import { defineUpdate } from 'reprise/workflow';
import { testEngine, until } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

const addItem = defineUpdate<number, [string]>('addItem');
const reserve = defineUpdate<string, [string, number]>('reserve');
const types = async (handle: { history(): Promise<{ type: string }[]> }): Promise<string[]> =>
  (await handle.history()).map((event) => event.type);

const cached = await testEngine();
const evicted = await testEngine({ maxCachedRuns: 0 });

for (const [way, engine] of [
  ['cached', cached],
  ['evicted after every turn', evicted],
] as const) {
  const elsewhere = new Client({ connection: await Connection.connect({ connectionString: engine.url }) });
  after(() => elsewhere.connection.close());

  describe(`updates of a run that is ${way}`, () => {
    it('are accepted, handled and answered, and are in the log', async () => {
      const handle = await engine.start('cart');
      assert.equal(await handle.executeUpdate(addItem, { args: ['book'] }), 1);
      const started = await elsewhere.workflow
        .getHandle(handle.workflowId)
        .startUpdate(reserve, { args: ['pen', 1], waitForStage: 'ACCEPTED', updateId: 'r1' });
      assert.equal(started.updateId, 'r1');
      assert.equal(await started.result(), 'Hello, pen!');
      assert.equal(await handle.getUpdateHandle('r1').result(), 'Hello, pen!');
      await handle.signal('finish');
      assert.deepEqual(await handle.result(), ['book', 'pen']);
      // The outcome is also available after the run has closed.
      assert.equal(
        await elsewhere.workflow.getHandle(handle.workflowId, handle.runId).getUpdateHandle('r1').result(),
        'Hello, pen!',
      );
      const seen = (await types(handle)).filter((type) => type.startsWith('Update'));
      const accepted = (await handle.fetchHistory()).events.find(
        (event) => event['eventType'] === 'WorkflowExecutionUpdateAccepted',
      );
      assert.ok(accepted !== undefined && JSON.stringify(accepted).includes('"updateId"'));
      assert.deepEqual(seen, ['UpdateAccepted', 'UpdateCompleted', 'UpdateAccepted', 'UpdateCompleted']);
      await assertReplays(engine.connection.database, handle.runId!);
    });

    it('leave no trace if a validator rejects them or they have no handler', async () => {
      const handle = await engine.start('cart');
      await handle.query('items');
      const before = await types(handle);
      const rejected = await handle.startUpdate(addItem, { args: [''], waitForStage: 'ACCEPTED' });
      await assert.rejects(rejected.result(), (error) => {
        assert.ok(error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure);
        assert.deepEqual(
          [error.message, error.cause.message, error.cause.type],
          ['Workflow Update failed', 'an item has a name', 'RangeError'],
        );
        return true;
      });
      await assert.rejects(elsewhere.workflow.getHandle(handle.workflowId).executeUpdate('unknown', {}), (error) => {
        assert.ok(error instanceof WorkflowUpdateFailedError);
        assert.equal(error.cause?.message, 'No registered handler for update: unknown');
        return true;
      });
      assert.deepEqual(await types(handle), before);
      const { rows } = await engine.pool.query('select 1 from reprise.inbox where run_id = $1', [handle.runId]);
      assert.deepEqual(rows, []);
      // The id of a rejected update may be used again.
      assert.equal(await handle.executeUpdate(addItem, { args: ['x'], updateId: rejected.updateId }), 1);
      await handle.signal('finish');
      await handle.result();
      await assertReplays(engine.connection.database, handle.runId!);
    });

    it('with the same id are handled once, whoever sends them, and all senders get the outcome', async () => {
      const handle = await engine.start('cart');
      const clients = [handle, elsewhere.workflow.getHandle(handle.workflowId)];
      const sent = Array.from({ length: 10 }, (_, i) =>
        clients[i % 2]!.executeUpdate(addItem, { args: ['a'], updateId: 'once' }),
      );
      assert.deepEqual(new Set(await Promise.all(sent)), new Set([1]));
      assert.equal(await handle.executeUpdate(addItem, { args: ['b'], updateId: 'once' }), 1);
      await handle.signal('finish');
      assert.deepEqual(await handle.result(), ['a']);
      await assertReplays(engine.connection.database, handle.runId!);
    });

    it('that are accepted but unfinished when the run closes fail with that as the reason', async () => {
      const handle = await engine.start('cart');
      const update = await handle.startUpdate(reserve, { args: ['pen', 60_000], waitForStage: 'ACCEPTED' });
      const result = update.result();
      await handle.signal('finish');
      await assert.rejects(result, (error) => {
        assert.ok(error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure);
        assert.equal(error.cause.type, 'AcceptedUpdateCompletedWorkflow');
        return true;
      });
      await handle.result();
      await assertReplays(engine.connection.database, handle.runId!);
    });
  });
}

describe('sending updates', () => {
  const engine = cached;

  it('to a closed or unknown run is refused', async () => {
    const handle = await engine.start('greet', ['Ada']);
    await handle.result();
    await assert.rejects(
      handle.executeUpdate(addItem, { args: ['x'] }),
      (error) => error instanceof WorkflowNotFoundError && /^workflow execution already completed/.test(error.message),
    );
    await assert.rejects(
      engine.client.workflow.getHandle('none').executeUpdate(addItem, { args: ['x'] }),
      (error) => error instanceof WorkflowNotFoundError && /^workflow not found for ID: none/.test(error.message),
    );
  });

  it('refuses invalid options, and sends nothing', async () => {
    const handle = await engine.start('cart');
    const invalid = { code: 'INVALID_INPUT' };
    const args: [string] = ['x'];
    await assert.rejects(handle.startUpdate(addItem, { args, waitForStage: 'COMPLETED' as 'ACCEPTED' }), invalid);
    await assert.rejects(handle.executeUpdate(addItem, { args, updateId: '' }), invalid);
    await assert.rejects(handle.executeUpdate('', {}), invalid);
    await assert.rejects(handle.executeUpdate('addItem', { args: [() => 1] as never }), { code: 'NOT_SERIALISABLE' });
    assert.throws(() => handle.getUpdateHandle('u', { workflowRunId: 'x' }), invalid);
    assert.throws(() => handle.getUpdateHandle(''), invalid);
    await assert.rejects(handle.executeUpdate(addItem, { args, typeInfo: {} } as { args: [string] }), invalid);
    await handle.signal('finish');
    assert.deepEqual(await handle.result(), []);
  });

  it('to a long run waits until the run is rebuilt, which happens in parts for every turn', async () => {
    const { client, taskQueue } = evicted;
    const handle = await client.workflow.start('longCart', { workflowId: 'long', taskQueue, args: [300] });
    await until(
      async () =>
        (await handle.describe()).pendingActivities.length === 0 && (await handle.describe()).historyLength > 600,
    );
    const sent = Array.from({ length: 20 }, (_, i) => handle.executeUpdate(addItem, { args: [`i${i}`] }));
    assert.deepEqual(
      (await Promise.all(sent)).sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    await handle.signal('finish');
    assert.equal(((await handle.result()) as string[]).length, 20);
    await assertReplays(evicted.connection.database, handle.runId);
  });
});
