// The numbered .sql files that make the schema: their folder and their names.
import { readdir } from 'node:fs/promises';

export const migrationFolder: URL = new URL('../schema/', import.meta.url);
/** The table that lists the applied migrations. */
export const migrationTable = 'migrations';

/** Names of the migrations of this version, in order. */
export async function knownMigrations(): Promise<string[]> {
  const files = await readdir(migrationFolder);
  return files
    .filter((file) => /^\d{4}_.*\.sql$/.test(file))
    .map((file) => file.slice(0, -'.sql'.length))
    .sort();
}
