// The owner of a run is killed at every named moment of a fork that takes the place of the run, while signals stream in.
// There is one fork, and every signal counts once.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { forkFailPoints } from '../../runtime/worker/life/fail-point.ts';
import { until } from '../support/engine.ts';
import { crashLab, exited, kill, taskQueue } from './crash-lab.ts';

const lab = await crashLab();

interface ForkedRun {
  readonly run_id: string;
  readonly status: string;
}

async function runsOf(workflowId: string): Promise<ForkedRun[]> {
  const { rows } = await lab.pool.query<ForkedRun>(
    'select run_id, status from reprise.runs where workflow_id = $1 order by run_id',
    [workflowId],
  );
  return rows;
}

async function assertVerified(runIds: readonly string[]): Promise<void> {
  for (const runId of runIds) {
    const { rows } = await lab.pool.query('select ok, problem from reprise_audit.verify($1)', [runId]);
    assert.deepEqual(rows, [{ ok: true, problem: null }]);
  }
}

for (const failPoint of forkFailPoints) {
  it(`a reset whose owner is killed makes one fork, and every signal counts once: ${failPoint}`, async () => {
    const workflowId = `reset ${failPoint}`;
    const doomed = await lab.worker({ failPoint });
    const handle = await lab.client.workflow.start('countOn', { workflowId, taskQueue, args: [1_000_000] });
    const latest = lab.client.workflow.getHandle(workflowId);
    const state = { sent: 0, isOver: false };
    const streaming = (async () => {
      while (!state.isOver) {
        await latest.signal('add', 1);
        state.sent++;
      }
    })();
    await until(async () => state.sent > 20);
    const requestId = randomUUID();
    const reset = latest.rollback({ toSeq: 1, reapply: true, requestId, reason: 'crash test' });
    await exited(doomed);
    const survivor = await lab.worker();
    const { runId } = await reset;
    state.isOver = true;
    await streaming;
    await latest.signal('finish');
    assert.equal(await handle.result(), state.sent);
    assert.deepEqual(await runsOf(workflowId), [
      { run_id: handle.firstExecutionRunId, status: 'rolled_back' },
      { run_id: runId, status: 'completed' },
    ]);
    assert.equal((await latest.rollback({ toSeq: 1, requestId }).catch(() => undefined))?.applied, false);
    await assertVerified([handle.firstExecutionRunId, runId]);
    await kill(survivor);
  });
}

it('a run whose owner hangs, with no other worker, is forked by the caller alone', async () => {
  const workflowId = 'without worker';
  const doomed = await lab.worker({ leaseMs: 1_000 });
  const handle = await lab.client.workflow.start('countOn', { workflowId, taskQueue, args: [1_000_000] });
  await handle.signal('add', 1);
  await until(async () => (await handle.describe()).owner !== undefined);
  doomed.kill('SIGSTOP');
  const { runId } = await lab.client.workflow.getHandle(workflowId).restart({ reason: 'hangs' });
  await kill(doomed);
  assert.deepEqual(
    (await runsOf(workflowId)).map(({ status }) => status),
    ['rolled_back', 'running'],
  );
  await assertVerified([handle.firstExecutionRunId, runId]);
  await lab.client.workflow.getHandle(workflowId, runId).terminate();
});
