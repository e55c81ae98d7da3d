// Installs the peers' packages into this folder, where the project does not see them. No install scripts run: what the
// peers need comes as files, and one of their packages only reports the installation to its makers.
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** Does nothing while what is installed is newer than the lock file. */
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
