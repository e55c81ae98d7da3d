// What the benchmarks share: a Postgres with default durability, worker processes, medians, figures from SQL.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { Client, Connection } from 'reprise/client';
import { startPostgres } from '../server/embedded-postgres.ts';

/** 207 bytes as JSON, as in the peers' measurements. */
export const payload: unknown = {
  id: 'a3f1c2d4-0000-4000-8000-000000000001',
  kind: 'benchmark',
  text: 'x'.repeat(127),
};

export interface Bench {
  readonly connection: Connection;
  readonly client: Client;
  readonly pool: pg.Pool;
  stop(): Promise<void>;
}

/** Uses REPRISE_DATABASE_URL, else a Postgres of its own in a temporary folder. */
export async function startBench(): Promise<Bench> {
  let stop = async (): Promise<void> => undefined;
  if (process.env['REPRISE_DATABASE_URL'] === undefined) {
    const folder = await mkdtemp(join(tmpdir(), 'reprise-bench-'));
    const postgres = await startPostgres({ folder });
    process.env['REPRISE_DATABASE_URL'] = postgres.url;
    stop = () => postgres.stop();
  }
  const connection = await Connection.connect();
  const { pool } = connection.database;
  return {
    connection,
    client: new Client({ connection }),
    pool,
    async stop() {
      await connection.close();
      await stop();
    },
  };
}

export async function startWorkerProcess(taskQueue: string): Promise<ChildProcess> {
  const child = fork(new URL('./worker-process.ts', import.meta.url), [taskQueue], { stdio: 'inherit' });
  await once(child, 'message');
  return child;
}

export async function stopProcess(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}

/** Does `count` times `work` with `inFlight` at once. */
export async function inFlight(count: number, limit: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(limit, count) }, async () => {
      while (next < count) await work(next++);
    }),
  );
}

export interface Footprint {
  readonly commits: number;
  readonly walBytes: number;
  readonly tableBytes: number;
}

/** Commits, WAL and table growth that `work` causes. */
export async function footprint(pool: pg.Pool, work: () => Promise<void>): Promise<Footprint> {
  const before = await counters(pool);
  await work();
  await new Promise((resolve) => setTimeout(resolve, 1100)); // statistics of a session are reported about once a second
  const after = await counters(pool);
  return {
    commits: after.commits - before.commits,
    walBytes: after.walBytes - before.walBytes,
    tableBytes: after.tableBytes - before.tableBytes,
  };
}

async function counters(pool: pg.Pool): Promise<Footprint> {
  const { rows } = await pool.query<{ commits: string; wal: string; bytes: string }>(`select
    (select xact_commit from pg_stat_database where datname = current_database()) as commits,
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as wal,
    pg_total_relation_size('reprise.events') as bytes`);
  const row = rows[0]!;
  return { commits: Number(row.commits), walBytes: Number(row.wal), tableBytes: Number(row.bytes) };
}

export function report(name: string, text: string): void {
  console.log(`${name.padEnd(52)} ${text}`);
}
