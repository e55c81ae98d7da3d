// Opening a database: each failure has its own code and says what to do. No error shows the password.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import pg from 'pg';
import { RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import { Database } from '../../runtime/store/sql/database.ts';
import { isCleanRefusal } from '../../runtime/store/sql/sqlstate.ts';
import { testStore } from '../support/store.ts';

const store = await testStore();

function altered(change: (url: URL) => void): string {
  const url = new URL(store.url);
  change(url);
  return url.href;
}

async function refusal(connectionString: string): Promise<RuntimeError> {
  try {
    await (await Database.open({ connectionString })).close();
  } catch (error) {
    assert.ok(error instanceof RuntimeError, String(error));
    return error;
  }
  return assert.fail('the database was opened');
}

/** A port that nothing listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('a missing password is reported as a refused login, and leaves no half-open session', async () => {
  const sockets = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
  const before = sockets();
  assert.equal((await refusal(altered((url) => (url.password = '')))).code, 'DATABASE_AUTH_FAILED');
  assert.ok(sockets() <= before, 'the server would wait a minute for the rest of the login, and hold up its own DDL');
});

test('a wrong password is reported as such, and the error does not contain it', async () => {
  const error = await refusal(altered((url) => (url.password = 'not-the-password')));
  assert.equal(error.code, 'DATABASE_AUTH_FAILED');
  assert.match(error.message, /refused the login.*Check user and password/);
  assert.ok(!error.message.includes('not-the-password'));
  assert.equal((error.cause as { code?: string }).code, '28P01');
});

test('an unknown user is reported as a refused login', async () => {
  assert.equal((await refusal(altered((url) => (url.username = 'nobody_here')))).code, 'DATABASE_AUTH_FAILED');
});

test('an unreachable server is reported with its address', async () => {
  const port = await freePort();
  const error = await refusal(altered((url) => (url.port = String(port))));
  assert.equal(error.code, 'DATABASE_UNREACHABLE');
  assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}/.*Check that it runs`));
  assert.ok(!error.message.includes(new URL(store.url).password));
});

test('an unknown host is reported as unreachable', async () => {
  assert.equal((await refusal('postgres://u:p@nowhere.invalid:5432/db')).code, 'DATABASE_UNREACHABLE');
});

test('a server that does not speak Postgres’ protocol is reported as unreachable', async (t) => {
  const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  assert.equal((await refusal(`postgres://u:p@127.0.0.1:${port}/db`)).code, 'DATABASE_UNREACHABLE');
});

test('a missing database is reported by name', async () => {
  const error = await refusal(altered((url) => (url.pathname = '/no_such_database')));
  assert.equal(error.code, 'DATABASE_UNREACHABLE');
  assert.match(error.message, /no_such_database.*Create it/);
});

test('an invalid Postgres URL is refused without a connection attempt', async () => {
  for (const wrong of ['', 'localhost:5432', 'mysql://u:p@localhost/db', 'postgres', 'http://localhost', 'not a url']) {
    const error = await refusal(wrong);
    assert.equal(error.code, 'INVALID_INPUT', wrong);
    assert.match(error.message, /expected postgres:\/\/user:password@host:port\/database/);
  }
});

test('a session outside the pool uses the pool’s settings, whichever way they were given', async (t) => {
  const { hostname, port, username, password, pathname } = new URL(store.url);
  const byFields = { host: hostname, port: Number(port), user: username, password, database: pathname.slice(1) };
  for (const config of [{ connectionString: store.url }, byFields]) {
    const pool = new pg.Pool({ ...config, max: 1 });
    t.after(() => pool.end());
    const database = await Database.open({ pool });
    const session = await database.dedicated('reprise of a test');
    const { rows } = await session.query(
      "select current_database() as name, current_setting('application_name') as application",
    );
    await session.end();
    assert.deepEqual(rows, [{ name: byFields.database, application: 'reprise of a test' }]);
  }
});

test('closing the database ends its own pool, but not the caller’s pool', async (t) => {
  const pool = new pg.Pool({ connectionString: store.url, max: 1 });
  t.after(() => pool.end());
  await (await Database.open({ pool })).close();
  assert.equal((await pool.query('select 1')).rowCount, 1);
  const own = await Database.open({ connectionString: store.url });
  await own.close();
  await own.close();
  await assert.rejects(own.pool.query('select 1'));
});

test('a refused statement changed nothing; after a lost session the outcome is unknown', async (t) => {
  const session = await store.session(t);
  const refused = await session.query('select 1 / 0').catch((error: unknown) => error);
  assert.equal(isCleanRefusal(refused), true);
  const { rows } = await session.query<{ pid: number }>('select pg_backend_pid() as pid');
  const cut = session.query('select pg_sleep(60)').catch((error: unknown) => error);
  await store.pool.query('select pg_terminate_backend($1)', [rows[0]!.pid]);
  assert.equal(isCleanRefusal(await cut), false);
  assert.equal(isCleanRefusal(new Error('Connection terminated unexpectedly')), false);
});
