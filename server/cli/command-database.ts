// Finds the database of a command: REPRISE_DATABASE_URL, DATABASE_URL, or the Postgres in .reprise/ of this folder or
// the nearest parent folder. If that Postgres is stopped, it is started for the command. Never creates a database.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import { type EmbeddedPostgres, startPostgres } from '../dev/embedded-postgres.ts';

/**
 * Runs `action` with the database's URL. If it started a Postgres, stops it afterwards unless other sessions use it.
 */
export async function withDatabase<T>(action: (url: string) => Promise<T>): Promise<T> {
  const given = process.env['REPRISE_DATABASE_URL'] ?? process.env['DATABASE_URL'];
  if (given !== undefined) return await action(given);
  const folder = nearestFolder(process.cwd());
  if (folder === undefined) {
    throw new RuntimeError(
      'DATABASE_UNREACHABLE',
      'No database: neither REPRISE_DATABASE_URL nor DATABASE_URL is set, and neither this folder nor a parent has a .reprise/ ' +
        'with one. Set REPRISE_DATABASE_URL, or run this command in the folder of your program.',
    );
  }
  const server = await startPostgres({ folder });
  const interrupt = (): void => void stopUnlessUsed(server).finally(() => process.exit(130));
  process.once('SIGINT', interrupt);
  try {
    return await action(server.url);
  } finally {
    process.off('SIGINT', interrupt);
    await stopUnlessUsed(server);
  }
}

function nearestFolder(start: string): string | undefined {
  for (let folder = resolve(start); ; folder = dirname(folder)) {
    if (existsSync(join(folder, '.reprise', 'password'))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

async function stopUnlessUsed(server: EmbeddedPostgres): Promise<void> {
  if (!server.startedHere) return;
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  let others = 1;
  // Sessions that this command has ended stay in pg_stat_activity for some milliseconds.
  for (let look = 0; look < 10 && others > 0; look += 1) {
    if (look > 0) await sleep(30);
    const { rows } = await client.query<{ others: number }>(
      `select count(*)::int as others from pg_stat_activity
       where backend_type = 'client backend' and pid <> pg_backend_pid()`,
    );
    others = rows[0]?.others ?? 0;
  }
  await client.end();
  if (others === 0) await server.stop('fast');
}
