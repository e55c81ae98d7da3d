import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import pg from 'pg';
import { startPostgres, stopPostgres } from '../../server/dev/embedded-postgres.ts';

const asRoot = process.getuid?.() === 0;

async function temporaryFolder(mode: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'reprise-embedded-'));
  await chmod(folder, mode);
  after(async () => {
    await stopPostgres(folder, 'immediate');
    const elsewhere = await placeOf(folder);
    if (elsewhere !== undefined) await rm(elsewhere, { recursive: true });
    await rm(folder, { recursive: true });
  });
  return folder;
}

function placeOf(folder: string): Promise<string | undefined> {
  return readFile(join(folder, '.reprise', 'place'), 'utf8').catch(() => undefined);
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text);
    return rows;
  } finally {
    await client.end();
  }
}

async function serverPid(url: string): Promise<number> {
  const text = "select pg_read_file('postmaster.pid') as text";
  const [row] = await query(url, text);
  return Number.parseInt(String(row?.['text']), 10);
}

test('data, address and password survive a stop and a start', async () => {
  const folder = await temporaryFolder(0o711);
  const first = await startPostgres({ folder });
  assert.equal(first.startedHere, true);
  await query(first.url, 'create table kept as select 7 as n');
  await first.stop();
  await assert.rejects(query(first.url, 'select 1'), { code: 'ECONNREFUSED' });
  const second = await startPostgres({ folder });
  assert.equal(second.url, first.url);
  assert.deepEqual(await query(second.url, 'select n from kept'), [{ n: 7 }]);
});

test('the default folder is the current one', async () => {
  const folder = await temporaryFolder(0o711);
  const before = process.cwd();
  process.chdir(folder);
  try {
    const { url, startedHere } = await startPostgres();
    assert.deepEqual([(await startPostgres({ folder })).url, startedHere], [url, true]);
    await stopPostgres();
    await assert.rejects(query(url, 'select 1'), { code: 'ECONNREFUSED' });
  } finally {
    process.chdir(before);
  }
});

test('a running server is used and not started a second time', async () => {
  const folder = await temporaryFolder(0o711);
  const first = await startPostgres({ folder });
  const second = await startPostgres({ folder });
  assert.deepEqual([second.startedHere, second.url], [false, first.url]);
});

test('of two concurrent starts in an empty folder, one starts the server and both use it', async () => {
  const folder = await temporaryFolder(0o711);
  const both = await Promise.all([startPostgres({ folder }), startPostgres({ folder })]);
  assert.equal(both[0].url, both[1].url);
  assert.equal(both.filter((server) => server.startedHere).length, 1);
});

test('a killed server starts again with everything it had acknowledged', async () => {
  const folder = await temporaryFolder(0o711);
  const first = await startPostgres({ folder });
  await query(first.url, 'create table kept as select 7 as n');
  process.kill(await serverPid(first.url), 'SIGKILL');
  const second = await startPostgres({ folder });
  assert.deepEqual([second.startedHere, second.url], [true, first.url]);
  assert.deepEqual(await query(second.url, 'select n from kept'), [{ n: 7 }]);
});

test('the server outlives the process that started it', async () => {
  const folder = await temporaryFolder(0o711);
  const module = new URL('../../server/dev/embedded-postgres.ts', import.meta.url).href;
  const code = `const { startPostgres } = await import(${JSON.stringify(module)});
    await startPostgres({ folder: ${JSON.stringify(folder)} });`;
  const starter = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'inherit' });
  assert.deepEqual(await once(starter, 'exit'), [0, null]);
  assert.equal((await startPostgres({ folder })).startedHere, false);
});

test('the server keeps its durability, listens only on this machine and hides its password', async () => {
  const folder = await temporaryFolder(0o711);
  const { url, port } = await startPostgres({ folder });
  const settings = 'fsync full_page_writes synchronous_commit listen_addresses unix_socket_directories'.split(' ');
  const rows = await query(
    url,
    `select current_setting(name) as v from unnest('{${settings.join(',')}}'::text[]) name`,
  );
  assert.deepEqual(
    rows.map((row) => row['v']),
    ['on', 'on', 'on', '127.0.0.1', ''],
  );
  const connectionFile = join(folder, '.reprise', 'connection.json');
  assert.deepEqual(JSON.parse(await readFile(connectionFile, 'utf8')), { url });
  assert.equal(Number(new URL(url).port), port);
  for (const file of [connectionFile, join(folder, '.reprise', 'password')]) {
    assert.equal((await stat(file)).mode & 0o077, 0, `${file} is readable by others`);
  }
  const stranger = new URL(url);
  stranger.password = 'guess';
  await assert.rejects(query(stranger.href, 'select 1'), { code: '28P01' });
});

test('settings take effect', async () => {
  const folder = await temporaryFolder(0o711);
  const { url } = await startPostgres({ folder, settings: { application_name: "it's set", work_mem: '5MB' } });
  assert.deepEqual(await query(url, "select current_setting('work_mem') as v"), [{ v: '5MB' }]);
});

test('a setting that Postgres refuses is named in the error', async () => {
  const folder = await temporaryFolder(0o711);
  await assert.rejects(startPostgres({ folder, settings: { no_such_setting: '1' } }), {
    code: 'DATABASE_UNREACHABLE',
    message: /unrecognized configuration parameter "no_such_setting"/,
  });
});

test('a lost password is reported as an error at once', async () => {
  const folder = await temporaryFolder(0o711);
  await startPostgres({ folder });
  await rm(join(folder, '.reprise', 'password'));
  await assert.rejects(startPostgres({ folder }), { code: 'DATABASE_AUTH_FAILED', message: /\.reprise\/password/ });
});

// This matters only under root: then the data belongs to another user, who cannot enter a folder like /root.
test('a folder that the system user of Postgres cannot enter works too', async () => {
  const folder = await temporaryFolder(0o700);
  const first = await startPostgres({ folder });
  assert.equal((await placeOf(folder)) !== undefined, asRoot);
  await query(first.url, 'create table kept as select 7 as n');
  await first.stop('immediate');
  const second = await startPostgres({ folder });
  assert.deepEqual(await query(second.url, 'select n from kept'), [{ n: 7 }]);
});
