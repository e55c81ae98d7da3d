// Loads the adapter of a system. The peers' adapters are plain JavaScript, loaded by URL, because their packages are not
// installed where the project is type-checked. Loads nothing of Reprise for a peer, because process start is part of W4.
import pg from 'pg';
import type { Adapter } from './adapter.ts';
import type { System } from './questions.ts';

export async function loadAdapter(system: System): Promise<Adapter> {
  if (system === 'reprise') return (await import('./reprise.ts')).reprise;
  const loaded = (await import(new URL(`./${system}.mjs`, import.meta.url).href)) as { adapter: Adapter };
  return loaded.adapter;
}

/** For systems whose package does not create its tables. */
export async function runSql(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
