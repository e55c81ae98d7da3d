// The verbs that fork a run, on runs that a worker has in memory.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { activityInfo, patchContext } from 'reprise/activity';
import type { WorkflowHandle } from 'reprise/client';
import { encodePayload } from '../../runtime/core/payload/payload.ts';
import { ForkPoints } from '../../runtime/recovery/fork-points.ts';
import { beforeFailure, type RetryChoices } from '../../runtime/recovery/retry-closed.ts';
import { fixtureBundle } from '../support/bundles.ts';
import { fixtureWorker, testEngine } from '../support/engine.ts';
import * as activities from '../support/fixtures/activities.ts';
import { Forks } from '../support/forks.ts';
import { assertReplays } from '../support/replays.ts';

const engine = await testEngine({
  workflowBundle: await fixtureBundle('forks.ts'),
  activities: {
    ...activities,
    keyOf: async () => activityInfo().idempotencyKey,
    noted: async () => patchContext({ op: 'add', path: '/done/-', value: 7 }),
  },
});
const { database } = engine.connection;
const forks = new Forks(engine);

async function statusOf(workflowId: string, runId: string): Promise<string> {
  return (await engine.client.workflow.getHandle(workflowId, runId).describe()).status.name;
}

/** Starts a run and waits until it waits for its signal. */
async function waiting(): Promise<WorkflowHandle> {
  const handle = await engine.start('gated', [], randomUUID());
  await engine.until(async () => {
    return (await forks.historyOf(handle.runId!)).filter(({ type }) => type === 'ActivityCompleted').length === 2;
  });
  return handle;
}

test('reset goes on from before a step in place of the run, and a waiting result follows', async () => {
  const handle = await waiting();
  const result = handle.result();
  const made = await handle.reset({ to: 'record#2', reason: 'once more', actor: 'me' });
  assert.deepEqual([made.origin, made.workflowId, made.applied], [handle.runId, handle.workflowId, true]);
  assert.deepEqual(
    made.effects.map(({ kind, name, state }) => [kind, name, state]),
    [['activity', 'record', 'completed']],
  );
  assert.equal(await statusOf(handle.workflowId, handle.runId!), 'ROLLED_BACK');
  const closing = (await forks.historyOf(handle.runId!)).at(-1)!;
  assert.deepEqual(
    [closing.type, closing.reason, closing.sourceId, closing.correlationId],
    ['WorkflowRolledBack', 'once more', 'me', made.runId],
  );
  await forks.logged(made.runId, ({ type, seq }) => type === 'ActivityCompleted' && seq > made.seq);
  await engine.client.workflow.getHandle(handle.workflowId).signal('go', 'end');
  assert.deepEqual(await result, ['end']);
  await forks.assertVerified(handle.runId!);
  await forks.assertVerified(made.runId);
  await assertReplays(database, made.runId, 'forks.ts');
});

test('signals that stream in during resets are neither lost nor doubled', async () => {
  const handle = await waiting();
  const latest = engine.client.workflow.getHandle(handle.workflowId);
  const sent: string[] = [];
  const state = { isOver: false };
  const streaming = (async () => {
    for (let i = 0; !state.isOver; i++) {
      await latest.signal('go', `${i}`);
      sent.push(`${i}`);
    }
  })();
  for (let i = 0; i < 5; i++) {
    const { runId, seq } = await latest.reset({ to: 'record#2' });
    await forks.logged(runId, (event) => event.type === 'ActivityScheduled' && event.seq > seq);
  }
  state.isOver = true;
  await streaming;
  await latest.signal('go', 'end');
  assert.deepEqual(await handle.result(), [...sent, 'end']);
});

test('restart begins again with the same arguments and new random numbers', async () => {
  const handle = await engine.start('identities', [], randomUUID());
  const before = (await handle.result()) as string[][];
  const made = await handle.restart({ reason: 'again' });
  const after = (await handle.result()) as string[][];
  assert.equal(after[0]![0], made.runId);
  assert.notEqual(after[0]![2], before[0]![2]);
  assert.equal(await statusOf(handle.workflowId, handle.runId!), 'COMPLETED');
});

