// What-if over many past runs, from the client and from the command line.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { LiveReplayReport, WhatIfReport, WhatIfRun } from 'reprise/client';
import { fixtureBundle } from '../support/bundles.ts';
import { testEngine } from '../support/engine.ts';
import { type Answers, CallFile, replayActivities } from '../support/replay-activities.ts';
import { reprise } from '../support/reprise-command.ts';

const calls = new CallFile();
const answers: Answers = { isValid: true, model: () => 'old' };
const activities = replayActivities(calls, answers);
const engine = await testEngine({ workflowBundle: await fixtureBundle('replays.ts'), activities });
const { url } = engine;
const folder = await mkdtemp(join(tmpdir(), 'reprise-what-if-'));
after(() => rm(folder, { recursive: true }));
const file = join(folder, 'refused.json');
await writeFile(file, 'false');

for (let i = 0; i < 6; i++) {
  answers.isValid = i % 3 !== 0; // two of six are refused
  await (await engine.start('order', [i], `order ${i}`)).result();
}
answers.isValid = true;
await (await engine.start('retried', [], 'without validate')).result();
calls.clear();

test('a what-if over many runs says how many outcomes change, which paths, and at what cost', async () => {
  const runs: WhatIfRun[] = [];
  const report = await engine.client.workflow.whatIf({
    ...{ since: '1 day', parallel: 3, results: { 'validate#1': false }, live: ['notify'] },
    onRun: (run) => runs.push(run),
  });
  assert.deepEqual(report.verdicts, { same: 2, changed: 4, stopped: 0, skipped: 1, failed: 0 });
  assert.equal(report.changedShare, 4 / 6);
  assert.deepEqual(report.paths, [{ path: '/state', runs: 4 }]);
  assert.equal(runs.length, 7);
  assert.equal(report.matches.find(({ type }) => type === 'notify')?.extra, 4);
  assert.equal(calls.lines.length, 4);
  assert.equal(report.usd, 0);
  assert.equal((await engine.client.workflow.count()).count, 7);
});

test('a what-if counts runs that stop at a call that is not live, and takes a part of the runs', async () => {
  const query = "WorkflowType = 'order'";
  const stopped = await engine.client.workflow.whatIf({ query, results: { validate: true } });
  assert.deepEqual(stopped.verdicts, { same: 4, changed: 0, stopped: 2, skipped: 0, failed: 0 });
  assert.match(stopped.examples[0]?.message ?? '', /charge/);
  const some = await engine.client.workflow.whatIf({ query, runs: 3, results: { validate: true } });
  assert.equal(some.runs, 3);
  await assert.rejects(engine.client.workflow.whatIf({ query, runs: 0 }), { code: 'INVALID_INPUT' });
});

test('the command replays one run, says what it costs, and exits with 1 only when it stops', async () => {
  const base = ['replay', 'order 1', '--mode', 'live-tools'];
  const changed = await reprise([...base, '--result', `validate#1=${file}`], { url });
  assert.deepEqual([changed.code, changed.err], [0, '']);
  assert.match(changed.out, /^estimate: at most 0 calls, \$0\.00$/m);
  assert.match(changed.out, /outcome +CHANGED/);
  assert.match(changed.out, /^\/state +\| "accepted" +\| "refused"$/m);
  const costly = await reprise([...base, '--live', 'charge'], { url });
  assert.deepEqual([costly.code, /Pass --yes/.test(costly.err)], [1, true]);
  const live = await reprise([...base, '--live', 'charge', '--yes', '--json'], { url });
  assert.equal(live.code, 0, live.err);
  assert.equal((JSON.parse(live.out) as LiveReplayReport).usd, 0.5);
  const truthy = join(folder, 'true.json');
  await writeFile(truthy, 'true');
  const stopped = await reprise(['replay', 'order 0', '--mode', 'LIVE_TOOLS', '--result', `validate=@${truthy}`], {
    url,
  });
  assert.equal(stopped.code, 1);
  assert.match(stopped.out, /Stopped: .*\n +activity charge .*undeclared/);
  assert.equal((await reprise([...base, '--sample', 'half'], { url })).code, 64);
});

test('the command replays many runs', async () => {
  const args = ['replay', '--all', '--mode', 'LIVE_TOOLS', '--since', '7d', '--type', 'order', '--parallel', '2'];
  const { code, out, err } = await reprise([...args, '--result', `validate#1=${file}`, '--yes', '--json'], { url });
  assert.equal(code, 0, err);
  const { verdicts } = JSON.parse(out) as WhatIfReport;
  assert.deepEqual(verdicts, { same: 2, changed: 4, stopped: 0, skipped: 0, failed: 0 });
});
