// The database that the questions use, with default durability, and a client of that database.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { Client, Connection } from 'reprise/client';
import { startPostgres, stopPostgres } from '../server/dev/embedded-postgres.ts';

export interface Bench {
  readonly connection: Connection;
  readonly client: Client;
  readonly pool: pg.Pool;
  stop(): Promise<void>;
}

export interface BenchPostgres {
  readonly url: string;
  stop(): Promise<void>;
}

/** A Postgres in a temporary folder; `stop` deletes its data. */
export async function startBenchPostgres(): Promise<BenchPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'reprise-bench-'));
  await chmod(folder, 0o711); // under root, the system user postgres owns the data and must be able to enter the folder
  const remove = async (): Promise<void> => {
    await stopPostgres(folder, 'immediate');
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { url } = await startPostgres({ folder });
    return { url, stop: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Uses the database of REPRISE_DATABASE_URL, or starts a Postgres. */
export async function startBench(): Promise<Bench> {
  const given = process.env['REPRISE_DATABASE_URL'];
  const own = given === undefined ? await startBenchPostgres() : undefined;
  if (own !== undefined) process.env['REPRISE_DATABASE_URL'] = own.url; // the worker processes read it
  const connection = await Connection.connect();
  return {
    connection,
    client: new Client({ connection }),
    pool: connection.database.pool,
    async stop() {
      await connection.close();
      await own?.stop();
    },
  };
}

/** The time by the database's clock, ms since 1970. Comparable with times in the log. */
export async function databaseTime(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ at: number }>(
    'select extract(epoch from clock_timestamp())::float8 * 1000 as at',
  );
  return rows[0]!.at;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
