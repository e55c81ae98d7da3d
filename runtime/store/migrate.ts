// Brings a database's schema to this version: numbered .sql files, run by Kysely's Migrator (its lock makes two
// starters race safely). Forward only; never touches a schema that is newer than this code.
import { readdir, readFile } from 'node:fs/promises';
import { Kysely, PostgresDialect, type PostgresPool, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import type pg from 'pg';
import { RuntimeError } from '../history/runtime-error.ts';
import { sqlstate, sqlstateOf } from './sqlstate.ts';

const folder = new URL('./schema/', import.meta.url);
const migrationTable = 'migrations';

/** Names of the migrations of this version, in order. */
export async function knownMigrations(): Promise<string[]> {
  const files = await readdir(folder);
  return files
    .filter((file) => /^\d{4}_.*\.sql$/.test(file))
    .map((file) => file.slice(0, -'.sql'.length))
    .sort();
}

/** A schema name goes into statements as it is, so only plain identifiers are taken. @throws INVALID_INPUT */
export function checkSchemaName(schema: string): void {
  if (!/^[a-z_][a-z0-9_]{0,39}$/.test(schema)) {
    throw new RuntimeError(
      'INVALID_INPUT',
      `"${schema}" cannot be the name of the schema: expected lower-case letters, digits and _, at most 40.`,
    );
  }
}

/** The statements are written for the schema `reprise`; another name takes its place. */
function inSchema(text: string, schema: string): string {
  return schema === 'reprise'
    ? text
    : text
        .replaceAll(/\breprise_audit\b/g, `${schema}_audit`)
        .replaceAll(/\breprise\./g, `${schema}.`)
        .replaceAll(/\bschema reprise\b/g, `schema ${schema}`);
}

/**
 * Creates or upgrades the schema; does nothing when it is up to date.
 * @throws UNSUPPORTED_SCHEMA when the database was upgraded by a newer version.
 */
export async function migrate(pool: pg.Pool, schema = 'reprise'): Promise<void> {
  checkSchemaName(schema);
  const known = await knownMigrations();
  const applied = await appliedMigrations(pool, schema);
  refuseNewer(applied, known, schema);
  if (applied.length === known.length) return;
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: withoutEnd(pool) }) });
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => readMigrations(known, schema) },
    migrationTableSchema: schema,
    migrationTableName: migrationTable,
    migrationLockTableName: 'migration_lock',
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) {
    // Another starter may have been faster by a hair: then the work is done.
    const now = await appliedMigrations(pool, schema);
    if (now.length >= known.length) return;
    throw new RuntimeError('UNSUPPORTED_SCHEMA', `Migrating schema ${schema} failed: ${String(error)}`, {
      cause: error,
    });
  }
}

async function readMigrations(known: readonly string[], schema: string): Promise<Record<string, Migration>> {
  const migrations: Record<string, Migration> = {};
  for (const name of known) {
    const text = inSchema(await readFile(new URL(`${name}.sql`, folder), 'utf8'), schema);
    migrations[name] = {
      async up(db): Promise<void> {
        await sql.raw(text).execute(db);
      },
    };
  }
  return migrations;
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
    `Schema ${schema} was migrated by a newer version of reprise (it has ${unknown.join(', ')}, this version knows ` +
      `${known.at(-1)} as the last). Upgrade the package of this process.`,
  );
}

/** Kysely ends its pool when destroyed; ours belongs to the Connection. */
function withoutEnd(pool: pg.Pool): PostgresPool {
  return { options: pool.options, connect: () => pool.connect(), end: async () => undefined };
}
