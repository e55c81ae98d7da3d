import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import { encodePayload } from '../../runtime/core/payload/payload.ts';
import { putIntoQuarantine } from '../../runtime/store/ownership/quarantine.ts';
import { getRun } from '../../runtime/store/runs/runs.ts';
import { testEngine } from '../support/engine.ts';
import { type CommandRun, reprise } from '../support/reprise-command.ts';
import { incarnation, startedRun, testStore, turn } from '../support/store.ts';

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

test('show prints the run and its last events', async () => {
  const { code, out } = await workflow('show', 'tally', '--events', '2');
  assert.equal(code, 0);
  for (const part of [/^workflow id +tally$/m, /^status +completed$/m, /^type +tallyAll$/m]) assert.match(out, part);
  const events = out.slice(out.indexOf('\nseq')).trim().split('\n').slice(2);
  assert.equal(events.length, 2);
  assert.match(events[1] ?? '', /WorkflowCompleted/);
});

test('show says when it leaves events out', async () => {
  const length = (await handle.history()).length;
  const { out } = await workflow('show', 'tally', '--events', '2');
  assert.ok(out.includes(`last 2 of ${length} events; use --events all for all of them\n`), out);
  assert.doesNotMatch((await workflow('show', 'tally', '--events', String(length))).out, /for all of them/);
});

test('show says why a run is in quarantine, even if its log cannot be read', async (t) => {
  const store = await testStore(t);
  const worker = await incarnation(store, t);
  const runId = await startedRun(store, { owner: worker });
  await worker.writer.append([turn({ runId })]);
  await store.pool.query('update reprise.events set type = 999 where run_id = $1 and seq = 2', [runId]);
  const fault = { cause: 'UNSUPPORTED_ENGINE', message: 'of the future', attempts: 2, nextTry: Date.now() * 1000 };
  await putIntoQuarantine(store.database, { ...fault, runId, epoch: worker.epoch, owner: worker.epoch });
  const { workflow_id: id } = (await getRun(store.database, runId))!;
  const { code, out, err } = await reprise(['workflow', 'show', id], { url: store.url });
  assert.match(out, /^quarantine +RUN_QUARANTINED \(attempt 2\): UNSUPPORTED_ENGINE: of the future$/m);
  assert.match(err, /^the events cannot be read: .*Event type code 999 is unknown/);
  assert.equal(code, 0);
});

test('show prints an activity of unknown effect, and the current task failure', async (t) => {
  const store = await testStore(t);
  const worker = await incarnation(store, t);
  const shown = async (runId: string): Promise<string> => {
    const { workflow_id: id } = (await getRun(store.database, runId))!;
    // The arguments of these runs are not a payload that can be decoded.
    const { out, err } = await reprise(['workflow', 'show', id, '--events', '0'], { url: store.url });
    assert.equal(err, '');
    return out;
  };
  const lost = await startedRun(store);
  const begun = [
    newEvent(0, 'ActivityScheduled', { name: 'pay' }),
    newEvent(0, 'ActivityAttemptStarted', { answers: 2, attempt: 1 }),
    newEvent(0, 'WorkerLost', {}),
  ];
  await worker.writer.append([turn({ runId: lost, newEvents: begun })]);
  assert.match(await shown(lost), /^activity +pay \(seq 2, attempt 1\), effect unknown: /m);
  const failing = await startedRun(store);
  const payload = encodePayload(
    'Error: x\n    at sleep (reprise-shared-1a.js:1:2)\n    at order (src/workflows.ts:12:5)',
  );
  const failure = newEvent(0, 'WorkflowTaskFailed', {
    name: 'DETERMINISM',
    attempt: 2,
    reason: 'because\nof this',
    payload,
  });
  await worker.writer.append([turn({ runId: failing, newEvents: [failure] })]);
  const text = await shown(failing);
  assert.match(text, /^task failure DETERMINISM \(attempt 2\): because\n {13}of this$/m);
  assert.match(
    text,
    /^cause +NON_DETERMINISTIC_ERROR\nfailed at +order \(src\/workflows\.ts:12:5\)\nnext attempt 2\S+Z$/m,
  );
});

test('list prints the newest runs first, filters, and says when there are more', async () => {
  for (const id of ['listed-1', 'listed-2']) {
    await engine.client.workflow.start('greet', { workflowId: id, taskQueue: 'listed', args: ['x'] });
  }
  const query = "TaskQueue = 'listed'";
  const all = await workflow('list', '--query', query);
  const [columns, , ...rows] = all.out.trim().split('\n');
  assert.match(columns ?? '', /^status +\| workflow id +\| type +\| started +\| closed +\| note$/);
  assert.match(rows[0] ?? '', /^running +\| listed-2 +\| greet +\| 2\S+Z +\| +\|$/);
  assert.equal(rows[2], '(2 rows)');
  assert.match((await workflow('list', '--query', query, '--limit', '1')).out, /\(1 row\); there are more/);
  const runs = (await json('list', '--query', "WorkflowId = 'tally'")) as Record<string, unknown>[];
  assert.deepEqual(
    runs.map((run) => [run['workflowId'], run['runId'], typeof run['closeTime']]),
    [['tally', handle.runId, 'string']],
  );
  assert.equal((await workflow('list', '--query', 'nonsense')).code, 1);
  assert.equal((await workflow('list', '--limit', '0')).code, 64);
});

