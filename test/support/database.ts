// A fresh migrated database for a test file or test. It is cloned from the template of the cluster that `npm test`
// started, or of a cluster of this process when a single file runs by hand.
import { randomBytes } from 'node:crypto';
import { after } from 'node:test';
import pg from 'pg';
import { databaseUrl, startTestCluster, templateName } from './cluster.ts';

export interface TestDatabase {
  url: string;
  /** Ended by `drop`. */
  pool: pg.Pool;
  /** Called automatically when the test (given as `t`) or the file ends. Ends all other sessions of the database. */
  drop(): Promise<void>;
}

let cluster: Promise<string> | undefined;

/** Inside a test pass its context; at the top of a file pass nothing. */
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
  // Not a hook of node:test: inside a test, the hook would stop the cluster before the next test.
  process.once('beforeExit', () => void own.stop());
  return own.url;
}

async function adminQuery(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(text);
  await client.end();
}
