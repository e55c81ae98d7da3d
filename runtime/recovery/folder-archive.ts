// Writes the log of a run that leaves the database to a file of a folder: gzipped lines of JSON, the run first, then each
// event with all its columns. Bytes are in base64, hashes in hex, so the hash chain can be checked again.
import { createWriteStream } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { StoredEvent } from '../store/log/history.ts';
import type { Archive } from '../store/retention/prune.ts';
import type { RunRow } from '../store/runs/run-row.ts';

export class FolderArchive implements Archive {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(folder: string): Promise<FolderArchive> {
    await mkdir(folder, { recursive: true });
    return new FolderArchive(folder);
  }

  async write(run: RunRow, pages: AsyncIterable<readonly StoredEvent[]>): Promise<string> {
    const name = `${run.run_id}.jsonl.gz`;
    const file = join(this.#folder, name);
    // A file under its final name is whole, also after a crash.
    await pipeline(
      Readable.from(linesOf(run, pages)),
      createGzip(),
      createWriteStream(`${file}.part`, { flush: true }),
    );
    await rename(`${file}.part`, file);
    return name;
  }
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
