// A temporary Postgres in a temporary folder. The cluster for ordinary tests gives up durability for speed, and
// contains a migrated template database. Tests that crash Postgres start a separate cluster with default settings.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import pg from 'pg';
import { migrate } from '../../runtime/store/sql/migrate.ts';
import { type StopMode, startPostgres, stopPostgres } from '../../server/dev/embedded-postgres.ts';

export const templateName = 'reprise_template';
const fast = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', max_connections: '300' };

export interface TestCluster {
  url: string;
  stop(): Promise<void>;
}

/** Starts a cluster with a migrated template database. */
export async function startTestCluster(): Promise<TestCluster> {
  const folder = await clusterFolder();
  const server = await startPostgres({ folder, settings: fast });
  const admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  await admin.query(`create database ${templateName}`);
  await admin.end();
  await migrateAt(databaseUrl(server.url, templateName));
  return {
    url: server.url,
    async stop() {
      await server.stop('immediate');
      await rm(folder, { recursive: true });
    },
  };
}

export interface OwnPostgres {
  /** URL of a migrated database. `start` does not change it. */
  url: string;
  folder: string;
  stop(mode: StopMode): Promise<void>;
  start(): Promise<void>;
}

/** Starts a durable Postgres that a test may crash and restart. It is stopped and deleted after the test or file. */
export async function startOwnPostgres(settings: Record<string, string> = {}): Promise<OwnPostgres> {
  const folder = await clusterFolder();
  const { url } = await startPostgres({ folder, settings });
  await migrateAt(url);
  after(async () => {
    await stopPostgres(folder, 'immediate');
    await rm(folder, { recursive: true });
  });
  return {
    url,
    folder,
    stop: (mode) => stopPostgres(folder, mode),
    async start() {
      await startPostgres({ folder, settings });
    },
  };
}

export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Creates a folder that the system user of Postgres can enter when the tests run as root. */
async function clusterFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'reprise-test-'));
  await chmod(folder, 0o711);
  return folder;
}

async function migrateAt(url: string): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  await migrate(pool);
  await pool.end();
}
