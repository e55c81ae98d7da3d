// Replays with live activities whose work is not all done by one worker in one go: activities on other task queues, runs
// that leave memory after every turn, and owners that stop.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { WorkflowHandle } from 'reprise/client';
import { Worker } from 'reprise/worker';
import { fixtureBundle } from '../support/bundles.ts';
import { fixtureWorker, quiet, testEngine } from '../support/engine.ts';
import { Forks } from '../support/forks.ts';
import { type Answers, CallFile, replayActivities } from '../support/replay-activities.ts';

const calls = new CallFile();
const answers: Answers = { isValid: true, model: () => 'old' };
const activities = replayActivities(calls, answers);
const workflowBundle = await fixtureBundle('replays.ts');
// Without a cache, the run leaves memory after every turn, and its code is built again.
const engine = await testEngine({ workflowBundle, activities, maxCachedWorkflows: 0 });
const forks = new Forks(engine);
const { charge, notify, wipe } = activities;
const others = await Worker.create({
  ...{ connection: engine.connection, taskQueue: 'others', logger: quiet },
  activities: { charge, notify, wipe },
});
const undeclared = await Worker.create({
  ...{ connection: engine.connection, taskQueue: 'undeclared', logger: quiet },
  activities: {
    async notify(text: string): Promise<string> {
      calls.note('undeclared notify', text);
      return `notified ${text}`;
    },
  },
});
const running = [others.run(), undeclared.run()];
after(async () => {
  others.shutdown();
  undeclared.shutdown();
  await Promise.all(running);
});

async function recorded(workflow: string, args: unknown[] = []): Promise<WorkflowHandle> {
  const handle = await engine.start(workflow, args);
  await handle.result();
  calls.clear();
  return handle;
}

test('without a cache, a replay enters the same calls and ends the same', async () => {
  const handle = await recorded('rates', [30]);
  const report = await handle.replay({ mode: 'LIVE_TOOLS', live: ['charge'] });
  assert.equal(report.outcome.isSame, true);
  assert.equal(report.matchRate, 1);
  assert.equal(calls.lines.length, 30);
  await forks.assertVerified(report.forkRunId);
});

test('an activity of another queue is offered only when it is named', async () => {
  const handle = await recorded('remoteCalls');
  const unnamed = await handle.replay({ mode: 'LIVE_TOOLS' });
  assert.equal(unnamed.outcome.isSame, true);
  // The owner knows the functions of its own registry, so the harmless one was entered.
  assert.deepEqual(calls.lines, ['notify remote']);
  calls.clear();
  const named = await handle.replay({ mode: 'LIVE_TOOLS', live: ['charge'] });
  assert.equal(named.outcome.isSame, true);
  assert.equal(calls.lines.length, 2);
  assert.match(calls.lines[0]!, new RegExp(`^charge 1 ${named.forkRunId}:`));
});

test('the executing worker refuses a function that its owner took for another', async () => {
  // The owner's `notify` is declared harmless, that of the other worker is not.
  const handle = await recorded('remoteOther');
  const report = await handle.replay({ mode: 'LIVE_TOOLS' });
  assert.deepEqual(calls.lines, []);
  assert.equal(report.end, 'stopped');
  assert.deepEqual(
    report.stop?.calls.map(({ name }) => name),
    ['notify'],
  );
});

test('a replay goes on when its owner stops, and enters no further call that the record answers', async () => {
  const second = await fixtureWorker(engine.connection, 'second', { workflowBundle, activities });
  const third = await fixtureWorker(engine.connection, 'second', { workflowBundle, activities });
  const first = second.run();
  const onSecond = await engine.client.workflow.start('slowRates', {
    ...{ workflowId: 'on the second queue', taskQueue: 'second', args: [12] },
  });
  await onSecond.result();
  calls.clear();
  const replaying = onSecond.replay({ mode: 'LIVE_TOOLS' });
  await engine.until(async () => calls.lines.length >= 3);
  second.shutdown();
  const last = third.run();
  await first;
  const report = await replaying;
  assert.equal(report.success, true);
  assert.equal(report.matches.find(({ type }) => type === 'rate')?.live, 12);
  assert.equal(calls.lines.filter((line) => line.startsWith('charge')).length, 0);
  await forks.assertVerified(report.forkRunId);
  third.shutdown();
  await last;
});

test('what cannot be replayed is refused, and nothing is written', async () => {
  const handle = await recorded('order', [1]);
  const count = async (): Promise<unknown> => (await engine.pool.query('select count(*) from reprise.runs')).rows;
  const before = await count();
  const refusals: [object, RegExp][] = [
    [{ txSchema: 'scratch' }, /no activities with effect 'tx'/],
    [{ allowEffects: ['wipe'] }, /allowEffects names wipe, which live does not/],
    [{ results: { 'validate#2': true } }, /no call of the run has the name validate#2/],
    [{ from: 'nothing#1' }, /it has no step "nothing#1"/],
    [{ sample: 0 }, /sample/],
    [{ live: 'all' }, /live/],
    [{ unknown: 1 }, /unknown/],
  ];
  for (const [options, message] of refusals) {
    await assert.rejects(handle.replay({ mode: 'LIVE_TOOLS', ...options }), message);
  }
  assert.deepEqual(await count(), before);
});

test('a replay whose code fails ends with the failure', async () => {
  const handle = await recorded('breaks', [1]);
  const report = await handle.replay({ mode: 'LIVE_TOOLS', results: { validate: false } });
  assert.equal(report.stop?.why, 'task-failed');
  assert.match(report.stop.message ?? '', /broken on purpose/);
  assert.equal(report.success, false);
});

test('a deadline of the caller ends the replay', async () => {
  const waiting = await engine.client.workflow.start('deadlines', {
    ...{ workflowId: 'nobody', taskQueue: 'nobody polls this', args: ['1 ms'] },
  });
  await assert.rejects(
    engine.client.withDeadline(Date.now() + 200, () => waiting.replay({ mode: 'LIVE_TOOLS' })),
    /The replay did not end/,
  );
  await engine.until(async () => {
    const { rows } = await engine.pool.query("select from reprise.runs where kind = 'replay' and closed_at is null");
    return rows.length === 0;
  });
  await waiting.terminate();
});
