// The commands that act on runs: pause, resume, retry, skip, signal, cancel, terminate.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { WorkflowHandle } from 'reprise/client';
import { testEngine } from '../support/engine.ts';
import { type CommandRun, reprise } from '../support/reprise-command.ts';

const engine = await testEngine();
const { url } = engine;
const slow = { taskQueue: engine.taskQueue, retry: { initialInterval: '1 hour', maximumInterval: '1 hour' } };

function workflow(...args: string[]): Promise<CommandRun> {
  return reprise(['workflow', ...args], { url });
}

async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await workflow(...args, '--json');
  assert.deepEqual([code, err], [0, '']);
  return JSON.parse(out) as Record<string, unknown>;
}

/** A run whose activity has failed, and whose next attempt is an hour away. */
async function failing(id: string, args: readonly unknown[], options: object = {}): Promise<WorkflowHandle> {
  const handle = await engine.start('callRemote', [...args, { ...slow, ...options }], id);
  await engine.until(async () => (await handle.describe()).pendingActivities[0]?.lastFailure !== null);
  return handle;
}

test('pause and resume say what they did, who did it and why', async () => {
  const handle = await failing('pausing', ['failTimes', [1000]]);
  const { code, out } = await workflow('pause', 'pausing', '--reason', 'look first');
  assert.deepEqual([code, /^pausing paused \(seq \d+, run /.test(out)], [0, true], out);
  assert.match((await workflow('show', 'pausing')).out, /^paused +since .* by .*: look first \(seq \d+\)$/m);
  assert.match((await workflow('pause', 'pausing')).out, /^pausing was already paused/);
  const [first, again] = [
    await json('resume', 'pausing', '--actor', 'ann', '--request-id', 'r1'),
    await json('resume', 'pausing', '--actor', 'ann', '--request-id', 'r1'),
  ];
  assert.deepEqual(again, { ...first, applied: false });
  const refused = await workflow('resume', 'pausing', '--json');
  assert.equal(refused.code, 1);
  assert.equal((JSON.parse(refused.err) as { error: { code: string } }).error.code, 'NOT_PAUSED');
  const events = (await handle.history()).filter(({ type }) => type === 'WorkflowPaused' || type === 'WorkflowResumed');
  assert.deepEqual(
    events.map(({ sourceId, reason }) => [sourceId, reason]),
    [
      [userInfo().username, 'look first'],
      ['ann', 'no reason given'],
    ],
  );
  assert.equal((await workflow('terminate', 'pausing', '--reason', 'enough', '--actor', 'ann')).code, 0);
  const end = (await handle.history()).at(-1)!;
  assert.deepEqual([end.type, end.sourceId, end.reason], ['WorkflowTerminated', 'ann', 'enough']);
});

test('retry edits recorded arguments, and wrong usage is told', async () => {
  const handle = await failing('retrying', ['failTimes', [1000]]);
  const before = (await handle.history()).length;
  for (const input of ['delayMs=1', '/0', '/0={', '/0=abc']) {
    assert.equal((await workflow('retry', 'retrying', '--input', input)).code, 64, input);
  }
  assert.equal((await workflow('retry', 'retrying', '--activity', 'other#1')).code, 1);
  assert.equal((await workflow('retry', 'nobody')).code, 1);
  assert.equal((await handle.history()).length, before);
  const { seq } = await json('retry', 'retrying', '--activity', 'failTimes#1', '--set', '/0=2000', '--reason', 'try');
  const event = (await handle.history())[Number(seq) - 1]!;
  assert.deepEqual([event.name, event.payload, event.reason], ['retry', [2000], 'try']);
  const again = await workflow('retry', 'retrying', '--input', '/0="3000"');
  assert.match(again.out, /^new arguments: \["3000"\]$/m);
  await handle.terminate();
});

test('skip takes its result from the command line or from a file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'reprise-skip-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'result.json'), '{"passed":true}');
  await writeFile(join(folder, 'bad.json'), '{');
  const handle = await failing('skipping', ['failTimes', [1000]], { skippable: true });
  const skip = (...args: string[]): Promise<CommandRun> =>
    workflow('skip', 'skipping', '--activity', 'failTimes#1', ...args);
  assert.equal((await skip('--result', '{')).code, 64);
  assert.equal((await workflow('skip', 'skipping')).code, 64);
  assert.equal((await skip('--result', `@${join(folder, 'bad.json')}`)).code, 1);
  const { code, err } = await skip('--result', `@${join(folder, 'result.json')}`);
  assert.deepEqual([code, err], [0, '']);
  assert.deepEqual(await handle.result(), { passed: true });
  const refused = await failing('not skippable', ['failTimes', [1000]]);
  const answer = await workflow('skip', 'not skippable', '--activity', 'failTimes#1', '--result', '1');
  assert.deepEqual([answer.code, answer.err.startsWith('NOT_SKIPPABLE: ')], [1, true]);
  await refused.terminate();
});

test('signal and cancel put the sender into the log', async () => {
  const handle = await engine.start('accumulate', [], 'summing');
  assert.equal((await workflow('signal', 'summing', 'add', '4', '--actor', 'ann', '--reason', 'late order')).code, 0);
  assert.equal((await workflow('signal', 'summing', 'add', '{')).code, 64);
  await engine.until(async () => (await handle.history()).some(({ type }) => type === 'SignalReceived'));
  const signal = (await handle.history()).find(({ type }) => type === 'SignalReceived')!;
  assert.deepEqual([signal.source, signal.sourceId, signal.reason], ['user', 'ann', 'late order']);
  assert.deepEqual(await json('cancel', 'summing', '--actor', 'bob', '--reason', 'not needed'), {
    workflowId: 'summing',
    cancelRequested: true,
  });
  await assert.rejects(handle.result());
  const request = (await handle.history()).find(({ type }) => type === 'WorkflowCancelRequested')!;
  assert.deepEqual([request.source, request.sourceId, request.reason], ['user', 'bob', 'not needed']);
  assert.equal((await workflow('cancel', 'summing')).code, 1);
});

test('skip of a run without a failure says that there is nothing to skip', async () => {
  const handle = await engine.start('greet', ['x'], 'greeted');
  await handle.result();
  const { code, err } = await workflow('skip', 'greeted', '--activity', 'hello#1', '--result', 'null');
  assert.deepEqual([code, /^NOTHING_TO_RETRY: .*nothing to skip/.test(err)], [1, true], err);
});
