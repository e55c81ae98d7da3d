// Upgrades a database's schema to this version. Forward only; never touches a schema that is newer than this code.
import { knownMigrations, migrationTable } from './migration-files.ts';
import type pg from 'pg';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { sqlstate, sqlstateOf } from './sqlstate.ts';

/** The schema's name becomes part of SQL statements, so only plain identifiers are allowed. @throws INVALID_INPUT */
export function checkSchemaName(schema: string): void {
  if (!/^[a-z_][a-z0-9_]{0,39}$/.test(schema)) {
    throw new RuntimeError(
      'INVALID_INPUT',
      `"${schema}" cannot be the name of the schema: expected lower-case letters, digits and _, at most 40, not starting with a digit.`,
    );
  }
}

/**
 * Creates or upgrades the schema. Does nothing when the schema is up to date.
 * @throws UNSUPPORTED_SCHEMA when the database was upgraded by a newer version.
 */
export async function migrate(pool: pg.Pool, schema = 'reprise'): Promise<void> {
  checkSchemaName(schema);
  const known = await knownMigrations();
  const applied = await appliedMigrations(pool, schema);
  refuseNewer(applied, known, schema);
  if (applied.length === known.length) return;
  // Kysely loads 250 files, so it is imported only when there is a migration to apply.
  const { migrateToLatest } = await import('./migrator.ts');
  const error = await migrateToLatest(pool, schema, known);
  if (error !== undefined) {
    // If another process has migrated at the same time, the work is done.
    const now = await appliedMigrations(pool, schema);
    if (now.length >= known.length) return;
    throw new RuntimeError('UNSUPPORTED_SCHEMA', `Migrating schema ${schema} failed: ${String(error)}`, {
      cause: error,
    });
  }
}

async function appliedMigrations(pool: pg.Pool, schema: string): Promise<string[]> {
  try {
    const { rows } = await pool.query<{ name: string }>(`select name from ${schema}.${migrationTable} order by name`);
    return rows.map((row) => row.name);
  } catch (error) {
    if (sqlstateOf(error) === sqlstate.undefinedTable) return [];
    throw error;
  }
}

function refuseNewer(applied: readonly string[], known: readonly string[], schema: string): void {
  const unknown = applied.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new RuntimeError(
    'UNSUPPORTED_SCHEMA',
    `A newer version of reprise has migrated schema ${schema}: it has ${unknown.join(', ')}, this version knows up to ` +
      `${known.at(-1)}. Upgrade the package of this process.`,
  );
}
