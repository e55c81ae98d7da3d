// Replays of recorded runs from a handle and from the command line: the code they use, the point where they stop, what
// they print, and that they write nothing.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import pg from 'pg';
import { Client, Connection } from 'reprise/client';
import { testDatabase } from '../support/database.ts';
import { fixtureWorker, testEngine, until } from '../support/engine.ts';
import { reprise } from '../support/reprise-command.ts';
import { writePackage } from '../unit/sandbox/workflow-files.ts';

const before = `import { defineContext, proxyActivities } from 'reprise/workflow';
const { greet, count } = proxyActivities({ startToCloseTimeout: '10s' });
const notes = defineContext<{ log: string[] }>({ log: [] });
export async function order(name: string): Promise<string> {
  notes.patch({ op: 'append', path: '/log', value: 'begun' });
  const greeting = await greet(name);
  notes.patch({ op: 'append', path: '/log', value: greeting });
  await count(1);
  return greeting;
}
`;
const after = before.replace('await count(1);', 'await count(1);\n  await count(2);');
const folder = writePackage({ 'before.ts': before, 'after.ts': after });
const path = (file: string): string => join(folder, file);

let entered = 0;
const activities = {
  greet: async (name: string): Promise<string> => {
    entered += 1;
    return `hello ${name}`;
  },
  count: async (): Promise<void> => {
    entered += 1;
  },
};
const engine = await testEngine({ workflowsPath: path('before.ts'), activities });
const handle = await engine.start('order', ['ann'], 'order-1');
await handle.result();
const recorded = entered;

/** A client whose sessions refuse every write. */
async function readOnlyClient(t: { after(fn: () => Promise<void>): void }): Promise<Client> {
  const pool = new pg.Pool({ connectionString: engine.url, options: '-c default_transaction_read_only=on' });
  const connection = await Connection.connect({ pool });
  t.after(async () => {
    await connection.close();
    await pool.end();
  });
  await assert.rejects(pool.query('delete from reprise.runs'), /read-only transaction/);
  return new Client({ connection });
}

test('PATCH_ONLY and MOCK_TOOLS give the same document, enter no activity and write nothing', async (t) => {
  const client = await readOnlyClient(t);
  const reader = client.workflow.getHandle('order-1');
  const { historyLength: head } = await reader.describe();
  for (const to of [1, 2, 3, head - 1, head]) {
    const patches = await reader.replay({ to });
    const mocked = await reader.replay({ mode: 'MOCK_TOOLS', to });
    assert.deepEqual([patches.success, mocked.success, mocked.toSeq], [true, true, to]);
    assert.deepEqual([mocked.state, mocked.stateHash], [patches.state, patches.stateHash]);
    assert.deepEqual((await reader.stateAt({ seq: to })).state, mocked.state);
  }
  const { state, activities: answered, mode, end, usd, codeHash } = await reader.replay({ mode: 'mock-tools' });
  assert.deepEqual([mode, end, answered, usd, state], ['MOCK_TOOLS', 'closed', 2, 0, { log: ['begun', 'hello ann'] }]);
  assert.equal(codeHash?.length, 64);
  assert.equal(entered, recorded);
});

test('a replay stops at a time', async () => {
  const events = await handle.history();
  const scheduled = events.find(({ type }) => type === 'ActivityScheduled')!;
  const last = events.findLast(({ at }) => at.getTime() <= scheduled.at.getTime())!;
  for (const mode of ['PATCH_ONLY', 'MOCK_TOOLS'] as const) {
    assert.equal((await handle.replay({ mode, to: scheduled.at })).toSeq, last.seq);
    assert.equal((await handle.replay({ mode, to: scheduled.at.toISOString() })).toSeq, last.seq);
    assert.equal((await handle.replay({ mode, to: new Date(0) })).toSeq, 0);
  }
});

test('a replay stops at every point that a state is read at', async () => {
  const { seq: named } = await handle.checkpoint('audited');
  const events = await handle.history();
  const scheduled = events.filter(({ type }) => type === 'ActivityScheduled');
  const greeted = scheduled.find(({ name }) => name === 'greet')!;
  const points: readonly (readonly [string, number])[] = [
    ['greet#1', greeted.seq],
    ['ActivityScheduled#2', scheduled[1]!.seq],
    ['event:1', greeted.seq],
    [String(greeted.seq), greeted.seq],
    ['checkpoint:audited', named],
    ['now', events.length],
    ['1 year ago', 0],
  ];
  for (const [to, seq] of points) {
    for (const mode of ['PATCH_ONLY', 'MOCK_TOOLS'] as const) {
      assert.equal((await handle.replay({ mode, to })).toSeq, seq, `${mode} ${to}`);
    }
    const { code, out, err } = await command('--to', to, '--json');
    assert.equal(code, 0, err);
    assert.equal((JSON.parse(out) as { toSeq: number }).toSeq, seq, to);
  }
  await assert.rejects(handle.replay({ to: 'greet#9' }), { code: 'STEP_NOT_FOUND', message: /no step "greet#9"/ });
  await assert.rejects(handle.replay({ to: 'checkpoint:none' }), { code: 'CHECKPOINT_NOT_FOUND' });
  const absolute = await command('--to', '5 min ago', '--utc');
  assert.match(absolute.err, /^"5 min ago" is 20\d\d-.* \(UTC\)$/m);
});