test('rollback lists what happened behind the point, and changes nothing in a dry run', async () => {
  const handle = await waiting();
  const preview = await handle.rollback({ toSeq: 1, dryRun: true });
  assert.deepEqual([preview.point, preview.effects.length], [1, 2]);
  assert.equal(await statusOf(handle.workflowId, handle.runId!), 'RUNNING');
  await handle.signal('go', 'lost');
  await forks.logged(handle.runId!, ({ type }) => type === 'SignalReceived');
  const made = await handle.rollback({ toSeq: 1 });
  await forks.logged(made.runId, ({ type }) => type === 'ActivityCompleted');
  await engine.client.workflow.getHandle(handle.workflowId).signal('go', 'end');
  assert.deepEqual(await handle.result(), ['end']);
});

test('fork makes a copy beside an open run, and no message to the run reaches the copy', async () => {
  const handle = await waiting();
  const made = await handle.fork({ workflowId: randomUUID() });
  const copy = engine.client.workflow.getHandle(made.workflowId, made.runId);
  await handle.signal('go', 'end');
  assert.deepEqual(await handle.result(), ['end']);
  assert.deepEqual(await copy.query('words'), []);
  await copy.signal('go', 'end');
  assert.deepEqual(await copy.result(), ['end']);
});

test('a repeated call with the same request id returns the fork that is there', async () => {
  const handle = await waiting();
  const requestId = randomUUID();
  const made = await Promise.all([1, 2, 3].map(() => handle.reset({ to: 'record#1', requestId })));
  assert.equal(new Set(made.map(({ runId }) => runId)).size, 1);
  assert.equal((await handle.reset({ to: 'record#1', requestId })).applied, false);
  // The workflow id names the fork by now.
  const latest = engine.client.workflow.getHandle(handle.workflowId);
  const repeated = await latest.reset({ to: 'record#1', requestId });
  assert.deepEqual([repeated.runId, repeated.applied], [made[0]!.runId, false]);
  const ofOrigin = engine.client.workflow.getHandle(handle.workflowId, handle.runId, { followRuns: false });
  await assert.rejects(ofOrigin.result(), new RegExp(`rolled back: run ${repeated.runId} goes on`));
  await engine.client.workflow.getHandle(handle.workflowId).terminate();
});

test('a request id of another workflow or verb is refused, and names the run that has it', async () => {
  const [handle, other] = [await waiting(), await waiting()];
  const requestId = randomUUID();
  await handle.reset({ to: 'record#1', requestId });
  const refusal = { code: 'INVALID_INPUT', message: new RegExp(`reset of run ${handle.runId!}`) };
  await assert.rejects(other.reset({ to: 'record#1', requestId }), refusal);
  await assert.rejects(handle.restart({ requestId }), refusal);
  await engine.client.workflow.getHandle(handle.workflowId).terminate();
  await other.terminate();
});

test('a patch for a closed run by its run id is refused, as a signal is', async () => {
  const handle = await waiting();
  await handle.reset({ to: 'record#1' });
  const ofOrigin = engine.client.workflow.getHandle(handle.workflowId, handle.runId);
  const patch = { op: 'add', path: '/x', value: 1 } as const;
  await assert.rejects(ofOrigin.signal('go'), { code: 'RUN_NOT_FOUND' });
  await assert.rejects(ofOrigin.patchContext(patch, { reason: 'late' }), { code: 'RUN_NOT_FOUND' });
  await engine.client.workflow.getHandle(handle.workflowId).terminate();
});

test('effectsAfter refuses options and verbs that it does not know', async () => {
  const handle = await waiting();
  const wrong = { code: 'INVALID_INPUT' };
  await assert.rejects(handle.effectsAfter(null as never), wrong);
  await assert.rejects(handle.effectsAfter({ toSeqs: 3 } as never), wrong);
  await assert.rejects(handle.effectsAfter({}, 'undo' as never), wrong);
  await handle.terminate();
});

