// Runs in files: exported from a database, then verified, read and compared without it.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readRunBundle, type RunBundle } from 'reprise/client';
import { testEngine } from '../support/engine.ts';
import { Forks } from '../support/forks.ts';
import { reprise } from '../support/reprise-command.ts';
import { linesOf, runFiles } from '../support/run-files.ts';

const files = await runFiles();
after(() => files.remove());
const engine = await testEngine();
const { url } = engine;
const forks = new Forks(engine);
const tally = await engine.start('tallyAll', [3, 1], 'tally');
await tally.result();

async function exported(handle = tally): Promise<RunBundle> {
  return readRunBundle((await handle.export({ file: files.path() })).file);
}

test('an exported run holds the whole history, and is the same as the run in the database', async () => {
  const bundle = await exported();
  const history = await tally.history();
  assert.deepEqual([bundle.runId, bundle.workflowId, bundle.status], [tally.runId, 'tally', 'completed']);
  assert.deepEqual([bundle.head, bundle.headHash], [history.length, history.at(-1)!.hash]);
  const diff = await tally.compare(bundle);
  assert.ok(diff.isSame);
  assert.equal(diff.b.runId, tally.runId);
});

test('an open run is exported up to its last event', async () => {
  const open = await engine.start('listener', [], 'open');
  await open.signal('say', 'hello');
  await engine.until(async () => (await open.history()).some(({ type }) => type === 'SignalReceived'));
  const bundle = await exported(open);
  assert.equal(bundle.status, 'running');
  assert.equal(bundle.head, (await open.history()).length);
  await open.terminate();
});

test('export says what it wrote, and refuses wrong options and places', async () => {
  const { file, runId, events, headHash } = await tally.export({ file: files.path() });
  assert.ok(existsSync(file));
  assert.deepEqual([runId, events], [tally.runId, (await tally.history()).length]);
  assert.match(headHash!, /^[0-9a-f]{64}$/);
  await assert.rejects(tally.export({ path: file } as never), { code: 'INVALID_INPUT' });
  await assert.rejects(tally.export({ file: join(files.folder, 'no/such/folder') }), { code: 'INVALID_INPUT' });
});

test('verify finds an edited event, in the database and before an export', async () => {
  const edited = await engine.start('tallyAll', [2, 1], 'edited');
  await edited.result();
  const { ok, events, headHash, fault } = await edited.verify();
  const history = await edited.history();
  assert.deepEqual([ok, events, headHash, fault], [true, history.length, history.at(-1)!.hash, undefined]);
  const args = ['workflow', 'verify', 'edited'];
  assert.match((await reprise(args, { url })).out, /^intact: run \S+, \d+ events, last hash [0-9a-f]{64}\n$/);
  await engine.pool.query("update reprise.events set name = 'other' where run_id = $1 and seq = 3", [edited.runId]);
  const after = await edited.verify();
  assert.equal(after.ok, false);
  assert.match(after.fault!.problem, /^the turn of events \d+ to \d+ does not match its hash$/);
  const { code, out } = await reprise(args, { url });
  assert.equal(code, 2);
  assert.match(out, /^not intact: run \S+, event \d+: the turn of events/);
  const json = await reprise([...args, '--json'], { url });
  assert.deepEqual([json.code, (JSON.parse(json.out) as { ok: boolean }).ok], [2, false]);
  await assert.rejects(edited.export({ file: files.path() }), { code: 'HISTORY_CONFLICT' });
});

test('the command line exports a run, and verifies the file without a database', async () => {
  const file = files.path();
  const written = await reprise(['workflow', 'export', 'tally', '--output', file], { url });
  assert.equal(written.code, 0);
  assert.match(written.out, /^\S+\.reprise\.gz: run \S+, \d+ events, last hash [0-9a-f]{64}\n$/);
  const offline = { url: 'postgres://nobody@127.0.0.1:1/nothing' };
  const verified = await reprise(['workflow', 'verify', '--file', file], offline);
  assert.deepEqual([verified.code, verified.err], [0, '']);
  assert.match(verified.out, /^intact: run /);
  const json = JSON.parse((await reprise(['workflow', 'verify', '--file', file, '--json'], offline)).out) as RunBundle;
  assert.deepEqual(
    [json.workflowId, json.line],
    ['tally', [{ runId: tally.runId, first: 1, last: json.line[0]!.last }]],
  );
});