test('an option that needs code means MOCK_TOOLS, and PATCH_ONLY refuses it', async () => {
  const { mode, success } = await handle.replay({ code: path('after.ts') });
  assert.deepEqual([mode, success], ['MOCK_TOOLS', false]);
  const options = [
    { code: 'recorded' },
    { mocks: { greet: 'x' } },
    { onDivergence: 'report' },
    { onMissing: 'stub' },
  ] as const;
  for (const each of options) {
    assert.equal((await handle.replay(each)).mode, 'MOCK_TOOLS');
    await assert.rejects(handle.replay({ mode: 'PATCH_ONLY', ...each }), {
      code: 'INVALID_INPUT',
      message: /PATCH_ONLY runs no code, so \w+ would have no effect/,
    });
  }
  await assert.rejects(handle.replay({ mode: 'patch-only', inspect: {} }), { code: 'INVALID_INPUT' });
  const diverged = await command('--code', path('after.ts'));
  assert.equal(diverged.code, 2, diverged.err);
  assert.match(diverged.out, /^replay +MOCK_TOOLS: DIVERGED$/m);
  const mock = path('value.json');
  await writeFile(mock, '"mine"');
  for (const flags of [
    ['--code', path('after.ts')],
    ['--mock', `greet=${mock}`],
    ['--inspect'],
    ['--inspect', '--break-at', '3'],
    ['--on-divergence', 'report'],
    ['--on-missing', 'stub'],
  ]) {
    const { code, err } = await command('--mode', 'PATCH_ONLY', ...flags);
    assert.deepEqual([code, new RegExp(`${flags[0]}.* no effect with PATCH_ONLY`).test(err)], [64, true], err);
  }
});

test('the command refuses options that would have no effect', async () => {
  for (const [flags, message] of [
    [['--break-at', '3'], /--break-at needs --inspect/],
    [['--run-bundled-code'], /needs --file/],
    [['--since', '1d', '--junit', 'x.xml'], /--since, --junit would have no effect on one run/],
    [['--result', 'greet=x.json'], /--result would have no effect without --mode LIVE_TOOLS/],
    [['--mode', 'LIVE_TOOLS', '--to', '3'], /--to would have no effect with LIVE_TOOLS/],
  ] as const) {
    const { code, err } = await command(...flags);
    assert.equal(code, 64);
    assert.match(err, message);
  }
});

test('PATCH_ONLY counts the events of the log, also from 0 on', async () => {
  const { length } = await handle.history();
  const { events, fromSeq } = await handle.replay({ mode: 'PATCH_ONLY', from: 0 });
  assert.deepEqual([events, fromSeq], [length, 1]);
  assert.equal((await handle.replay({ mode: 'PATCH_ONLY', from: 3 })).events, length - 2);
});

test('given code is used in place of the recorded code, and a divergence names the line of the TypeScript source', async () => {
  const same = await handle.replay({ mode: 'MOCK_TOOLS', code: path('before.ts') });
  assert.equal(same.success, true);
  const { success, divergences } = await handle.replay({ mode: 'MOCK_TOOLS', code: pathToFileURL(path('after.ts')) });
  assert.equal(success, false);
  assert.match(divergences[0]?.place ?? '', /^order \(after\.ts:9:9\)$/);
  const reported = await handle.replay({ mode: 'MOCK_TOOLS', code: path('after.ts'), onDivergence: 'report' });
  assert.deepEqual(
    reported.extra.map(({ name, place }) => [name, place]),
    [['count', 'order (after.ts:9:9)']],
  );
  assert.deepEqual(
    reported.missing.map(({ type }) => type),
    ['WorkflowCompleted'],
  );
});

test('replaced results come from values and from files', async () => {
  const file = path('greeting.json');
  await writeFile(file, '"from a file"');
  const mocks = { 'greet#1': pathToFileURL(file) };
  const { mocked, state } = await handle.replay({ mode: 'MOCK_TOOLS', mocks, onDivergence: 'report' });
  assert.deepEqual([mocked[0]?.mock, mocked[0]?.seqs.length], ['greet#1', 1]);
  assert.deepEqual(state, { log: ['begun', 'from a file'] });
  const failed = await handle.replay({ mode: 'MOCK_TOOLS', mocks: { greet: new Error('no') }, onDivergence: 'report' });
  assert.deepEqual(
    failed.extra.map(({ type }) => type),
    ['WorkflowFailed'],
  );
  const missing = { greet: new URL('nowhere.json', pathToFileURL(file)) };
  await assert.rejects(handle.replay({ mode: 'MOCK_TOOLS', mocks: missing }), {
    code: 'INVALID_INPUT',
    message: /mocks\.greet/,
  });
});