test('a point that the run does not have is refused, and nothing is written', async () => {
  const handle = await waiting();
  for (const to of ['record#3', 4711, 'nothing']) {
    await assert.rejects(handle.reset({ to }), { code: 'STEP_NOT_FOUND' });
  }
  await assert.rejects(handle.rollback({}), /needs a point/);
  assert.equal(await statusOf(handle.workflowId, handle.runId!), 'RUNNING');
  await handle.terminate();
});

async function afterFailure(runId: string, choices: Partial<RetryChoices> = {}): Promise<WorkflowHandle> {
  const { verb = 'retry', isForced = false, payload } = choices;
  const points = await ForkPoints.of(database, runId, true);
  const { point, applied } = beforeFailure(points, { verb, isForced, payload });
  return forks.fork(runId, point, { verb, ...(applied === undefined ? {} : { applied }) });
}

test('the retry of a failed run keeps the results of siblings, and repeats only the activity that failed', async () => {
  const handle = await engine.start('allOrNothing', [false], randomUUID());
  await assert.rejects(handle.result());
  const fork = await afterFailure(handle.runId!);
  assert.deepEqual(await fork.result(), ['a', 'b', 2]); // attempt 2
  const own = (await forks.historyOf(fork.runId!)).filter(({ runId }) => runId === fork.runId);
  assert.deepEqual(
    own.filter(({ type }) => type.startsWith('Activity') || type === 'RecoveryApplied').map(({ type }) => type),
    ['RecoveryApplied', 'ActivityCompleted'],
  );
  assert.equal(await statusOf(handle.workflowId, handle.runId!), 'FAILED');
  assert.deepEqual(await handle.result(), ['a', 'b', 2]);
  await forks.assertVerified(fork.runId!);
  await assertReplays(database, fork.runId!, 'forks.ts');
});

test('skip of a failed run gives the result that the activity did not give', async () => {
  const handle = await engine.start('allOrNothing', [false], randomUUID());
  await assert.rejects(handle.result());
  const fork = await afterFailure(handle.runId!, { verb: 'skip', payload: encodePayload('given') });
  assert.deepEqual(await fork.result(), ['a', 'b', 'given']);
  await assertReplays(database, fork.runId!, 'forks.ts');
});

test('a retry that would repeat a compensation is refused unless it is forced', async () => {
  const handle = await engine.start('allOrNothing', [true], randomUUID());
  await assert.rejects(handle.result());
  await assert.rejects(afterFailure(handle.runId!), { code: 'EFFECTS_AFTER', message: /activity echo \(event \d+\)/ });
  assert.deepEqual(await (await afterFailure(handle.runId!, { isForced: true })).result(), ['a', 'b', 2]);
  const completed = await engine.start('steps', [0], randomUUID());
  await completed.result();
  await assert.rejects(afterFailure(completed.runId!), { code: 'NOTHING_TO_RETRY' });
});

test('recover repeats a call under its old idempotency key, and rollback under a new one', async () => {
  const handle = await engine.start('keys', [], randomUUID());
  const [first, second] = (await handle.result()) as string[];
  const recovered = await handle.recover({ toSeq: 1 });
  assert.deepEqual(await handle.result(), [first, second]);
  const again = await engine.client.workflow.getHandle(handle.workflowId, recovered.runId).recover({ toSeq: 1 });
  assert.deepEqual(await handle.result(), [first, second]);
  await engine.client.workflow.getHandle(handle.workflowId, again.runId).rollback({ toSeq: 1 });
  const [third, fourth] = (await handle.result()) as string[];
  assert.equal(new Set([first, second, third, fourth]).size, 4);
});

test('a fork that may repeat an unsafe activity is refused unless its type is allowed', async () => {
  const handle = await engine.start('unsafely', [], randomUUID());
  await handle.result();
  await assert.rejects(handle.reset({ to: 'unsafeEffect#1' }), { code: 'UNSAFE_EFFECTS', message: /unsafeEffect/ });
  await handle.reset({ to: 'unsafeEffect#1', allowEffects: ['unsafeEffect'] });
  await handle.result();
});

