// What a load costs the database: commits, WAL, and the growth of the log's table and index.
import type pg from 'pg';
import { pause } from './bench.ts';
import type { Measurement } from './question.ts';

interface Footprint {
  readonly commits: number;
  readonly walBytes: number;
  readonly tableBytes: number;
}

/** Measures the cost of `work`, which does `count` units; `unit` is the unit's name. */
export async function footprint(
  pool: pg.Pool,
  unit: string,
  count: number,
  work: () => Promise<unknown>,
): Promise<Measurement[]> {
  const before = await counters(pool);
  await work();
  await pause(1100); // a Postgres session reports its statistics about once a second
  const after = await counters(pool);
  const each = (key: keyof Footprint): readonly number[] => [(after[key] - before[key]) / count];
  return [
    { name: 'commits', unit: `a ${unit}`, values: each('commits'), better: 'lower' },
    { name: 'WAL', unit: `bytes a ${unit}`, values: each('walBytes'), better: 'lower' },
    { name: 'table and index', unit: `bytes a ${unit}`, values: each('tableBytes'), better: 'lower' },
  ];
}

async function counters(pool: pg.Pool): Promise<Footprint> {
  const { rows } = await pool.query<{ commits: string; wal: string; bytes: string }>(`select
    (select xact_commit from pg_stat_database where datname = current_database()) as commits,
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as wal,
    pg_total_relation_size('reprise.events') as bytes`);
  const row = rows[0]!;
  return { commits: Number(row.commits), walBytes: Number(row.wal), tableBytes: Number(row.bytes) };
}