test('show --json prints the requested events as the client returns them', async () => {
  const { run, events } = (await json('show', 'tally', '--events', 'all')) as {
    run: { runId: string };
    events: unknown[];
  };
  assert.equal(run.runId, handle.runId);
  assert.equal(events.length, (await handle.history()).length);
});

test('show of an open run says that no worker polls its task queue', async () => {
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

test('state after the end of the run prints the last state and says where the run ends', async () => {
  const { code, out, err } = await workflow('state', 'tally', '--at', '9999');
  assert.deepEqual([code, out], [0, (await workflow('state', 'tally')).out]);
  assert.equal(err, `the run ends at seq ${(await handle.history()).length}\n`);
});

test('patches prints who, why and what, and filters', async () => {
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

test('wrong usage exits with 64, an invalid point with 1', async () => {
  for (const args of [['show'], ['show', 'tally', '--events', '-1'], ['patches', 'tally', '--source', 'nobody'], []]) {
    assert.equal((await workflow(...args)).code, 64, args.join(' '));
  }
  const { code, err } = await workflow('state', 'tally', '--at', 'yesterday');
  assert.deepEqual([code, err.startsWith('INVALID_INPUT')], [1, true]);
});

test('patch-context changes the context of an open run, or says why it does not', async () => {
  const open = await engine.start('waitsForTally', [], 'patched');
  await engine.until(async () => (await open.history()).length > 1);
  const why = ['--reason', 'counted again', '--actor', 'ada'];
  const { code, out } = await workflow(
    'patch-context',
    'patched',
    '--set',
    '/items/n=5',
    '--set',
    '/a=b={"c":"="}',
    ...why,
  );
  assert.deepEqual([code, out], [0, `applied 2 operations at seq 3 of run ${open.runId}\n`]);
  const [, patch] = await open.patches();
  assert.deepEqual([patch?.source, patch?.sourceId, patch?.reason], ['user', 'ada', 'counted again']);
  assert.deepEqual((await open.stateAt()).state, { done: 0, items: { n: 5 }, 'a=b': { c: '=' } });
  const op = '{"op":"test","path":"/items/n","value":5}';
  assert.deepEqual(await json('patch-context', 'patched', '--op', op, ...why), { runId: open.runId, seq: 4 });
  const refused = await workflow('patch-context', 'patched', '--op', '{"op":"remove","path":"/x"}', ...why);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /^CONTEXT_PATCH_INVALID: .*"\/x"/);
  assert.equal((await workflow('patch-context', 'patched', ...why)).code, 1);
  assert.equal((await workflow('patch-context', 'patched', '--set', '/n=5')).code, 64);
  assert.equal((await workflow('patch-context', 'patched', '--set', '/n=five', ...why)).code, 64);
  const unnamed = ['--set', '/done=7', '--reason', 'end'];
  assert.equal((await workflow('patch-context', 'patched', ...unnamed)).code, 0);
  assert.equal(await open.result(), 7);
  assert.equal((await open.patches()).at(-1)?.sourceId, userInfo().username);
});

test('a time of day and a relative time are printed as absolute times with their zone', async () => {
  const { code, out, err } = await workflow('state', 'tally', '--at', '0 s ago', '--utc');
  assert.deepEqual([code, out], [0, (await workflow('state', 'tally')).out]);
  assert.match(err, /^"0 s ago" is 2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \+00:00 \(UTC\)\n$/);
  assert.match((await workflow('patches', 'tally', '--since', '00:00')).err, /^"00:00" is .* 00:00:00\.000 /);
});

test('state writes the document to a file', async () => {
  const file = join(tmpdir(), `reprise-state-${process.pid}.json`);
  const { code, out } = await workflow('state', 'tally', '--output', file);
  assert.equal(code, 0);
  assert.match(out, /^written to .* \(seq \d+, \d+ patches\)\n$/);
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), (await handle.stateAt()).state);
  await rm(file);
});

test('diff, blame and timeline print tables, and with --json what the client returns', async () => {
  assert.match((await workflow('diff', 'tally', 'record#2', 'record#3')).out, /^replace +\| \/done +\| 1 +\| 2$/m);
  const blame = await workflow('blame', 'tally', '--path', '/items/*');
  assert.match(blame.out, /^\/items\/1 .*\| tool record +\| +\| item 1$/m);
  assert.match(blame.out, /^\(3 rows\)$/m);
  assert.match((await workflow('timeline', 'tally', '--path', '/done')).out, /^2 +\| .*item 1$/m);
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
  assert.deepEqual(
    await json('blame', 'tally', '--at', 'record#2'),
    plain(await handle.blame('', { event: 'record#2' })),
  );
  assert.deepEqual(await json('timeline', 'tally', '--path', '/done'), plain(await handle.timeline('/done')));
  assert.deepEqual(await json('diff', 'tally', '1', '5'), plain(await handle.diff({ seq: 1 }, { seq: 5 })));
  assert.match((await workflow('blame', 'tally', '--path', '/nowhere')).out, /^There is nothing at \/nowhere\./);
  assert.equal((await workflow('timeline', 'tally')).code, 64);
  assert.equal((await workflow('diff', 'tally', 'half')).code, 1);
});
