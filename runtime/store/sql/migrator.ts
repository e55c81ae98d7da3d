// Runs the numbered .sql files with Kysely's Migrator, whose lock makes concurrent starts safe.
import { readFile } from 'node:fs/promises';
import { Kysely, PostgresDialect, type PostgresPool, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import type pg from 'pg';
import { migrationFolder, migrationTable } from './migration-files.ts';

/** The files name the schema `reprise`. This function replaces that name by the database's schema name. */
function inSchema(text: string, schema: string): string {
  return schema === 'reprise'
    ? text
    : text
        .replaceAll(/\breprise_audit\b/g, `${schema}_audit`)
        .replaceAll(/\breprise\./g, `${schema}.`)
        .replaceAll(/\bschema reprise\b/g, `schema ${schema}`);
}

async function readMigrations(known: readonly string[], schema: string): Promise<Record<string, Migration>> {
  const migrations: Record<string, Migration> = {};
  for (const name of known) {
    const text = inSchema(await readFile(new URL(`${name}.sql`, migrationFolder), 'utf8'), schema);
    migrations[name] = {
      async up(db): Promise<void> {
        await sql.raw(text).execute(db);
      },
    };
  }
  return migrations;
}

/**
 * A pool that Kysely cannot end: Kysely ends its pool when it is destroyed, but this pool belongs to the Connection.
 */
function withoutEnd(pool: pg.Pool): PostgresPool {
  return { options: pool.options, connect: () => pool.connect(), end: async () => undefined };
}

/**
 * Applies, in order, the migrations in `names` that the schema does not have yet. Returns the error if one fails, else
 * undefined.
 */
export async function migrateToLatest(pool: pg.Pool, schema: string, names: readonly string[]): Promise<unknown> {
  const migrator = new Migrator({
    db: new Kysely<unknown>({ dialect: new PostgresDialect({ pool: withoutEnd(pool) }) }),
    provider: { getMigrations: () => readMigrations(names, schema) },
    migrationTableSchema: schema,
    migrationTableName: migrationTable,
    migrationLockTableName: 'migration_lock',
  });
  const { error } = await migrator.migrateToLatest();
  return error;
}
