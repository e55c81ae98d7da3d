// startDelay: the first task waits for the end of the delay or for the first message. Behavior 54 of docs/behaviors.md.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { WorkflowHandle } from 'reprise/client';
import { behavior, pause, type Way, ways } from './ways.ts';

const all = await ways();
const begun = async (handle: WorkflowHandle): Promise<boolean> => (await handle.history()).length > 1;

/** signalWithStart with a start delay of one hour. The workflow returns the words that it receives. */
async function sendWithStart({ engine }: Way, workflowId: string, word: string): Promise<WorkflowHandle> {
  const { client, taskQueue } = engine;
  const options = { workflowId, taskQueue, startDelay: '1 hour', signal: 'say', signalArgs: [word] } as const;
  return client.workflow.signalWithStart('listener', options);
}

describe('startDelay', { concurrency: 4 }, () => {
  behavior(all, '54: the first task waits for the end of the delay', async (way) => {
    const handle = await way.start('passesOn', ['x'], { startDelay: 300 });
    assert.deepEqual(await way.result(handle), [1, 'x']);
    const [started, next] = await handle.history();
    assert.equal((started!.meta as { startDelayMs: number }).startDelayMs, 300);
    assert.ok(next!.at.getTime() - started!.at.getTime() >= 290);
  });

  behavior(all, '54: only the first run of a chain is delayed', async (way) => {
    const handle = await way.start('catchesContinueAsNew', ['throw'], { startDelay: 100 });
    assert.equal(await way.result(handle), 'the next run');
    const { runId } = await handle.describe();
    const [second] = await way.engine.client.workflow.getHandle(handle.workflowId, runId).history();
    assert.equal((second!.meta as { startDelayMs?: number }).startDelayMs, undefined);
  });

  behavior(all, '54: a message ends the wait', async (way) => {
    for (const send of [
      (handle: WorkflowHandle) => handle.signal('stop'),
      (handle: WorkflowHandle) => handle.cancel(),
    ]) {
      const handle = await way.start('listener', [], { startDelay: '1 hour' });
      assert.equal(await begun(handle), false);
      await send(handle);
      const ended = await way.result(handle).catch((error: Error) => error.message);
      assert.deepEqual(ended, send.toString().includes('cancel') ? 'Workflow execution cancelled' : []);
    }
  });

  behavior(
    all,
    '54: the signal of the signalWithStart that starts the run does not end the wait, but the next signal does',
    async (way) => {
      const workflowId = way.newId('with signal');
      const handle = await sendWithStart(way, workflowId, 'a');
      await pause(200);
      assert.equal(await begun(handle), false);
      const again = await sendWithStart(way, workflowId, 'b');
      assert.equal(again.runId, handle.runId);
      assert.deepEqual(await handle.query('heard'), ['a', 'b']);
      await handle.signal('stop');
      assert.deepEqual(await way.result(handle), ['a', 'b']);
    },
  );
});

it('54: an invalid delay, or one with a cron schedule, is refused', async () => {
  const { client, taskQueue } = all[0]!.engine;
  const bad = [-1, 'soon', Number.NaN, 1e30, '', null].map((startDelay) => ({ startDelay }));
  for (const options of [...bad, { startDelay: '1s', cronSchedule: '@daily' }] as never[]) {
    const started = client.workflow.start('listener', { workflowId: 'bad', taskQueue, ...(options as object) });
    await assert.rejects(started, { code: 'INVALID_INPUT' });
  }
  await assert.rejects(client.workflow.getHandle('bad').describe(), { code: 'RUN_NOT_FOUND' });
});
