// Parents, children and messages between runs while workers are killed: each child starts once, and each result and
// each signal arrives once. Runs that must end with their parent do so.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { until } from '../support/engine.ts';
import { checkLog, crashLab, kill, taskQueue } from './crash-lab.ts';

const lab = await crashLab();
const { workflow } = lab.client;

async function checkAll(): Promise<void> {
  const { rows } = await lab.pool.query<{ run_id: string }>(
    'select run_id from reprise.runs where closed_at is not null',
  );
  for (const { run_id: runId } of rows) await checkLog(lab.pool, runId);
}

/** Starts one worker after the other and kills each at a different moment, until `done` resolves. */
async function killUntil(done: () => Promise<unknown>): Promise<number> {
  const points = ['before append', 'after append', 'claimed', 'before park'] as const;
  let isDone = false;
  const ended = done().then(() => {
    isDone = true;
  });
  let kills = 0;
  while (!isDone) {
    const worker = await lab.worker(
      kills % 2 === 0
        ? { maxCachedRuns: kills % 4 === 0 ? 1000 : 2 }
        : { failPoint: points[kills % 4]!, hits: 2 + kills },
    );
    await Promise.race([setTimeout(150 + 100 * kills), ended]);
    if (isDone) break;
    await kill(worker);
    kills++;
  }
  await ended;
  return kills;
}

it('every child starts once and its result arrives once, however often workers are killed', async () => {
  const handles = await Promise.all(
    Array.from({ length: 2 }, (_, i) =>
      workflow.start('parentOfMany', { workflowId: `family ${i}`, taskQueue, args: [40] }),
    ),
  );
  await killUntil(() => Promise.all(handles.map((handle) => handle.result())));
  for (const handle of handles) {
    assert.equal(await handle.result(), (39 * 40) / 2);
    const types = (await handle.history()).map((event) => event.type);
    const count = (type: string) => types.filter((each) => each === type).length;
    assert.equal(count('ChildWorkflowInitiated'), 40);
    assert.equal(count('ChildWorkflowCompleted'), 40);
    // If a child's result arrives before the news of its start, ChildWorkflowStarted is not written.
    assert.ok(count('ChildWorkflowStarted') <= 40);
  }
  const { rows } = await lab.pool.query(
    "select count(*)::int as runs, count(distinct workflow_id)::int as ids from reprise.runs where workflow_type = 'child'",
  );
  assert.deepEqual(rows, [{ runs: 80, ids: 80 }]);
  await checkAll();
});

it('every signal from run to run arrives once', async () => {
  const start = (workflowId: string, other: string) =>
    workflow.start('pingPong', { workflowId, taskQueue, args: [other, 20] });
  const pair = await Promise.all([start('ping', 'pong'), start('pong', 'ping')]);
  await killUntil(() => Promise.all(pair.map((handle) => handle.result())));
  for (const handle of pair) {
    const history = await handle.history();
    const count = (type: string) => history.filter((event) => event.type === type).length;
    assert.equal(count('SignalReceived'), 20);
    assert.equal(count('ExternalSignalDelivered'), 20);
  }
  await checkAll();
});

it('children end with their parent, whichever worker is killed meanwhile', async () => {
  const parents = await Promise.all(
    Array.from({ length: 12 }, (_, i) =>
      workflow.start('parentThat', {
        workflowId: `parent ${i}`,
        taskQueue,
        args: [`ward ${i}`, { parentClosePolicy: i % 2 === 0 ? 'TERMINATE' : 'REQUEST_CANCEL' }],
      }),
    ),
  );
  await killUntil(async () => {
    for (const [i, parent] of parents.entries()) {
      const ward = workflow.getHandle(`ward ${i}`);
      await until(async () => (await ward.describe().catch(() => undefined))?.status.name === 'RUNNING');
      await parent.signal('leave', 'complete');
    }
    for (const [i] of parents.entries()) {
      const status = i % 2 === 0 ? 'TERMINATED' : 'CANCELLED';
      await until(async () => (await workflow.getHandle(`ward ${i}`).describe()).status.name === status);
    }
  });
  assert.equal((await lab.pool.query('select from reprise.outbox')).rowCount, 0);
  await checkAll();
});

it('a workflow is retried exactly as often as its policy says, whichever worker is killed', async () => {
  const retry = { initialInterval: 20, maximumAttempts: 12, backoffCoefficient: 1 };
  const handle = await workflow.start('succeedsAt', { workflowId: 'flaky', taskQueue, args: [12], retry });
  await killUntil(() => handle.result());
  const { rows } = await lab.pool.query(
    "select status, count(*)::int as runs from reprise.runs where workflow_id = 'flaky' group by 1 order by 1",
  );
  assert.deepEqual(rows, [
    { status: 'completed', runs: 1 },
    { status: 'failed', runs: 11 },
  ]);
  await checkAll();
});