test('bad options and unknown runs are refused', async () => {
  const refused = async (options: object, message: RegExp): Promise<void> =>
    assert.rejects(handle.replay(options), { code: 'INVALID_INPUT', message });
  await refused({ mode: 'REAL' }, /mode is the text "REAL", expected PATCH_ONLY/);
  await refused({ modes: 'x' }, /no option "modes"/);
  await refused({ to: -1 }, /to is -1/);
  await refused({ to: 'soon' }, /to is the text "soon"/);
  await refused({ to: 'checkpoint:a\0' }, /to is the text/);
  await refused({ stub: 1 }, /onMissing: 'stub'/);
  await refused({ onDivergence: 'ignore' }, /fail or report/);
  await refused({ mode: 'live_tools', code: 'recorded' }, /no option "code"/);
  await assert.rejects(engine.client.workflow.getHandle('nobody').replay(), { code: 'RUN_NOT_FOUND' });
});

test('a run records the bundle of the worker that had it last, and only workers that store bundles make it replayable', async (t) => {
  const { url } = await testDatabase(t);
  const connection = await Connection.connect({ connectionString: url });
  const options = { workflowsPath: path('before.ts'), activities: { greet: activities.greet } };
  const first = await fixtureWorker(connection, 'q', { ...options, storeWorkflowBundle: false });
  const client = new Client({ connection });
  const unnamed = await client.workflow.start('order', { workflowId: 'w', taskQueue: 'q', args: ['bob'] });
  const replay = () => unnamed.replay({ mode: 'MOCK_TOOLS' });
  await assert.rejects(replay(), { code: 'CODE_NOT_RECORDED', message: /no worker of this version.*--code/s });
  await first.runUntil(async () => {
    await until(async () => (await unnamed.history()).length > 1);
    await assert.rejects(replay(), {
      code: 'CODE_NOT_RECORDED',
      message: /do not store bundles.*storeWorkflowBundle/s,
    });
  });
  const second = await fixtureWorker(connection, 'q', { ...options, activities });
  await second.runUntil(unnamed.result());
  assert.equal((await replay()).success, true);
  await unnamed.replay({ mode: 'MOCK_TOOLS', code: path('before.ts') });
  await connection.close();
});

async function command(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return reprise(['replay', 'order-1', ...args], { url: engine.url });
}

test('the command prints the report, and exits with 2 at a divergence', async () => {
  const patches = await command();
  assert.equal(patches.code, 0, patches.err);
  assert.match(patches.out, /^replay +PATCH_ONLY: ok$/m);
  assert.match(patches.out, /"hello ann"/);
  const mocked = await command('--mode', 'mock-tools', '--code', path('before.ts'), '--to', '3', '--json');
  assert.equal(mocked.code, 0, mocked.err);
  assert.deepEqual((JSON.parse(mocked.out) as { toSeq: number }).toSeq, 3);
  const diverged = await command('--mode', 'Mock_Tools', '--code', path('after.ts'));
  assert.equal(diverged.code, 2);
  assert.match(diverged.out, /^divergence at seq \d+: Nondeterminism error/m);
  const output = path('report.json');
  const reported = await command(
    '--mode',
    'MOCK_TOOLS',
    '--code',
    path('after.ts'),
    '--on-divergence',
    'report',
    '--output',
    output,
  );
  assert.equal(reported.code, 2);
  assert.match(reported.out, /^Extra: commands that the log does not hold:$/m);
  assert.match(reported.out, /ActivityScheduled \| count/);
  assert.equal((JSON.parse(await readFile(output, 'utf8')) as { success: boolean }).success, false);
});

test('the command takes replaced results and stubs from files', async () => {
  const file = path('mock.json');
  await writeFile(file, '"mine"');
  const { code, out } = await command('--mode', 'MOCK_TOOLS', '--mock', `greet=${file}`, '--on-divergence', 'report');
  assert.equal(code, 2);
  assert.match(out, /^mock greet: replaced the result with seq \d+$/m);
  const misspelt = await command('--mode', 'MOCK_TOOLS', '--mock', `great=${file}`);
  assert.equal(misspelt.code, 1);
  assert.match(misspelt.out, /^mock great: no result has this name/m);
  const stubbed = await command(
    '--mode',
    'MOCK_TOOLS',
    '--code',
    path('after.ts'),
    '--on-divergence',
    'report',
    '--on-missing',
    'stub',
  );
  assert.match(stubbed.out, /the end of the run/);
  for (const wrong of [
    ['--mock', 'greet'],
    ['--mode', 'x'],
    ['--on-missing', 'live'],
    ['--from', 'a'],
  ]) {
    const { code: wrongCode, err } = await command(...wrong);
    assert.equal(wrongCode, 64, err);
  }
});

test('the command names both remedies when the code is not there', async () => {
  const { code, err } = await command(
    '--mode',
    'MOCK_TOOLS',
    '--code',
    fileURLToPath(new URL('nowhere.ts', import.meta.url)),
  );
  assert.equal(code, 1);
  assert.match(err, /^BUNDLE_FAILED: /);
});
