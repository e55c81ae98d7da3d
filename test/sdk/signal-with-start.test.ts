// signalWithStart: concurrent calls signal one run, whose first activation has the signal; start and signal are atomic.
// Behavior 2 of docs/behaviors.md.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { defineSignal } from 'reprise/workflow';
import { testEngine } from '../support/engine.ts';
import { assertReplays } from '../support/replays.ts';

const engine = await testEngine();
const { client, taskQueue } = engine;
const add = defineSignal<[number]>('add');
const finish = defineSignal('finish');

it('starts a run that has the signal in its first activation', async () => {
  const options = { workflowId: 'new', taskQueue, signal: add, signalArgs: [7] as [number] };
  const handle = await client.workflow.signalWithStart('accumulate', options);
  assert.equal(handle.signaledRunId, handle.runId);
  assert.equal(await handle.query('total'), 7);
  await handle.signal(finish);
  assert.equal(await handle.result(), 7);
  await assertReplays(engine.connection.database, handle.runId!);
});

it('signals the open run of the workflow id, also with concurrent calls', async () => {
  const ask = () =>
    client.workflow.signalWithStart('accumulate', { workflowId: 'many', taskQueue, signal: add, signalArgs: [1] });
  const handles = await Promise.all(Array.from({ length: 30 }, ask));
  assert.equal(new Set(handles.map((handle) => handle.signaledRunId)).size, 1);
  await handles[0]!.signal(finish);
  assert.equal(await handles[0]!.result(), 30);
});

it('loses no signal when the run closes at the same time', async () => {
  let sent = 0;
  let counted = 0;
  const runs = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const handle = await client.workflow.signalWithStart('accumulate', {
      workflowId: 'closing',
      taskQueue,
      signal: add,
      signalArgs: [1],
    });
    sent++;
    await handle.signal(finish);
    if (!runs.has(handle.signaledRunId)) counted += (await handle.result()) as number;
    runs.add(handle.signaledRunId);
  }
  assert.equal(counted, sent);
});

it('makes start and signal part of the caller’s transaction', async () => {
  const session = await engine.pool.connect();
  const within = async (workflowId: string) => {
    await session.query('begin');
    return client.workflow.signalWithStart('accumulate', {
      workflowId,
      taskQueue,
      signal: add,
      signalArgs: [1],
      transaction: session,
    });
  };
  await within('rolled back');
  await session.query('rollback');
  await assert.rejects(client.workflow.getHandle('rolled back').describe(), { code: 'RUN_NOT_FOUND' });
  const handle = await within('committed');
  await session.query('commit');
  session.release();
  await handle.signal(finish);
  assert.equal(await handle.result(), 1);
});

it('refuses bad input before anything is written', async () => {
  const options = { workflowId: 'bad', taskQueue };
  const sent = (more: object) => client.workflow.signalWithStart('accumulate', { ...options, ...more } as never);
  await assert.rejects(sent({ signal: '' }), { code: 'INVALID_INPUT' });
  await assert.rejects(sent({ signal: 'add', signalArgs: [() => 1] }), { code: 'NOT_SERIALISABLE' });
  await assert.rejects(sent({ signal: 'add', cronSchedule: 'never' }), /Invalid cron schedule/);
  await assert.rejects(client.workflow.getHandle('bad').describe(), { code: 'RUN_NOT_FOUND' });
});
