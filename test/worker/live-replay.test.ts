// Replays with live activities: which functions are entered, what the record answers, and what stays as it was.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveReplayOptions, LiveReplayReport, WorkflowHandle } from 'reprise/client';
import { fixtureBundle } from '../support/bundles.ts';
import { testEngine } from '../support/engine.ts';
import { Forks } from '../support/forks.ts';
import { type Answers, CallFile, replayActivities } from '../support/replay-activities.ts';

const calls = new CallFile();
const answers: Answers = { isValid: true, model: () => 'old' };
const activities = replayActivities(calls, answers);
const engine = await testEngine({ workflowBundle: await fixtureBundle('replays.ts'), activities });
const forks = new Forks(engine);

async function recorded(workflow: string, args: unknown[] = []): Promise<WorkflowHandle> {
  const handle = await engine.start(workflow, args);
  await handle.result();
  return handle;
}

/** Replays the run, and checks what holds for every replay. */
async function replay(
  handle: WorkflowHandle,
  options: Omit<LiveReplayOptions, 'mode'> = {},
): Promise<{ report: LiveReplayReport; entered: string[] }> {
  const before = await forks.historyOf(handle.runId!);
  calls.clear();
  const report = await handle.replay({ mode: 'LIVE_TOOLS', ...options });
  const entered = calls.lines;
  assert.deepEqual(await forks.historyOf(handle.runId!), before);
  assert.equal(report.forkWorkflowId.slice(0, 7), 'replay:');
  await forks.assertVerified(report.forkRunId);
  return { report, entered };
}

test('only activities declared harmless are entered, and the record answers all others', async () => {
  const handle = await recorded('order', [5]);
  const { report, entered } = await replay(handle);
  assert.deepEqual(entered, []);
  assert.equal(report.success, true);
  assert.equal(report.end, 'closed');
  assert.equal(report.outcome.isSame, true);
  assert.equal(report.usd, 0);
  assert.equal(report.matchRate, null);
  assert.deepEqual(report.paths, []);
  assert.deepEqual(
    report.matches.map(({ type, same, live }) => [type, same, live]),
    [
      ['validate', 1, 0],
      ['charge', 1, 0],
    ],
  );
});

test('a named activity is entered with the idempotency key of the replay', async () => {
  const handle = await recorded('order', [6]);
  const { report, entered } = await replay(handle, { live: ['charge'] });
  assert.equal(entered.length, 1);
  assert.match(entered[0]!, new RegExp(`^charge 6 ${report.forkRunId}:`));
  assert.equal(report.usd, 0.5);
  assert.equal(report.estimate.usd, 0.5);
  assert.equal(report.matchRate, 1);
});

test('a replaced result leads to calls that are entered when they are harmless', async () => {
  const handle = await recorded('order', [7]);
  const { report, entered } = await replay(handle, { results: { 'validate#1': false }, live: 'divergent' });
  assert.deepEqual(entered, ['notify refused 7']);
  assert.equal(report.outcome.isSame, false);
  assert.equal(report.outcome.replayed.value, 'notified refused 7');
  assert.deepEqual(report.paths, [{ path: '/state', recorded: 'accepted', replayed: 'refused' }]);
  assert.deepEqual(report.mocked[0]?.mock, 'validate#1');
  assert.equal(report.mocked[0].seqs.length, 1);
  assert.deepEqual(
    [report.missing, report.extra].map((list) => list.map(({ name }) => name)),
    [['charge'], ['notify']],
  );
});

test('a call without a record that is not live stops the replay, is named, and is not entered', async () => {
  answers.isValid = false;
  const handle = await recorded('order', [8]);
  answers.isValid = true;
  const { report, entered } = await replay(handle, { results: { validate: true } });
  assert.deepEqual(entered, []);
  assert.equal(report.success, false);
  assert.equal(report.end, 'stopped');
  assert.deepEqual(
    report.stop?.calls.map(({ name, problem }) => [name, problem]),
    [['charge', 'undeclared']],
  );
  assert.equal(report.outcome.replayed.status, 'terminated');
  const named = await replay(handle, { results: { validate: true }, live: ['charge'] });
  assert.match(named.entered[0]!, /^charge 8 /);
  assert.equal(named.report.outcome.replayed.value, 'charged 8');
});

test('timers, signals and times of the record reach the code as they did', async () => {
  const handle = await engine.start('approvals');
  await handle.signal('approve', 'Ann');
  await forks.logged(handle.runId!, ({ type }) => type === 'TimerFired');
  await handle.signal('approve', 'Bob');
  await handle.result();
  const { report, entered } = await replay(handle, { live: 'divergent' });
  assert.equal(report.outcome.isSame, true, JSON.stringify(report.outcome));
  assert.deepEqual(entered, []);
  assert.equal(report.end, 'closed');
});

test('timers that the record does not hold and recorded messages come in the order of their times', async () => {
  for (const [limit, expected] of [
    ['3 days', 'approved'],
    ['1 ms', 'too late'],
  ]) {
    const handle = await engine.start('deadlines', [limit]);
    await forks.logged(handle.runId!, ({ type }) => type === 'TimerStarted');
    const begun = Date.now();
    await engine.until(async () => Date.now() > begun + 2);
    await handle.signal('approve', 'Ann');
    assert.equal(await handle.result(), 'approved');
    const { report } = await replay(handle, { results: { validate: false } });
    assert.equal(report.outcome.replayed.value, expected);
  }
});