test('a forged file exits with 2 and says what is wrong and where', async () => {
  const { file } = await tally.export({ file: files.path() });
  const lines = await linesOf(file);
  const forged = files.path();
  await writeFile(forged, gzipSync(lines.map((line) => `${line.replace('item 1', 'item 7')}\n`).join('')));
  const { code, err } = await reprise(['workflow', 'verify', '--file', forged], { url });
  assert.equal(code, 2);
  assert.match(
    err,
    /^BUNDLE_INVALID: \S+ is not an intact run bundle: line \d+: the turn of events \d+ to \d+ does not match/,
  );
  assert.equal((await reprise(['workflow', 'verify'], { url })).code, 64);
  assert.equal((await reprise(['workflow', 'verify', 'tally', '--file', file], { url })).code, 64);
});

test('a run that continued as new, with children, is exported with what belongs to it', async () => {
  const family = await engine.start('relative', [1], 'family');
  await family.result();
  assert.equal((await exported(family)).head, (await family.history()).length);
  await (await engine.start('child', ['again'], 'continues')).result();
  const latest = engine.client.workflow.getHandle('continues');
  const [first] = (await latest.lineage()).runs;
  const before = engine.client.workflow.getHandle('continues', first!.runId);
  assert.equal((await exported(before)).status, 'continued_as_new');
  assert.ok((await latest.compare(await exported(latest))).isSame);
});

test('runs in files are compared with each other without a database, and with runs in the database', async () => {
  const other = await engine.start('tallyAll', [4, 1], 'other');
  await other.result();
  const [left, right] = [
    (await tally.export({ file: files.path() })).file,
    (await other.export({ file: files.path() })).file,
  ];
  const offline = { url: 'postgres://nobody@127.0.0.1:1/nothing' };
  const both = await reprise(['workflow', 'compare', '--file', left, '--with-file', right], offline);
  assert.equal(both.code, 0);
  assert.match(both.out, /^3 same, 0 differ, 0 missing in b, 1 extra in b$/m);
  const one = await reprise(['workflow', 'compare', 'tally', '--with-file', right, '--json'], { url });
  assert.deepEqual(JSON.parse(one.out), JSON.parse(JSON.stringify(await tally.compare(other))));
  for (const args of [['tally'], ['--file', left], ['tally', 'other', '--with-file', right]]) {
    assert.equal((await reprise(['workflow', 'compare', ...args], { url })).code, 64, args.join(' '));
  }
});

test('a fork of a fork is exported with the segments of its ancestors, each under its own run id', async () => {
  const origin = await engine.start('tallyAll', [3, 1], 'lined');
  await origin.result();
  const turnAfter = (runId: string, after: number): Promise<number> =>
    forks.seqOf(runId, ({ seq, hash }) => hash !== null && seq > after);
  const point = await turnAfter(origin.runId!, 4);
  const fork = await forks.fork(origin.runId!, point);
  await fork.result();
  const later = await turnAfter(fork.runId!, point + 3);
  const second = await forks.fork(fork.runId!, later);
  await second.result();
  const { ok, events } = await second.verify();
  assert.deepEqual([ok, events], [true, (await second.history()).length]);
  const bundle = await exported(second);
  assert.deepEqual(bundle.line, [
    { runId: origin.runId, first: 1, last: point },
    { runId: fork.runId, first: point + 1, last: later },
    { runId: second.runId, first: later + 1, last: bundle.head },
  ]);
  assert.ok((await second.compare(bundle)).isSame);
  // The origin did the same calls, and the context is the same in the end.
  const diff = await origin.compare(second);
  assert.deepEqual([diff.counts.differs + diff.counts.missing + diff.counts.extra, diff.context], [0, []]);
  // A fork whose line names the segments of another run is refused.
  const lines = await linesOf(bundle.file);
  const forged = lines.map((line) => `${line.replaceAll(origin.runId!, tally.runId!)}\n`).join('');
  const file = files.path();
  await writeFile(file, gzipSync(forged));
  await assert.rejects(readRunBundle(file), { code: 'BUNDLE_INVALID', message: /does not match its hash/ });
});

test('a fork at the first event of a run is exported and verified', async () => {
  const origin = await engine.start('tallyAll', [1, 1], 'from-start');
  await origin.result();
  const fork = await forks.fork(origin.runId!, 1, { verb: 'restart' });
  await fork.result();
  assert.ok((await fork.verify()).ok);
  const bundle = await exported(fork);
  assert.deepEqual(bundle.line[0], { runId: origin.runId, first: 1, last: 1 });
});
