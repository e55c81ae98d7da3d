// Replays of many runs: which runs are selected, how failures are grouped, and the reports for CI.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { GateReport } from 'reprise/client';
import { ReplayError, type ReplayResult, Worker } from 'reprise/worker';
import { DeterminismViolationError } from 'reprise/workflow';
import { GateSummary, junitText } from '../../runtime/replay/many/gate-report.ts';
import type { RunVerdict } from '../../runtime/replay/many/replay-many.ts';
import { testEngine } from '../support/engine.ts';
import { reprise } from '../support/reprise-command.ts';
import { writePackage } from '../unit/sandbox/workflow-files.ts';

const before = `import { condition, proxyActivities } from 'reprise/workflow';
const { greet } = proxyActivities({ startToCloseTimeout: '10s' });
export async function short(name: string): Promise<string> { return greet(name); }
export async function long(name: string): Promise<void> { await greet(name); await condition(() => false); }
`;
const files = writePackage({
  'before.ts': before,
  'after.ts': before.replace('await greet(name); await', "await greet(name); await greet('again'); await"),
  'broken.ts': before.replace('{ return greet(name); }', '{ throw new TypeError(`no ${name}`); }'),
});
const path = (file: string): string => join(files, file);
let entered = 0;
const activities = {
  greet: async (name: string): Promise<string> => {
    entered += 1;
    return name;
  },
};
const engine = await testEngine({ workflowsPath: path('before.ts'), activities });
const { workflow } = engine.client;
for (let i = 0; i < 6; i++) await (await engine.start('short', [`s${i}`], `short-${i}`)).result();
for (let i = 0; i < 3; i++) {
  const handle = await engine.start('long', [`l${i}`], `long-${i}`);
  await engine.until(async () => (await handle.history()).some(({ type }) => type === 'ActivityCompleted'));
}
const before9 = entered;

const ids = (report: GateReport): string[] => report.verdicts.map(({ workflowId }) => workflowId).sort();

test('all runs pass with the recorded and with the same code, and no activity is entered', async () => {
  for (const code of ['recorded', path('before.ts')]) {
    const seen: number[] = [];
    const report = await workflow.replayAll({ code, parallel: 2, onVerdict: (_, { runs }) => seen.push(runs) });
    assert.deepEqual([report.success, report.runs, report.failed, report.groups], [true, 9, 0, []]);
    assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.ok(report.events > 9 * 3);
  }
  assert.equal(entered, before9);
});

test('runs are selected by type, time, queue, query and state, and a sample is always the same', async () => {
  const code = path('before.ts');
  assert.deepEqual(ids(await workflow.replayAll({ code, open: true })), ['long-0', 'long-1', 'long-2']);
  assert.deepEqual(ids(await workflow.replayAll({ code, open: true, taskQueue: "o'ther" })), []);
  assert.equal((await workflow.replayAll({ code, workflowType: 'short', since: '1h', taskQueue: 'test' })).runs, 6);
  assert.deepEqual(
    ids(await workflow.replayAll({ code, query: "WorkflowId = 'short-1' OR WorkflowId = 'long-1'", open: true })),
    ['long-1'],
  );
  const sample = await workflow.replayAll({ code, sample: 4 });
  assert.equal(sample.runs, 4);
  assert.deepEqual(ids(await workflow.replayAll({ code, sample: 4, parallel: 3 })), ids(sample));
  await assert.rejects(workflow.replayAll({ code, query: 'Nothing ~ 1' }), { code: 'INVALID_INPUT' });
  await assert.rejects(workflow.replayAll({ sample: 0 }), { code: 'INVALID_INPUT' });
});

test('failures are grouped by what diverged, and code that throws is told with its message', async () => {
  const { success, failed, groups } = await workflow.replayAll({ code: path('after.ts') });
  assert.deepEqual([success, failed, groups.length], [false, 3, 1]);
  assert.match(
    groups[0]?.divergence ?? '',
    /^long: added: recorded nothing, produced ActivityScheduled greet at long \(after\.ts:4:\d+\)$/,
  );
  assert.deepEqual([groups[0]?.runs, groups[0]?.examples.toSorted()], [3, ['long-0', 'long-1', 'long-2']]);
  const broken = await workflow.replayAll({ code: path('broken.ts'), workflowType: 'short' });
  assert.deepEqual([broken.failed, broken.groups.length], [6, 1]);
  assert.match(broken.groups[0]?.divergence ?? '', /^short: TypeError: no s… at short \(broken\.ts:3:\d+\)$/);
});

test('a group names each workflow once', () => {
  const summary = new GateSummary();
  const failed = { workflowType: 't', success: false, events: 1, missing: 1, extra: 0, divergences: [], ms: 1 };
  for (const workflowId of ['a', 'a', 'b', 'a']) summary.add({ ...failed, workflowId, runId: `${workflowId}-run` });
  const [group] = summary.report(1).groups;
  assert.deepEqual([group?.runs, group?.examples], [4, ['a', 'b']]);
});

test('a run whose log cannot be read fails, and the others are replayed', async () => {
  const handle = await engine.start('short', ['x'], 'damaged');
  await handle.result();
  await engine.pool.query('update reprise.events set type = 999 where run_id = $1 and seq = 2', [handle.runId]);
  const report = await workflow.replayAll({ code: path('before.ts'), workflowType: 'short', parallel: 2 });
  assert.deepEqual([report.runs, report.failed], [7, 1]);
  const verdict = report.verdicts.find(({ success }) => !success);
  assert.deepEqual([verdict?.workflowId, verdict?.error?.code], ['damaged', 'UNSUPPORTED_ENGINE']);
  await engine.pool.query('delete from reprise.runs where run_id = $1', [handle.runId]);
});

