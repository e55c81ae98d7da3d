// What the commands show of runs that failed or do not go on: why, since when, and which run goes on instead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import { encodePayload } from '../../runtime/core/payload/payload.ts';
import { putIntoQuarantine } from '../../runtime/store/ownership/quarantine.ts';
import { testEngine } from '../support/engine.ts';
import { type CommandRun, reprise } from '../support/reprise-command.ts';
import { incarnation, startedRun, testStore, turn } from '../support/store.ts';

const engine = await testEngine();
const failed = await engine.start('failingOnce', [], 'failed');
await assert.rejects(failed.result());

function workflow(...args: string[]): Promise<CommandRun> {
  return reprise(['workflow', ...args], { url: engine.url });
}

test('show says why a run failed, with the call of the activity that failed', async () => {
  const { code, out } = await workflow('show', 'failed', '--events', '1');
  assert.equal(code, 0);
  assert.match(out, /^failure +ActivityFailure: .* \(activity \w+, seq \d+, attempt 1\)$/m);
  assert.match(out, /^cause +\w+: \S.*$/m);
  const { failure } = await failed.describe();
  assert.equal(failure?.name, 'ActivityFailure');
  const json = JSON.parse((await workflow('show', 'failed', '--json')).out) as { run: { failure: { kind: string } } };
  assert.equal(json.run.failure.kind, 'activity');
});

test('describe of a run that completed has no failure, of a terminated one the reason', async () => {
  const ok = await engine.start('greet', ['x']);
  await ok.result();
  assert.equal((await ok.describe()).failure, undefined);
  const ended = await engine.start('accumulate', []);
  await ended.terminate('enough');
  assert.equal((await ended.describe()).failure?.message, 'enough');
});

test('the rows of an activity show its name, and those of a failure its type and message', async () => {
  const { out } = await workflow('show', 'failed');
  const scheduled = (await failed.history()).find(({ type }) => type === 'ActivityScheduled')!;
  assert.match(out, new RegExp(`\\| ActivityFailed +\\| ${scheduled.name} +\\|`));
  assert.match(out, /\| WorkflowFailed +\|.*ActivityFailure: .*, caused by /);
  assert.doesNotMatch(out, /"kind"/);
});

test('show cuts details unless it is asked for all of them', async () => {
  const handle = await engine.start('echoAll', ['y'.repeat(300)], 'long');
  await handle.result();
  assert.ok(!(await workflow('show', 'long')).out.includes('y'.repeat(300)));
  assert.ok((await workflow('show', 'long', '--full')).out.includes('y'.repeat(300)));
});

test('show says that a run is held, and for a fork where it comes from', async () => {
  await failed.hold({ reason: 'audit', actor: 'ann' });
  assert.match((await workflow('show', 'failed')).out, /^hold +since 2\S+Z by ann: audit$/m);
  await failed.releaseHold();
  const { runId } = await failed.reset({
    to: 1 + (await failed.history()).findIndex((e) => e.type === 'ActivityScheduled'),
  });
  await assert.rejects(engine.client.workflow.getHandle('failed', runId).result());
  assert.match((await workflow('show', 'failed')).out, new RegExp(`from run ${failed.runId} at event \\d+`));
});

test('list marks a failed run that a fork has continued, and takes a status', async () => {
  const { out } = await workflow('list', '--status', 'failed');
  const { runId } = await engine.client.workflow.getHandle('failed').describe();
  assert.match(out, new RegExp(`^failed +\\| failed .*\\| continued by ${runId}$`, 'm'));
  assert.doesNotMatch(out, /^completed/m);
  assert.equal((await workflow('list', '--status', 'lost')).code, 64);
  assert.equal((await workflow('list', '--status', 'failed', '--query', "WorkflowId = 'x'")).code, 64);
});

test('list says which open runs are in quarantine or fail their tasks', async (t) => {
  const store = await testStore(t);
  const worker = await incarnation(store, t);
  const quarantined = await startedRun(store, { owner: worker });
  const fault = { cause: 'UNSUPPORTED_ENGINE', message: 'of the future', attempts: 2, nextTry: Date.now() * 1000 };
  await putIntoQuarantine(store.database, { ...fault, runId: quarantined, epoch: worker.epoch, owner: worker.epoch });
  const failing = await startedRun(store);
  const failure = { name: 'DETERMINISM', attempt: 3, reason: 'the code\nhas changed', payload: encodePayload('Error') };
  await worker.writer.append([turn({ runId: failing, newEvents: [newEvent(0, 'WorkflowTaskFailed', failure)] })]);
  const well = await startedRun(store);
  const { out } = await reprise(['workflow', 'list', '--json'], { url: store.url });
  const problems = (JSON.parse(out) as { runId: string; problem?: object }[]).map((run) => [run.runId, run.problem]);
  assert.deepEqual(
    new Map(problems as [string, object | undefined][]),
    new Map<string, object | undefined>([
      [quarantined, { kind: 'quarantine', code: 'UNSUPPORTED_ENGINE', attempt: 2, message: 'of the future' }],
      [failing, { kind: 'task failure', code: 'DETERMINISM', attempt: 3, message: 'the code\nhas changed' }],
      [well, undefined],
    ]),
  );
  const text = (await reprise(['workflow', 'list'], { url: store.url })).out;
  assert.match(text, /task failure DETERMINISM \(attempt 3\): the code has changed$/m);
});

test('state before the start of a run says when it started', async () => {
  const { startTime } = await failed.describe();
  const { code, err } = await workflow('state', 'failed', '--at', '2001-01-01T00:00:00Z');
  assert.deepEqual([code, err], [0, `the run started at ${startTime.toISOString()}\n`]);
});

test('prune is about all namespaces and takes none', async () => {
  assert.equal((await reprise(['prune', '--namespace', 'x', '--dry-run'], { url: engine.url })).code, 64);
});