test('the patches that an activity staged are carried over with its result, once', async () => {
  const handle = await engine.start('notes', [], randomUUID());
  await assert.rejects(handle.result());
  const fork = await afterFailure(handle.runId!);
  assert.deepEqual(await fork.result(), [7]);
  assert.deepEqual((await fork.stateAt()).state, { done: [7] });
  await forks.assertVerified(fork.runId!);
  await assertReplays(database, fork.runId!, 'forks.ts');
});

test("signals, updates and people's patches behind the point reach the fork again, in order", async () => {
  const handle = await engine.start('approved', [], randomUUID());
  await engine.until(async () => {
    return (await forks.historyOf(handle.runId!)).filter(({ type }) => type === 'ActivityCompleted').length === 2;
  });
  await handle.signal('go', 'first');
  assert.equal(await handle.executeUpdate('double', { args: [21] }), 42);
  await handle.patchContext({ op: 'add', path: '/done/-', value: 1 }, { reason: 'approved', actor: 'Ada' });
  const made = await handle.reset({ to: 'echo#2' });
  const fork = engine.client.workflow.getHandle(handle.workflowId, made.runId);
  await engine.until(async () => {
    const { state } = await fork.stateAt();
    return (state as { done: number[] } | undefined)?.done.length === 1;
  });
  const types = (await forks.historyOf(made.runId)).filter(({ runId }) => runId === made.runId).map(({ type }) => type);
  assert.equal(types.filter((type) => type === 'UpdateAccepted').length, 1);
  await fork.signal('go', 'end');
  assert.deepEqual(await handle.result(), ['first', '21', 'end']);
  await assertReplays(database, made.runId, 'forks.ts');
});

test('an update whose handler runs when its run is forked ends in the fork, before or behind the point', async () => {
  for (const place of ['before', 'behind']) {
    const handle = await engine.start('approved', [], randomUUID());
    await engine.until(async () => {
      return (await forks.historyOf(handle.runId!)).filter(({ type }) => type === 'ActivityCompleted').length === 2;
    });
    const update = await handle.startUpdate('double', { args: [-4], waitForStage: 'ACCEPTED' });
    const accepted = await forks.seqOf(handle.runId!, ({ type }) => type === 'UpdateAccepted');
    const toSeq = place === 'before' ? accepted : accepted - 1;
    const { runId } = await handle.rollback({ toSeq, reapply: true });
    const result = update.result();
    await engine.client.workflow.getHandle(handle.workflowId, runId).signal('go', 'end');
    assert.equal(await result, -8);
  }
});

test('the token of an activity that a client completes stays valid when its run is forked', async () => {
  const key = randomUUID();
  const handle = await engine.start('handsOver', [key], key);
  const token = await engine.until(async () => activities.handedOver.get(`${key} 1`));
  const waitsForClient = 'select from reprise.activity_tasks where run_id = $1 and worker is null and due_at is null';
  await engine.until(async () => (await engine.pool.query(waitsForClient, [handle.runId])).rowCount === 1);
  const scheduled = await forks.seqOf(handle.runId!, ({ type }) => type === 'ActivityScheduled');
  await handle.rollback({ toSeq: scheduled });
  await engine.client.activity.complete(Buffer.from(token, 'base64'), 'done by a person');
  assert.equal(await handle.result(), 'done by a person');
});

test('a task that waits for a worker of another queue moves to the fork, with its arguments', async () => {
  const queue = randomUUID();
  const handle = await engine.start('elsewhere', [queue], queue);
  const tasksOf = async (runId: string): Promise<number | null> => {
    return (await engine.pool.query('select from reprise.activity_tasks where run_id = $1', [runId])).rowCount;
  };
  await engine.until(async () => (await tasksOf(handle.runId!)) === 1);
  const scheduled = await forks.seqOf(handle.runId!, ({ type }) => type === 'ActivityScheduled');
  const { runId } = await handle.rollback({ toSeq: scheduled });
  assert.deepEqual([await tasksOf(handle.runId!), await tasksOf(runId)], [0, 1]);
  const worker = await fixtureWorker(engine.connection, queue, { workflowBundle: await fixtureBundle('forks.ts') });
  assert.equal(await worker.runUntil(handle.result()), 'from elsewhere');
  await forks.assertVerified(runId);
});