test('the command prints groups, writes both reports, and exits with 2 when a run fails', async () => {
  const { url } = engine;
  const [junit, json] = [path('junit.xml'), path('gate.json')];
  const ok = await reprise(['replay', '--open', '--task-queue', 'test', '--code', path('before.ts')], { url });
  assert.equal(ok.code, 0, ok.err);
  assert.match(ok.out, /^replayed: ok: 3 runs, \d+ events/);
  const args = ['replay', '--all', '--since', '7d', '--code', path('after.ts'), '--junit', junit, '--report', json];
  const { code, out, err } = await reprise(args, { url });
  assert.equal(code, 2);
  assert.match(err, /^9 of 9 runs, 3 failed, \d+\/s$/m);
  assert.match(out, /3 of 9 runs FAILED/);
  assert.match(out, /^3 runs: long: added: /m);
  const xml = await readFile(junit, 'utf8');
  assert.match(xml, /<testsuites name="reprise replay" tests="9" failures="3"/);
  assert.equal(xml.match(/<testcase /g)?.length, 9);
  assert.equal(xml.match(/<failure message="long: added: /g)?.length, 3);
  const report = JSON.parse(await readFile(json, 'utf8')) as GateReport;
  assert.deepEqual([report.runs, report.failed, report.verdicts.length], [9, 3, 9]);
  const wrong = await reprise(['replay', 'short-1', '--all'], { url });
  assert.deepEqual([wrong.code, /needs one of these/.test(wrong.err)], [64, true]);
  assert.equal((await reprise(['replay', '--all', '--sample', '0'], { url })).code, 64);
  const single = await reprise(['replay', '--all', '--mock', `greet=${json}`, '--to', '3'], { url });
  assert.deepEqual([single.code, /--to, --mock would have no effect/.test(single.err)], [64, true]);
  assert.equal((await reprise(['replay', '--all', '--mode', 'PATCH_ONLY'], { url })).code, 64);
});

test('a gate that selects no run fails, unless that is allowed', async () => {
  const { url } = engine;
  const args = ['replay', '--open', '--type', 'lnog', '--since', '7d', '--code', path('before.ts')];
  const empty = await reprise(args, { url });
  assert.deepEqual([empty.code, empty.out], [1, '']);
  assert.match(empty.err, /no run matches --open and --type "lnog" and --since "7d" and --namespace "default"/);
  const elsewhere = await reprise(['replay', '--all', '--namespace', 'x', '--json'], { url });
  assert.equal(elsewhere.code, 1);
  assert.match(elsewhere.err, /"code":"RUN_NOT_FOUND".*--allow-empty/);
  const allowed = await reprise([...args, '--allow-empty'], { url });
  assert.deepEqual([allowed.code, /^replayed: ok: 0 runs/.test(allowed.out)], [0, true]);
  const one = await reprise(['replay', '--all', '--query', "WorkflowId = 'short-1'"], { url });
  assert.match(one.out, /^replayed: ok: 1 run, \d+ events/);
});

test('histories are replayed under the names of Temporal', async () => {
  const histories = () => workflow.list({ query: "WorkflowType = 'long'" }).intoHistories();
  const results: ReplayResult[] = [];
  for await (const result of Worker.runReplayHistories({ workflowsPath: path('before.ts') }, histories())) {
    results.push(result);
  }
  assert.deepEqual(results.map(({ workflowId, error }) => [workflowId, error]).sort(), [
    ['long-0', undefined],
    ['long-1', undefined],
    ['long-2', undefined],
  ]);
  for await (const { error } of Worker.runReplayHistories({ workflowsPath: path('after.ts') }, histories())) {
    assert.ok(error instanceof DeterminismViolationError);
  }
  const history = await workflow.getHandle('short-1').fetchHistory();
  await Worker.runReplayHistory({ workflowsPath: path('before.ts') }, history);
  await assert.rejects(Worker.runReplayHistory({ workflowsPath: path('broken.ts') }, history, 'short-1'), ReplayError);
  const foreign = JSON.parse(JSON.stringify(history)) as typeof history;
  const options = { workflowsPath: path('before.ts') };
  await assert.rejects(Worker.runReplayHistory(options, foreign), { code: 'INVALID_INPUT', message: /readRunBundle/ });
  await assert.rejects(Worker.runReplayHistory({}, history), { code: 'INVALID_INPUT', message: /workflowsPath/ });
});

test('a report in the format of JUnit is valid XML whatever texts it holds', async () => {
  const summary = new GateSummary();
  const verdict: RunVerdict = {
    ...{
      workflowId: 'a<"&>\u0000\ud800',
      runId: 'r',
      workflowType: '<t>',
      success: false,
      events: 1,
      missing: 0,
      extra: 0,
      ms: 5,
    },
    divergences: [{ seq: 1, kind: 'error', code: 'WORKFLOW_ERROR', message: ']]> & <\u001b>\nline' }],
  };
  summary.add(verdict);
  summary.add({ ...verdict, success: true, divergences: [] });
  const xml = junitText(summary.report(10));
  assert.match(xml, /name="a&lt;&quot;&amp;&gt;\ufffd\ufffd \(r\)"/);
  assert.doesNotMatch(xml, /[\u0000-\u0008\u001b]|&(?!lt;|gt;|amp;|quot;)/);
  assert.equal(xml.match(/<testcase/g)?.length, xml.match(/<\/testcase>|"\/>/g)?.length);
  await writeFile(path('odd.xml'), xml);
});
