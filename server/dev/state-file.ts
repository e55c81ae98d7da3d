// Small files under .reprise/ that several processes may write at once. A reader always sees a whole file or no file.
import { randomUUID } from 'node:crypto';
import { chown, link, readFile, rename, rm, writeFile } from 'node:fs/promises';

/** Creates the file with `content` unless another process was first. Returns the file's content. */
export async function keepFile(path: string, content: string): Promise<string> {
  const fresh = `${path}.${randomUUID()}`;
  await writeFile(fresh, content, { mode: 0o600 });
  try {
    await link(fresh, path);
    return content;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return await readFile(path, 'utf8');
  } finally {
    await rm(fresh);
  }
}

/** Replaces the file. Only the file's owner can read it: the given user, or by default this process's user. */
export async function replaceFile(path: string, content: string, owner?: { uid: number; gid: number }): Promise<void> {
  const fresh = `${path}.${randomUUID()}`;
  await writeFile(fresh, content, { mode: 0o600 });
  if (owner !== undefined) await chown(fresh, owner.uid, owner.gid);
  await rename(fresh, path);
}

/** The file's text; undefined when the file does not exist. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
