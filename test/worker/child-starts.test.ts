// Children whose start waits for a user's transaction while the parent ends or cancels the child.
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { testEngine, until } from '../support/engine.ts';

const engine = await testEngine();
const { client, taskQueue } = engine;
const { workflow } = client;

/** A user's open transaction that holds this workflow id. `free` rolls the transaction back. */
async function held(workflowId: string): Promise<{ free(): Promise<void> }> {
  const session = await engine.pool.connect();
  let isFree = false;
  const free = async (): Promise<void> => {
    if (isFree) return;
    isFree = true;
    await session.query('rollback');
    session.release();
  };
  after(free);
  await session.query('begin');
  await workflow.start('listener', { workflowId, taskQueue: 'nobody', transaction: session });
  return { free };
}

const statusOf = async (workflowId: string) =>
  (
    await workflow
      .getHandle(workflowId)
      .describe()
      .catch(() => undefined)
  )?.status.name;

it('a child whose start still waits when its parent is terminated never starts, or ends too', async () => {
  const ids = Array.from({ length: 6 }, (_, i) => `late child ${i}`);
  for (const id of ids) {
    const { free } = await held(id);
    const parent = await workflow.start('parentThat', { workflowId: `gone ${id}`, taskQueue, args: [id, {}] });
    await until(async () => (await parent.describe()).pendingChildren.length === 1);
    await parent.terminate();
    await free(); // at any moment of a try to start the child
  }
  const { pool } = engine;
  const isOver = async (): Promise<boolean> =>
    (await pool.query('select from reprise.outbox')).rowCount === 0 &&
    (await pool.query("select from reprise.runs where workflow_id like 'late child%' and status = 'running'"))
      .rowCount === 0;
  await until(isOver);
  await setTimeout(500); // longer than a try takes
  await until(isOver);
  for (const id of ids) assert.ok([undefined, 'TERMINATED'].includes(await statusOf(id)));
});

it('a child that is cancelled during its start is cancelled once it exists', async () => {
  const { free } = await held('slow child');
  const options = { workflowId: 'slow child' };
  const parent = await workflow.start('parentOf', { workflowId: 'canceller', taskQueue, args: ['waits', options] });
  await until(async () => (await parent.describe()).pendingChildren.length === 1);
  await parent.cancel();
  await until(async () => (await parent.history()).some((event) => event.type === 'ExternalCancelInitiated'));
  await free();
  await until(async () => (await statusOf('slow child')) === 'CANCELLED');
  await parent.result().catch(() => undefined);
});

it('a parent whose row a user holds does not delay the outcomes of children of other parents', async () => {
  const parent = await workflow.start('parentThat', { workflowId: 'locked', taskQueue, args: ['ward', {}] });
  await until(async () => (await statusOf('ward')) === 'RUNNING');
  const session = await engine.pool.connect();
  await session.query('begin');
  await session.query('select from reprise.ready where run_id = $1 for no key update', [parent.runId]);
  await workflow.getHandle('ward').signal('stop');
  assert.equal(await workflow.execute('parentOf', { workflowId: 'other', taskQueue, args: ['works'] }), 'works');
  await session.query('rollback');
  session.release();
  await until(async () => (await parent.describe()).pendingChildren.length === 0);
  await parent.terminate();
});
