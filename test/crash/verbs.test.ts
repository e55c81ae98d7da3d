// Skips and retries that race while the owner of the run is killed between the message and the append: exactly one
// wins, nothing is lost, and the other is told.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { WorkflowHandle } from 'reprise/client';
import { until } from '../support/engine.ts';
import { checkLog, crashLab, exited, kill, taskQueue } from './crash-lab.ts';

const lab = await crashLab();
const options = { taskQueue, skippable: true, retry: { initialInterval: '1 hour', maximumInterval: '1 hour' } };

async function failing(workflowId: string): Promise<WorkflowHandle> {
  const args = ['failTimes', [1000], options];
  return lab.client.workflow.start('callRemote', { workflowId, taskQueue, args });
}

async function failedAt(handle: WorkflowHandle): Promise<number> {
  return until(async () => {
    const [pending] = (await handle.describe()).pendingActivities;
    return pending?.lastFailure === null ? undefined : pending?.seq;
  });
}

/** Lets a skip race with a retry. Returns the event of the winner. */
async function race(handle: WorkflowHandle, activity: number): Promise<'skip' | 'retry'> {
  const calls = [handle.skip({ activity, result: 'skipped', actor: 'a' }), handle.retry({ activity, actor: 'b' })];
  const settled = await Promise.allSettled(calls);
  const won = settled.flatMap((call, i) => (call.status === 'fulfilled' ? [i] : []));
  const lost = settled.flatMap((call) => (call.status === 'rejected' ? [(call.reason as { code: string }).code] : []));
  const applied = (await handle.history()).filter(({ type }) => type === 'RecoveryApplied');
  assert.equal(won.length, applied.length, lost.join());
  // A retry may fail again before the skip is looked at: then both are legal, one after the other.
  assert.ok(won.length >= 1);
  const told = [
    'RECOVERY_SUPERSEDED',
    'ACTIVITY_ALREADY_ENDED',
    'ATTEMPT_RUNNING',
    'NOTHING_TO_RETRY',
    'RUN_NOT_FOUND',
  ];
  for (const code of lost) assert.ok(told.includes(code), code);
  return won.includes(0) ? 'skip' : 'retry';
}

for (const [failPoint, rounds] of [
  ['before append', 4],
  ['after append', 3],
] as const) {
  it(`exactly one verb wins when the owner dies ${failPoint} of the verb`, async () => {
    for (let round = 0; round < rounds; round++) {
      const handle = await failing(`${failPoint} ${round}`);
      // The first append starts the activity, the second logs its failure, the third takes the verb.
      const owner = await lab.worker({ failPoint, hits: 3 });
      const activity = await failedAt(handle);
      const racing = race(handle, activity);
      await exited(owner);
      const next = await lab.worker();
      if ((await racing) === 'retry') {
        await until(async () => {
          const skipped = handle.skip({ activity, result: 'skipped' });
          return skipped.then(
            () => true,
            ({ code }: { code: string }) => (assert.equal(code, 'ATTEMPT_RUNNING'), false),
          );
        });
      }
      assert.equal(await handle.result(), 'skipped');
      await checkLog(lab.pool, handle.runId!);
      await kill(next);
    }
  });
}

it('the caller applies its verb itself when the owner is dead and no worker comes', async () => {
  const handle = await failing('deserted');
  const owner = await lab.worker({ failPoint: 'before append', hits: 3, leaseMs: 1_000 });
  const activity = await failedAt(handle);
  const skipping = handle.skip({ activity, result: 'skipped' });
  await exited(owner);
  const { seq } = await skipping;
  assert.deepEqual(
    (await handle.history()).slice(seq - 1).map(({ type }) => type),
    ['RecoveryApplied', 'ActivityCompleted', 'WorkflowTaskDeferred'],
  );
  const next = await lab.worker();
  assert.equal(await handle.result(), 'skipped');
  await checkLog(lab.pool, handle.runId!);
  await kill(next);
});

it('a lost unsafe attempt is settled by a skip, or by a retry that runs it again', async () => {
  for (const verb of ['skip', 'retry'] as const) {
    const args = ['unsafeEffect', [], { taskQueue }];
    const handle = await lab.client.workflow.start('callRemote', { workflowId: `lost ${verb}`, taskQueue, args });
    const owner = await lab.worker({ failPoint: 'after activity' });
    await exited(owner);
    const next = await lab.worker();
    await until(async () => (await handle.describe()).pendingActivities[0]?.unknownEffect === true);
    const activity = 'unsafeEffect#1';
    if (verb === 'skip') await handle.skip({ activity, result: 'it happened', reason: 'seen at the bank' });
    else await handle.retry({ activity, reason: 'it did not happen' });
    const result = await handle.result();
    if (verb === 'skip') assert.equal(result, 'it happened');
    const events = await handle.history();
    const starts = events.filter(({ type }) => type === 'ActivityAttemptStarted');
    assert.equal(starts.length, verb === 'skip' ? 1 : 2);
    assert.ok(verb === 'skip' || starts[1]!.attempt! > starts[0]!.attempt!);
    assert.equal((starts[0]!.meta as { effect: string }).effect, 'unsafe');
    await kill(next);
  }
});
