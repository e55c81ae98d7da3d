// Replays of runs in files, without a database: which code they run, and that code in a file runs only when told to.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readRunBundle } from 'reprise/client';
import type { ReplayReport } from 'reprise/client';
import { sha256 } from '../../runtime/store/codec/sha256.ts';
import { testEngine } from '../support/engine.ts';
import { Forks } from '../support/forks.ts';
import { type CommandRun, reprise } from '../support/reprise-command.ts';
import { linesOf, runFiles } from '../support/run-files.ts';
import { writePackage } from '../unit/sandbox/workflow-files.ts';

const before = `import { defineContext, proxyActivities } from 'reprise/workflow';
const { greet } = proxyActivities({ startToCloseTimeout: '10s' });
const notes = defineContext<{ log: string[] }>({ log: [] });
export async function order(name: string): Promise<string> {
  const greeting = await greet(name);
  notes.patch({ op: 'append', path: '/log', value: greeting });
  await greet('again');
  return greeting;
}
`;
const changed = before.replace("await greet('again');", '');
const folder = writePackage({ 'before.ts': before, 'changed.ts': changed });
const path = (file: string): string => join(folder, file);

const files = await runFiles();
after(() => files.remove());
let entered = 0;
const activities = {
  greet: async (name: string): Promise<string> => {
    entered += 1;
    return `hello ${name}`;
  },
};
const engine = await testEngine({ workflowsPath: path('before.ts'), activities });
const order = await engine.start('order', ['ann'], 'order-1');
await order.result();
const { file } = await order.export({ file: files.path() });
const { file: withCode } = await order.export({ file: files.path(), withCode: true });

/** A command that reaches no database. */
function offline(...args: string[]): Promise<CommandRun> {
  return reprise(['replay', ...args], { url: 'postgres://nobody@127.0.0.1:1/nothing' });
}

test('a run in a file gives the same reports as the run in the database', async () => {
  const comparable = ({ ms: _, ...report }: ReplayReport): object => report;
  const bundle = await readRunBundle(file);
  const length = (await order.history()).length;
  const code = path('before.ts');
  const before = entered;
  for (const to of [1, 3, length - 1, length]) {
    for (const mode of ['PATCH_ONLY', 'MOCK_TOOLS'] as const) {
      const options = { mode, to, ...(mode === 'PATCH_ONLY' ? {} : { code }) };
      assert.deepEqual(comparable(await bundle.replay(options)), comparable(await order.replay(options)));
    }
  }
  assert.equal(entered, before, 'no activity is entered');
  const { at } = (await order.history())[2]!;
  assert.equal((await bundle.replay({ to: at })).toSeq, (await order.replay({ to: at })).toSeq);
  for (const to of ['greet#1', 'ActivityScheduled#2', 'ActivityCompleted#1', 'event:1', 'event:2']) {
    const { toSeq } = await bundle.replay({ to });
    assert.ok(toSeq > 1 && toSeq < length, to);
    assert.equal((await order.replay({ to })).toSeq, toSeq, to);
  }
  for (const to of ['greet#9', 'event:none']) {
    await assert.rejects(bundle.replay({ to }), { code: 'STEP_NOT_FOUND' });
    await assert.rejects(order.replay({ to }), { code: 'STEP_NOT_FOUND' });
  }
  await assert.rejects(bundle.replay({ to: 'checkpoint:none' }), { code: 'CHECKPOINT_NOT_FOUND' });
});

test('changed code diverges from the run in a file, and the command exits with 2', async () => {
  const same = await offline('--file', file, '--mode', 'mock-tools', '--code', path('before.ts'));
  assert.deepEqual([same.code, same.err], [0, '']);
  assert.match(same.out, /^replay +MOCK_TOOLS: ok$/m);
  const { code, out } = await offline('--file', file, '--mode', 'mock-tools', '--code', path('changed.ts'), '--json');
  assert.equal(code, 2);
  assert.equal((JSON.parse(out) as ReplayReport).success, false);
  const state = await offline('--file', file);
  assert.deepEqual([state.code, state.err], [0, '']);
  assert.match(state.out, /"hello ann"/);
});

test('code in a file runs only when told to', async () => {
  for (const [args, message] of [
    [['--file', file, '--run-bundled-code'], /The file holds no workflow code/],
    [['--file', withCode], /which runs only with runBundledCode: true \(CLI: --run-bundled-code\)/],
  ] as const) {
    const { code, err } = await offline(...args, '--mode', 'mock-tools');
    assert.equal(code, 1);
    assert.match(err, /^CODE_NOT_RECORDED: /);
    assert.match(err, message);
  }
  const { code, out } = await offline('--file', withCode, '--mode', 'mock-tools', '--run-bundled-code');
  assert.equal(code, 0);
  assert.match(out, /^replay +MOCK_TOOLS: ok$/m);
});

test('other code under the name of the recorded code is refused before it runs', async () => {
  const ran = join(files.folder, 'ran');
  const lines = await linesOf(withCode);
  const text = lines
    .filter((line) => line.startsWith('{"code":'))
    .map((line) => (JSON.parse(line) as { code: string }).code)
    .join('');
  const evil = text.replace(
    '"code":"',
    `"code":"process.getBuiltinModule('fs').writeFileSync(${JSON.stringify(JSON.stringify(ran)).slice(1, -1)}, '');`,
  );
  assert.notEqual(evil, text);
  const digest = Buffer.from(sha256(Buffer.from(evil, 'utf16le'))).toString('hex');
  const header = JSON.parse(lines[0]!) as object;
  const forged = [
    JSON.stringify({ ...header, code: { sha256: digest, length: evil.length } }),
    ...lines.slice(1).filter((line) => !line.startsWith('{"code":')),
  ];
  forged.splice(-1, 0, JSON.stringify({ code: evil }));
  const forgedFile = files.path();
  await writeFile(forgedFile, gzipSync(forged.map((line) => `${line}\n`).join('')));
  const bundle = await readRunBundle(forgedFile);
  await assert.rejects(bundle.replay({ mode: 'MOCK_TOOLS', runBundledCode: true }), { code: 'BUNDLE_FAILED' });
  assert.equal(existsSync(ran), false);
});

test('a fork in a file replays over the segments of its line', async () => {
  const forks = new Forks(engine);
  const point = await forks.seqOf(order.runId!, ({ seq, hash }) => hash !== null && seq > 3);
  const fork = await forks.fork(order.runId!, point);
  await fork.result();
  const bundle = await readRunBundle((await fork.export({ file: files.path() })).file);
  assert.equal(bundle.line.length, 2);
  const report = await bundle.replay({ mode: 'MOCK_TOOLS', code: path('before.ts') });
  assert.deepEqual([report.success, report.end, report.divergences], [true, 'closed', []]);
});

test('a file and a workflow id exclude each other, and wrong options are refused', async () => {
  assert.equal((await offline()).code, 64);
  assert.equal((await offline('order-1', '--file', file)).code, 64);
  const bundle = await readRunBundle(file);
  await assert.rejects(bundle.replay({ mode: 'LIVE_TOOLS' }), { code: 'NOT_SUPPORTED' });
  await assert.rejects(bundle.replay({ runCode: true } as never), { code: 'INVALID_INPUT' });
  const damaged = files.path();
  await writeFile(damaged, (await readFile(file)).subarray(0, 200));
  assert.equal((await offline('--file', damaged)).code, 2);
});
