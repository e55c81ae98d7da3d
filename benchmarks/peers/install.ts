// Installs the peers' packages into this folder, apart from the project's packages. Runs no install scripts, because
// the peers need only files. The install script of one of their packages reports the installation to its makers.
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** Does nothing if the installation is newer than the lock file. */
export async function installPeers(): Promise<void> {
  const installed = await changedAt('node_modules/.package-lock.json');
  const locked = await changedAt('package-lock.json');
  if (installed !== undefined && locked !== undefined && installed >= locked) return;
  console.log('Installing the peers ...');
  await promisify(execFile)('npm', ['ci', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: folder,
  });
}

async function changedAt(name: string): Promise<number | undefined> {
  try {
    return (await stat(`${folder}${name}`)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
