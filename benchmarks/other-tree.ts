// Checks out another commit of this repository and gives it the benchmarks of the working tree. So both trees answer
// the same questions, each with its own engine.
import { execFile } from 'node:child_process';
import { cp, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { UsageError } from './usage.ts';

const run = promisify(execFile);

/** The working tree. */
export const ownTree: string = fileURLToPath(new URL('..', import.meta.url));

/** Resolves `ref` to a commit. @throws UsageError */
export async function commitOf(ref: string): Promise<string> {
  try {
    const { stdout } = await git('rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`);
    return stdout.trim();
  } catch (cause) {
    throw new UsageError(`"${ref}" names no commit of this repository.`, { cause });
  }
}

/** Checks `commit` out into `folder`, which must not exist yet, and makes the tree ready to run. */
export async function checkOut(commit: string, folder: string, signal: AbortSignal): Promise<void> {
  await git('worktree', 'add', '--quiet', '--detach', folder, commit);
  await rm(join(folder, 'benchmarks'), { recursive: true, force: true });
  await cp(join(ownTree, 'benchmarks'), join(folder, 'benchmarks'), { recursive: true });
  const [own, other] = await Promise.all(
    [ownTree, folder].map((tree) => readFile(join(tree, 'package-lock.json'), 'utf8')),
  );
  if (own === other) await symlink(join(ownTree, 'node_modules'), join(folder, 'node_modules'));
  else await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, signal });
}

export async function removeTree(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await git('worktree', 'prune');
}

function git(...args: string[]): Promise<{ stdout: string }> {
  return run('git', args, { cwd: ownTree });
}
