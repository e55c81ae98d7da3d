// Writes the log of a run that leaves the database to a file of a folder: gzipped lines of JSON, the run first, then each
// event with all its columns. Bytes are in base64, hashes in hex, so the hash chain can be checked again.
import { createWriteStream } from 'node:fs';
import { access, constants, mkdir, rename, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { RuntimeError } from '../core/failure/runtime-error.ts';
import type { StoredEvent } from '../store/log/history.ts';
import type { Archive } from '../store/retention/prune.ts';
import type { RunRow } from '../store/runs/run-row.ts';

export class FolderArchive implements Archive {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws INVALID_INPUT when the folder cannot be made or written to */
  static async open(folder: string): Promise<FolderArchive> {
    try {
      await makeFolder(resolve(folder));
      await access(folder, constants.W_OK | constants.X_OK);
    } catch (cause) {
      throw unusable(folder, cause);
    }
    return new FolderArchive(folder);
  }

  async write(run: RunRow, pages: AsyncIterable<readonly StoredEvent[]>): Promise<string> {
    const name = `${run.run_id}.jsonl.gz`;
    const file = join(this.#folder, name);
    // A file under its final name is whole, also after a crash.
    try {
      await pipeline(
        Readable.from(linesOf(run, pages)),
        createGzip(),
        createWriteStream(`${file}.part`, { flush: true }),
      );
      await rename(`${file}.part`, file);
    } catch (error) {
      throw error instanceof Error && 'path' in error ? unusable(this.#folder, error) : error;
    }
    return name;
  }
}

/** The recursive `mkdir` of Node never ends where a folder of the kernel, such as /proc, refuses new ones. */
async function makeFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found?.isDirectory() === true) return;
  if (found !== undefined) throw new Error('it is not a folder');
  if (dirname(folder) !== folder) await makeFolder(dirname(folder));
  await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error; // another prune has made it
  });
}

function unusable(folder: string, cause: unknown): RuntimeError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new RuntimeError(
    'INVALID_INPUT',
    `The archive folder ${folder} cannot be used: ${why}. Expected a folder that this process may write to. No run left ` +
      'without its archive.',
    { cause },
  );
}

async function* linesOf(run: RunRow, pages: AsyncIterable<readonly StoredEvent[]>): AsyncGenerator<string> {
  const { final_hash: hash, ...row } = run;
  yield `${JSON.stringify({ format: 'reprise-archive-1', run: { ...row, final_hash: hash?.toString('hex') ?? null } })}\n`;
  for await (const page of pages) yield page.map(lineOf).join('');
}

function lineOf({ runId: _, payload, hash, ...event }: StoredEvent): string {
  const bytes = payload === null ? null : Buffer.from(payload).toString('base64');
  return `${JSON.stringify({ ...event, payload: bytes, hash: hash === null ? null : Buffer.from(hash).toString('hex') })}\n`;
}
