// The database that the questions use, with default durability, and a client of that database.
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { Client, Connection } from 'reprise/client';
import { startPostgres, stopPostgres } from '../server/dev/embedded-postgres.ts';

export interface Bench {
  readonly connection: Connection;
  readonly client: Client;
  readonly pool: pg.Pool;
  stop(): Promise<void>;
}

export interface BenchPostgres {
  /** `start` does not change it. */
  readonly url: string;
  /** Kills the server and all its sessions, as a crash of the machine would, but for what the disk has not written. */
  kill(): Promise<void>;
  /** Starts the killed server again. */
  start(): Promise<void>;
  /** Stops the server and deletes its data. */
  stop(): Promise<void>;
}

/** A Postgres in a temporary folder. */
export async function startBenchPostgres(): Promise<BenchPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'reprise-bench-'));
  await chmod(folder, 0o711); // under root, the system user postgres owns the data and must be able to enter the folder
  const remove = async (): Promise<void> => {
    await stopPostgres(folder, 'immediate');
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { url } = await startPostgres({ folder });
    return {
      url,
      kill: () => killPostgres(url),
      start: async () => void (await startPostgres({ folder })),
      stop: remove,
    };
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
  return openBench(own);
}

/** Asks a question that kills Postgres, on a Postgres that nobody else uses. */
export async function withOwnPostgres<T>(work: (bench: Bench, postgres: BenchPostgres) => Promise<T>): Promise<T> {
  const given = process.env['REPRISE_DATABASE_URL'];
  const postgres = await startBenchPostgres();
  process.env['REPRISE_DATABASE_URL'] = postgres.url;
  try {
    const bench = await openBench(postgres);
    try {
      return await work(bench, postgres);
    } finally {
      await bench.stop();
    }
  } finally {
    if (given === undefined) delete process.env['REPRISE_DATABASE_URL'];
    else process.env['REPRISE_DATABASE_URL'] = given;
  }
}

async function openBench(own: BenchPostgres | undefined): Promise<Bench> {
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

/** SIGKILL to the postmaster. Its sessions notice that it is gone, and end. */
async function killPostgres(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined); // the session ends with the server
  await client.connect();
  const { rows } = await client.query<{ data_directory: string }>('show data_directory');
  const pid = Number((await readFile(join(rows[0]!.data_directory, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  process.kill(pid, 'SIGKILL');
  await client.end();
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
