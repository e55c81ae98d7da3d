import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testEngine } from '../support/engine.ts';
import { type CommandRun, reprise } from '../support/reprise-command.ts';

const engine = await testEngine();
const { url } = engine;
const handle = await engine.start('tallyAll', [3, 1], 'tally');
await handle.result();

function workflow(...args: string[]): Promise<CommandRun> {
  return reprise(['workflow', ...args], { url });
}

async function json(...args: string[]): Promise<unknown> {
  const { code, out, err } = await workflow(...args, '--json');
  assert.deepEqual([code, err], [0, '']);
  return JSON.parse(out);
}

test('show prints what the run is and its last events', async () => {
  const { code, out } = await workflow('show', 'tally', '--events', '2');
  assert.equal(code, 0);
  for (const part of [/^workflow id +tally$/m, /^status +completed$/m, /^type +tallyAll$/m]) assert.match(out, part);
  const events = out.slice(out.indexOf('\nseq')).trim().split('\n').slice(2);
  assert.equal(events.length, 2);
  assert.match(events[1] ?? '', /WorkflowCompleted/);
});

test('show --json gives every event asked for, as the client does', async () => {
  const { run, events } = (await json('show', 'tally', '--events', 'all')) as {
    run: { runId: string };
    events: unknown[];
  };
  assert.equal(run.runId, handle.runId);
  assert.equal(events.length, (await handle.history()).length);
});

test('show of an open run says that nobody works on it', async () => {
  await engine.client.workflow.start('greet', { workflowId: 'waiting', taskQueue: 'nobody-polls-this', args: ['x'] });
  const { out } = await workflow('show', 'waiting');
  assert.match(out, /^status +running$/m);
  assert.match(out, /^pollers +0$/m);
});

test('state prints the document, now and at a seq or time', async () => {
  assert.match((await workflow('state', 'tally')).out, /"done": 3/);
  const [first, second] = await handle.patches({ path: '/done' });
  assert.ok(first !== undefined && second !== undefined);
  for (const at of [String(second.seq), second.at.toISOString()]) {
    assert.deepEqual(
      await json('state', 'tally', '--at', at),
      JSON.parse(JSON.stringify(await handle.stateAt({ seq: second.seq }))),
    );
  }
});

test('patches tells who, why and what, and filters', async () => {
  const { out } = await workflow('patches', 'tally', '--path', '/items/1');
  assert.match(out, /tool record +\| item 1 +\| .*"\/items\/1"/);
  assert.doesNotMatch(out, /item 2/);
  const patches = (await json('patches', 'tally', '--source', 'tool')) as { reason: string }[];
  assert.deepEqual(
    patches.map((patch) => patch.reason),
    ['item 0', 'item 1', 'item 2'],
  );
});

test('an unknown workflow or run exits with 1 and says so', async () => {
  for (const args of [
    ['show', 'nowhere'],
    ['state', 'tally', '--run', '01234567-89ab-7def-8123-456789abcdef'],
  ]) {
    const { code, err } = await workflow(...args, '--json');
    assert.deepEqual([code, (JSON.parse(err) as { error: { code: string } }).error.code], [1, 'RUN_NOT_FOUND']);
  }
});

test('wrong usage exits with 64, a point that is none with 1', async () => {
  for (const args of [['show'], ['show', 'tally', '--events', '-1'], ['patches', 'tally', '--source', 'nobody'], []]) {
    assert.equal((await workflow(...args)).code, 64, args.join(' '));
  }
  const { code, err } = await workflow('state', 'tally', '--at', 'yesterday');
  assert.deepEqual([code, err.startsWith('INVALID_INPUT')], [1, true]);
});
