// `npm start` as people run it, with fewer records: the kill, the summary, and the commands that the summary shows.
// Does not check how long the takeover took, because the machine may be busy.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hashOf, runPlainLoop } from '../../examples/warehouse/plain-loop.ts';
import { loadRecords } from '../../examples/warehouse/records.ts';
import { stopPostgres } from '../../server/dev/embedded-postgres.ts';
import { testDatabase } from '../support/database.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const records = 3_000;

/** A copy of the project for npm, with a separate `.reprise/`. Under root, the system user of Postgres can enter it. */
const folder = await mkdtemp(join(tmpdir(), 'reprise-warehouse-'));
after(async () => {
  await stopPostgres(folder, 'immediate');
  await rm(folder, { recursive: true });
});

let started: { code: number; out: string };
before(async () => {
  await chmod(folder, 0o711);
  await copyFile(join(root, 'package.json'), join(folder, 'package.json'));
  for (const name of ['examples', 'node_modules', 'runtime', 'sdk', 'server']) {
    await symlink(join(root, name), join(folder, name));
  }
  started = await shell(`npm start -- --records ${records}`);
});

function shell(command: string, given: Record<string, string> = {}): Promise<{ code: number; out: string }> {
  // The npm that runs the tests passes its settings on as variables. The npm that starts here must not get them.
  const own = Object.entries(process.env).filter(([name]) => !/^npm_|^(REPRISE_)?DATABASE_URL$/i.test(name));
  const env = { ...Object.fromEntries(own), ...given };
  return new Promise((resolve) => {
    execFile('sh', ['-c', command], { cwd: folder, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), out: `${stdout}${stderr}` });
    });
  });
}

/** The value in a row of the summary. */
function row(name: string, out: string = started.out): string {
  return new RegExp(`^${name} {2,}(.*)$`, 'm').exec(out)?.[1] ?? assert.fail(`no row "${name}" in:\n${out}`);
}

test('a killed worker loses no record, and at most its running activities are repeated', () => {
  const [, redone] = /^3,000 done, 0 lost, (\d+) redone$/.exec(row('records')) ?? [];
  assert.ok(Number(redone) <= 16, row('records'));
  const [, completed] = /^worker-[12] by SIGKILL at ([\d,]+) records$/.exec(row('stopped')) ?? [];
  assert.ok(Number(completed?.replace(',', '')) >= 2_114, row('stopped'));
});

test('the final state is that of a plain loop without any engine', () => {
  const hash = hashOf(runPlainLoop(loadRecords().slice(0, records)).state);
  assert.ok(row('final state').startsWith(hash));
  assert.ok(row('plain loop').startsWith(hash));
});

test('at most the takeover time is reported as a fault', () => {
  const faults = started.out.split('\n').filter((line) => line.startsWith('FAULT: '));
  assert.deepEqual(
    faults.filter((fault) => !fault.startsWith('FAULT: first new record after ')),
    [],
  );
  assert.equal(started.code, faults.length === 0 ? 0 : 1, started.out);
});

test('the summary shows one repair: who made it, why, and the previous value', () => {
  assert.match(row('  who'), /^agent [a-z-]+$/);
  assert.ok(row('  why').length > 10);
  assert.match(row('  what'), /"was":/);
  assert.match(row('  blame'), /^\/fixes\/\S+ .+ by [a-z-]+ at seq \d+$/);
});

test('the workflow code, replayed on recorded results, repeats the log up to the kill', () => {
  const [, events] = /^([\d,]+) events in .* [\d,]+\/s$/.exec(row('replay')) ?? [];
  assert.ok(Number(events?.replaceAll(',', '')) > 2 * 2_114, row('replay'));
  assert.doesNotMatch(started.out, /does not repeat what the log says/);
  assert.match(row('sample'), /^\d+ repairs executed again in .* s, with the same results$/);
});

test('the three commands in the summary work after npm start has exited, and leave no database running', async () => {
  const commands = started.out.split('\n').filter((line) => line.startsWith('  npm run -s reprise -- '));
  assert.equal(commands.length, 3, started.out);
  const outputs: string[] = [];
  for (const command of commands) {
    assert.ok(!existsSync(join(folder, '.reprise/postgres/postmaster.pid')));
    const { code, out } = await shell(command);
    assert.equal(code, 0, out);
    outputs.push(out);
  }
  const [show, patches, sql] = outputs as [string, string, string];
  assert.match(show, /^status +completed$/m);
  assert.match(patches, /agent [a-z-]+ +\|.*"was":/);
  assert.match(sql, /^state-code +\| +\d+$/m);
});

test('REPRISE_DATABASE_URL is used instead of a database in the folder', async () => {
  const { url, pool } = await testDatabase();
  const { code, out } = await shell('npm start -- --records 200 --no-kill', { REPRISE_DATABASE_URL: url });
  assert.equal(code, 0, out);
  assert.equal(row('records', out), '200 done, 0 lost, 0 redone');
  const { rows } = await pool.query<{ status: string; kind: string | null }>(
    'select status, kind from reprise.runs order by kind nulls first',
  );
  assert.deepEqual(rows, [
    { status: 'completed', kind: null },
    { status: 'completed', kind: 'replay' },
  ]);
});

test('the error of a bad option names the option', async () => {
  const { code, out } = await shell('npm start -- --records 50001');
  assert.equal(code, 1);
  assert.match(out, /--records 50001: expected a whole number from 1 to 50000\./);
});
