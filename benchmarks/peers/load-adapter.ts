// Loads the adapter of a system. The peers' adapters are plain JavaScript and loaded by URL, because the peers'
// packages are not installed where the project is type-checked. For a peer, loads no code of Reprise, because W4
// includes process start.
import pg from 'pg';
import type { Adapter } from './adapter.ts';
import type { System } from './questions.ts';

export async function loadAdapter(system: System): Promise<Adapter> {
  if (system === 'reprise') return (await import('./reprise.ts')).reprise;
  const loaded = (await import(new URL(`./${system}.mjs`, import.meta.url).href)) as { adapter: Adapter };
  return loaded.adapter;
}

/** Runs the SQL that creates a system's tables, for packages that do not create their tables. */
export async function runSql(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
