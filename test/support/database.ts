// A new migrated database for a test file or a test. It is cloned from the template database of the cluster that `npm
// test` started. When a single file runs by hand, this process starts the cluster.
import { randomBytes } from 'node:crypto';
import { after } from 'node:test';
import pg from 'pg';
import { databaseUrl, startTestCluster, templateName } from './cluster.ts';

export interface TestDatabase {
  url: string;
  /** `drop` ends the pool. */
  pool: pg.Pool;
  /** Drops the database and ends its sessions. Called automatically at the end of the test `t` or the file. */
  drop(): Promise<void>;
}

let cluster: Promise<string> | undefined;

/** Inside a test, pass the test's context. At the top of a file, pass nothing. */
export async function testDatabase(t?: { after(fn: () => Promise<void>): void }): Promise<TestDatabase> {
  cluster ??= clusterUrl();
  const server = await cluster;
  const name = `test_${randomBytes(6).toString('hex')}`;
  await adminQuery(server, `create database ${name} template ${templateName}`);
  const url = databaseUrl(server, name);
  const pool = new pg.Pool({ connectionString: url });
  pool.on('error', () => undefined); // dropping the database may end its sessions
  let dropped: Promise<void> | undefined;
  const drop = (): Promise<void> => {
    dropped ??= pool.end().then(() => adminQuery(server, `drop database ${name} with (force)`));
    return dropped;
  };
  if (t === undefined) after(drop);
  else t.after(drop);
  return { url, pool, drop };
}

async function clusterUrl(): Promise<string> {
  const given = process.env['REPRISE_TEST_CLUSTER'];
  if (given !== undefined) return given;
  const own = await startTestCluster();
  // Not a hook of node:test, because a hook that is set inside a test would stop the cluster before the next test.
  process.once('beforeExit', () => void own.stop());
  return own.url;
}

async function adminQuery(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(text);
  await client.end();
}
