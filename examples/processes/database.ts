// The database of an example: that of REPRISE_DATABASE_URL, or a Postgres in `.reprise/` of the current folder.
import { startPostgres } from 'reprise/server';

export interface ExampleDatabase {
  readonly url: string;
  /** Stops the Postgres if this program started it. */
  stop(): Promise<void>;
}

export async function openDatabase(): Promise<ExampleDatabase> {
  const url = process.env['REPRISE_DATABASE_URL'];
  if (url !== undefined) return { url, stop: async () => {} };
  const postgres = await startPostgres({ folder: process.cwd() });
  return { url: postgres.url, stop: async () => (postgres.startedHere ? postgres.stop() : undefined) };
}
