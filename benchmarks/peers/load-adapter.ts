// Finds the adapter of a system. The peers' are plain JavaScript, loaded by address: their packages are not installed
// where the project is type-checked. Nothing of Reprise is loaded for a peer: starting its process is part of W4.
import pg from 'pg';
import type { Adapter } from './adapter.ts';
import type { System } from './questions.ts';

export async function loadAdapter(system: System): Promise<Adapter> {
  if (system === 'reprise') return (await import('./reprise.ts')).reprise;
  const loaded = (await import(new URL(`./${system}.mjs`, import.meta.url).href)) as { adapter: Adapter };
  return loaded.adapter;
}

/** For adapters whose system does not bring its own tables. */
export async function runSql(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
