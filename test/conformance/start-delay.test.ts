// startDelay: the first task waits, until its time or the first message. Behavior 54 of spec/sdk.md.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { testEngine } from '../support/engine.ts';

const engine = await testEngine();
const { client, taskQueue } = engine;

async function begun(runId: string | undefined): Promise<boolean> {
  const { rows } = await engine.pool.query('select 1 from reprise.events where run_id = $1 and seq > 1', [runId]);
  return rows.length > 0;
}

it('the first task waits for its time', async () => {
  const handle = await client.workflow.start('greet', { workflowId: 'later', taskQueue, args: ['x'], startDelay: 300 });
  assert.equal(await begun(handle.runId), false);
  assert.equal(await handle.result(), 'Hello, x!');
  const [started] = await handle.history();
  assert.equal((started!.meta as { startDelayMs: number }).startDelayMs, 300);
  const { rows } = await engine.pool.query<{ waited: boolean }>(
    "select min(at) filter (where seq > 1) - min(at) >= interval '290 milliseconds' as waited from reprise.events where run_id = $1",
    [handle.runId],
  );
  assert.deepEqual(rows, [{ waited: true }]);
});

it('a signal ends the wait', async () => {
  const handle = await client.workflow.start('accumulate', { workflowId: 'woken', taskQueue, startDelay: '1 hour' });
  assert.equal(await begun(handle.runId), false);
  await handle.signal('add', 2);
  await handle.signal('finish');
  assert.equal(await handle.result(), 2);
});

it('the signal that comes with the start does not end it, the next one does', async () => {
  const send = () =>
    client.workflow.signalWithStart('accumulate', {
      workflowId: 'with signal',
      taskQueue,
      startDelay: '1 hour',
      signal: 'add',
      signalArgs: [1],
    });
  const handle = await send();
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(await begun(handle.runId), false);
  assert.equal((await send()).signaledRunId, handle.runId);
  await handle.signal('finish');
  assert.equal(await handle.result(), 2);
});

it('a wait that is no duration is refused', async () => {
  for (const startDelay of [-1, 'soon', Number.NaN, 1e30, '', null] as never[]) {
    const started = client.workflow.start('greet', { workflowId: 'bad', taskQueue, args: ['x'], startDelay });
    await assert.rejects(started, { code: 'INVALID_INPUT' });
  }
  await assert.rejects(client.workflow.getHandle('bad').describe(), { code: 'RUN_NOT_FOUND' });
});
