// Workflow bundles in the database, one row for each hash, and which of them worked on a run last. A run records only
// the epoch of its worker, which knows its bundle: that takes 4 bytes instead of 64. Bundles are never changed.
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Database } from '../sql/database.ts';

const pack = promisify(gzip);
const unpack = promisify(gunzip);

/** Stores a bundle unless the database has it. `text` returns its JSON text. */
export async function storeBundle({ pool, schema }: Database, hash: string, text: () => string): Promise<void> {
  const { rowCount } = await pool.query(`select from ${schema}.bundles where hash = $1`, [hash]);
  if (rowCount !== 0) return;
  await pool.query(`insert into ${schema}.bundles (hash, content) values ($1, $2) on conflict (hash) do nothing`, [
    hash,
    await pack(text()),
  ]);
}

/** JSON text of a bundle; undefined when the database does not have it. */
export async function readBundle({ pool, schema }: Database, hash: string): Promise<string | undefined> {
  const { rows } = await pool.query<{ content: Buffer }>(`select content from ${schema}.bundles where hash = $1`, [
    hash,
  ]);
  return rows[0] === undefined ? undefined : (await unpack(rows[0].content)).toString('utf8');
}

/**
 * Hash of the bundle that worked on a run last: of its owner, or of the worker that released, lost or closed it. A fork
 * that no worker has had yet has the bundle of its origin. Undefined when no worker with workflow code has had the run.
 */
export async function readRecordedBundle(database: Database, runId: string): Promise<string | undefined> {
  const { pool, schema } = database;
  const { rows } = await pool.query<{ bundle_hash: string | null; forked_from: string | null }>(
    `select w.bundle_hash, r.forked_from from ${schema}.runs r left join ${schema}.ready o using (run_id)
     left join ${schema}.workers w on w.epoch = coalesce(r.worker, o.owner, o.lost, o.worker) where r.run_id = $1`,
    [runId],
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  if (row.bundle_hash !== null) return row.bundle_hash;
  return row.forked_from === null ? undefined : readRecordedBundle(database, row.forked_from);
}
