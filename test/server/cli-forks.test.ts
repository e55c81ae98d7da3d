// The commands that fork runs: reset, recover, rollback, restart, fork.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixtureBundle } from '../support/bundles.ts';
import { testEngine } from '../support/engine.ts';
import { type CommandRun, reprise } from '../support/reprise-command.ts';

const engine = await testEngine({ workflowBundle: await fixtureBundle('forks.ts') });
const handle = await engine.start('steps', [2], 'stepping');
await handle.result();

function workflow(...args: string[]): Promise<CommandRun> {
  return reprise(['workflow', ...args], { url: engine.url });
}

test('rollback lists the effects behind the point, and asks before it goes on', async () => {
  const dry = await workflow('rollback', 'stepping', '--to-seq', '1', '--dry-run');
  assert.equal(dry.code, 0);
  assert.match(dry.out, /which may happen once more/);
  assert.match(dry.out, /activity \| echo/);
  assert.match(dry.out, /\(2 rows\)$/m);
  const refused = await workflow('rollback', 'stepping', '--to-seq', '1');
  assert.deepEqual([refused.code, /Pass --yes/.test(refused.err)], [1, true], refused.err);
  assert.equal((await engine.client.workflow.getHandle('stepping').describe()).runId, handle.runId);
});

test('reset says which run goes on, who did it and why', async () => {
  const { code, out } = await workflow(
    'reset',
    'stepping',
    '--to',
    'echo#2',
    '--yes',
    '--reason',
    'once more',
    '--actor',
    'ann',
  );
  assert.equal(code, 0);
  const [, runId] = /stepping goes on from event \d+ as run (\S+)/.exec(out) ?? [];
  const fork = engine.client.workflow.getHandle('stepping', runId);
  assert.deepEqual(await fork.result(), [0, 1]);
  const forked = (await fork.history()).find(({ type }) => type === 'WorkflowForked')!;
  assert.deepEqual([forked.name, forked.sourceId, forked.reason], ['reset', 'ann', 'once more']);
});

test('a command can be repeated with its request id', async () => {
  const args = ['restart', 'stepping', '--yes', '--request-id', 'again', '--json'];
  const [first, second] = [await workflow(...args), await workflow(...args)];
  const [made, found] = [first, second].map(({ out }) => JSON.parse(out) as { runId: string; applied: boolean });
  assert.deepEqual([made!.applied, found!.applied, made!.runId === found!.runId], [true, false, true]);
});

test('fork copies a run beside it, and a wrong point is refused', async () => {
  const { code, out } = await workflow('fork', 'stepping', '--as', 'copy of stepping', '--to', 'echo#1');
  assert.equal(code, 0);
  assert.match(out, /copy of stepping goes on from event \d+/);
  assert.deepEqual(await engine.client.workflow.getHandle('copy of stepping').result(), [0, 1]);
  const refused = await workflow('fork', 'stepping', '--as', 'another', '--to', 'nothing', '--json');
  assert.equal(refused.code, 1);
  assert.match(refused.err, /STEP_NOT_FOUND.*type#n/);
  assert.equal((await workflow('reset', 'stepping')).code, 64);
});

test('every fork command can be tried without changing anything', async () => {
  const { runId } = await engine.client.workflow.getHandle('stepping').describe();
  for (const args of [
    ['reset', '--to', 'echo#2'],
    ['restart'],
    ['fork', '--as', 'never made', '--to', 'echo#2'],
    ['rollback', '--to-seq', '4'],
  ]) {
    const [verb, ...rest] = args;
    const { code, out, err } = await workflow(verb!, 'stepping', ...rest, '--dry-run');
    assert.deepEqual([code, err], [0, ''], verb);
    assert.match(out, /^Behind event \d+, run \S+ did this/m);
  }
  assert.equal((await engine.client.workflow.getHandle('stepping').describe()).runId, runId);
  assert.equal((await workflow('show', 'never made')).code, 1);
});

test('a fork says that it begins at the end of a turn when the named event lies inside one', async () => {
  const [scheduled] = (await handle.history()).filter(({ type }) => type === 'ActivityCompleted');
  const seq = scheduled!.seq;
  const { out } = await workflow('rollback', 'stepping', '--run', handle.runId!, '--to-seq', `${seq}`, '--dry-run');
  const [, point] = /fork begins at the end of the turn before, event (\d+)\.$/m.exec(out) ?? [];
  assert.ok(Number(point) < seq, out);
  const { runId } = await engine.start('saves', [], 'saving');
  await engine.client.workflow.getHandle('saving').result();
  const saved = await workflow('recover', 'saving', '--run', runId!, '--checkpoint', 'half', '--dry-run');
  const event = (await engine.client.workflow.getHandle('saving').history()).find(
    ({ type }) => type === 'CheckpointSaved',
  );
  assert.match(
    saved.out,
    new RegExp(`^Checkpoint half is event ${event!.seq}; a fork begins at the end of its turn, event \\d+\\.$`, 'm'),
  );
});

test('errors of the fork commands name the flags', async () => {
  const pointless = await workflow('rollback', 'stepping', '--yes');
  assert.deepEqual([pointless.code, /pass --to-seq or --checkpoint/.test(pointless.err)], [1, true], pointless.err);
});
