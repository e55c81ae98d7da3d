// Two runs side by side, from the handle and from the command line.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunDiff } from 'reprise/client';
import { testEngine } from '../support/engine.ts';
import { reprise } from '../support/reprise-command.ts';

const engine = await testEngine();
const { url } = engine;
const three = await engine.start('tallyAll', [3, 1], 'three');
const five = await engine.start('tallyAll', [5, 1], 'five');
const again = await engine.start('tallyAll', [3, 1], 'again');
await Promise.all([three.result(), five.result(), again.result()]);

test('two runs with the same arguments and results are the same', async () => {
  const diff = await three.compare(again);
  assert.ok(diff.isSame);
  assert.deepEqual([diff.a.workflowId, diff.b.workflowId], ['three', 'again']);
  assert.deepEqual(diff.counts, { same: 3, differs: 0, missing: 0, extra: 0 });
  assert.equal(diff.firstDivergence, undefined);
  assert.deepEqual(diff.context, []);
});

test('the first divergence names the item of both runs with its digests and values', async () => {
  const diff = await three.compare(five);
  assert.deepEqual([diff.isSame, diff.sameType, diff.sameArguments], [false, true, false]);
  assert.deepEqual(diff.counts, { same: 3, differs: 0, missing: 0, extra: 2 });
  const { index, a, b } = diff.firstDivergence!;
  assert.equal(index, 3);
  assert.equal(a, undefined);
  const item = diff.items[index]!;
  assert.deepEqual([item.verdict, item.kind, item.a], ['extra', 'activity', undefined]);
  const history = await five.history();
  const scheduled = history.find(({ seq }) => seq === item.b!.seq)!;
  const ended = history.find(({ seq }) => seq === item.b!.endSeq)!;
  assert.deepEqual([scheduled.type, ended.type], ['ActivityScheduled', 'ActivityCompleted']);
  assert.deepEqual(b, { input: scheduled.payload, result: ended.payload });
  assert.match(item.b!.input, /^[0-9a-f]{64}$/);
});

test('the operations of the context difference turn one document into the other', async () => {
  const { context } = await three.compare(five);
  const paths = context.map(({ path }) => path).sort();
  assert.ok(paths.includes('/done'), paths.join(' '));
  const before = (await three.stateAt()).state;
  const { applyPatch } = (await import('fast-json-patch')).default;
  const changed = applyPatch(structuredClone(before), structuredClone(context) as never).newDocument;
  assert.deepEqual(changed, (await five.stateAt()).state);
});

test('a run without a context differs from one with a context by the whole document', async () => {
  const greeting = await engine.start('greet', ['x'], 'greeting');
  await greeting.result();
  const diff = await greeting.compare(three);
  assert.deepEqual(diff.context, [{ op: 'add', path: '', value: (await three.stateAt()).state }]);
  assert.deepEqual([diff.sameType, diff.sameOutcome], [false, false]);
});

test('an open run differs from a closed one in its outcome', async () => {
  const open = await engine.start('listener', [], 'open');
  const closed = await engine.start('listener', [], 'closed');
  for (const handle of [open, closed]) await handle.signal('say', 'hello');
  await closed.signal('stop');
  await closed.result();
  await engine.until(async () => (await open.history()).some(({ type }) => type === 'SignalReceived'));
  const diff = await open.compare(closed);
  assert.deepEqual([diff.a.status, diff.b.status, diff.sameOutcome], ['running', 'completed', false]);
  assert.deepEqual(
    diff.items.map(({ verdict, kind, name }) => [verdict, kind, name]),
    [
      ['same', 'signal', 'say'],
      ['extra', 'signal', 'stop'],
    ],
  );
  await open.terminate();
});

test('reprise workflow compare prints the items, marks the first divergence and exits with 0', async () => {
  const { code, out, err } = await reprise(['workflow', 'compare', 'three', 'five'], { url });
  assert.deepEqual([code, err], [0, '']);
  const lines = out.split('\n');
  assert.match(lines[0]!, /^a {2}three \(run \S+, tallyAll, completed, \d+ events\)$/);
  assert.equal(lines.filter((line) => line.startsWith('> ')).length, 1);
  assert.match(out, /^> +\| extra +\| +\| +\d+ \| activity \w+/m);
  assert.match(out, /^3 same, 0 differ, 0 missing in b, 2 extra in b$/m);
  assert.match(out, /^First divergence: activity \w+\n {2}a {2}has no such item\n {2}b {2}input /m);
  assert.match(out, /^The runs differ: arguments, calls and messages, outcome, context\.$/m);
  const same = await reprise(['workflow', 'compare', 'three', 'again'], { url });
  assert.match(same.out, /^The runs are the same\.$/m);
});

test('compare shows a part of many items around the first divergence, and says how many are left', async () => {
  const { out } = await reprise(['workflow', 'compare', 'three', 'five', '--items', '2'], { url });
  assert.match(out, /^3 more items; use --items all for all of them$/m);
  const { out: json } = await reprise(['workflow', 'compare', 'three', 'five', '--json'], { url });
  assert.equal((JSON.parse(json) as RunDiff).items.length, 5);
  assert.equal((await reprise(['workflow', 'compare', 'three', 'nowhere'], { url })).code, 1);
  assert.equal((await reprise(['workflow', 'compare', 'three'], { url })).code, 64);
});

test('compare takes certain runs of one workflow id', async () => {
  const first = await engine.start('tallyAll', [1, 1], 'reused');
  await first.result();
  await (await engine.start('tallyAll', [2, 1], 'reused')).result();
  const args = ['workflow', 'compare', 'reused', 'reused', '--with-run', first.runId ?? '', '--json'];
  const diff = JSON.parse((await reprise(args, { url })).out) as RunDiff;
  assert.equal(diff.b.runId, first.runId);
  assert.deepEqual([diff.counts.missing, diff.counts.extra], [1, 0]);
});