test('local activities obey the same rule', async () => {
  const handle = await recorded('localCalls');
  const first = await replay(handle);
  assert.deepEqual(first.entered, ['notify local']);
  assert.equal(first.report.outcome.isSame, true);
  const second = await replay(handle, { live: ['fails'] });
  assert.deepEqual(second.entered, ['notify local', 'fails locally', 'fails locally']);
});

test('an activity that was retried is answered, not entered', async () => {
  const handle = await recorded('retried');
  const { report, entered } = await replay(handle);
  assert.deepEqual(entered, []);
  assert.equal(report.outcome.isSame, true);
});

test('an unsafe activity is entered only when it is named and allowed', async () => {
  const handle = await recorded('unsafeCalls');
  assert.deepEqual((await replay(handle, { live: ['wipe'] })).entered, []);
  const { entered } = await replay(handle, { live: ['wipe'], allowEffects: ['wipe'] });
  assert.deepEqual(entered, ['wipe disk']);
});

test('a replay is in no list, and its parts are not found by workflow id', async () => {
  const handle = await recorded('order', [9]);
  const count = await engine.client.workflow.count();
  const { report } = await replay(handle);
  assert.equal((await engine.client.workflow.count()).count, count.count);
  for await (const { runId } of engine.client.workflow.list()) assert.notEqual(runId, report.forkRunId);
});

test('a sample of the live calls is entered, and the record answers the others', async () => {
  const handle = await recorded('rates', [200]);
  answers.model = (item) => (Number(item.slice(7)) % 20 === 0 ? 'new' : 'old');
  const whole = await replay(handle);
  const sampled = await replay(handle, { sample: 0.3 });
  answers.model = () => 'old';
  assert.equal(whole.entered.length, 200);
  assert.equal(whole.report.matchRate, 0.95);
  assert.deepEqual(whole.report.paths.map(({ path }) => path).sort()[0], '/records/record 0');
  assert.equal(whole.report.paths.length, 10);
  assert.ok(Math.abs(whole.report.usd - 200 * 0.000_283) < 1e-9);
  const [match] = whole.report.matches;
  assert.deepEqual([match?.same, match?.differs, match?.live], [190, 10, 200]);
  assert.ok(sampled.entered.length > 30 && sampled.entered.length < 90, `${sampled.entered.length} were entered`);
  assert.equal(sampled.report.sample, 0.3);
  assert.equal(sampled.report.matches[0]?.live, sampled.entered.length);
});

test('no call of a replay reaches another run', async () => {
  const listener = await engine.start('listener');
  const handle = await engine.start('sideDoors', [listener.workflowId, 0]);
  await handle.result();
  assert.equal(await listener.result(), 'door');
  const other = await engine.start('listener', [], 'second listener');
  const runs = (await engine.client.workflow.count()).count;
  const { report, entered } = await replay(handle, { live: 'divergent' });
  assert.equal(report.outcome.isSame, true);
  assert.deepEqual(entered, []);
  assert.equal((await engine.client.workflow.count()).count, runs);
  assert.equal((await other.describe()).status.name, 'RUNNING');
  await other.signal('approve', 'end');
  const described = await handle.describe();
  assert.deepEqual(described.searchAttributes, { CustomText: ['left 0'] });
});

test('a recorded child cannot be named as live', async () => {
  const listener = await engine.start('listener');
  const handle = await recorded('sideDoors', [listener.workflowId, 0]);
  const runs = async (): Promise<unknown> => (await engine.pool.query('select count(*) from reprise.runs')).rows[0];
  const before = await runs();
  await assert.rejects(handle.replay({ mode: 'LIVE_TOOLS', live: ['notify', 'child'] }), {
    code: 'NOT_SUPPORTED',
    message: /live names child, .*they come from the record/,
  });
  assert.deepEqual(await runs(), before);
});

test('a child that the record does not hold stops the replay, is named, and is not started', async () => {
  const handle = await recorded('childOnRefusal');
  const { report, entered } = await replay(handle, { results: { validate: false }, live: ['child'] });
  assert.deepEqual(entered, []);
  assert.equal(report.end, 'stopped');
  assert.deepEqual(
    report.stop?.calls.map(({ kind, name, problem }) => [kind, name, problem]),
    [['child', 'child', 'undeclared']],
  );
  const started = await engine.pool.query('select 1 from reprise.runs where workflow_id = $1', [
    `${handle.workflowId}/late`,
  ]);
  assert.equal(started.rowCount, 0);
});

test('a replay ends where its code continues as new', async () => {
  const listener = await engine.start('listener', [2]);
  const handle = await engine.start('sideDoors', [listener.workflowId, 1]);
  await handle.result();
  const runs = (await engine.client.workflow.count()).count;
  const first = engine.client.workflow.getHandle(handle.workflowId, handle.firstExecutionRunId);
  const { report } = await replay(first, { live: 'divergent' });
  assert.equal(report.outcome.replayed.status, 'continued_as_new');
  assert.equal((await engine.client.workflow.count()).count, runs);
});
