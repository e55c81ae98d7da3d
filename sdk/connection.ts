// A connection to the database that holds the runs: where client and worker meet.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type pg from 'pg';
import { RuntimeError } from '../runtime/history/runtime-error.ts';
import { Database } from '../runtime/store/database.ts';
import { OutcomeWatcher } from '../runtime/store/outcome-watcher.ts';
import { StartBatcher } from '../runtime/store/start-batcher.ts';

export interface ConnectionOptions {
  /** postgres://user:password@host:port/database. Default: REPRISE_DATABASE_URL, DATABASE_URL, the folder's `.reprise/`. */
  connectionString?: string;
  /** An existing pool; it stays yours, `close()` leaves it open. */
  pool?: pg.Pool;
  /** Postgres schema that holds everything; default `reprise`. */
  schema?: string;
  /** Temporal's options; accepted and ignored. */
  address?: string;
  tls?: unknown;
  apiKey?: string;
  metadata?: unknown;
  connectTimeout?: unknown;
}

export class Connection {
  readonly #database: Database;
  #starts: StartBatcher | undefined;
  #outcomes: OutcomeWatcher | undefined;

  private constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Connects and brings the schema up to date.
   * @throws RuntimeError DATABASE_UNREACHABLE, DATABASE_AUTH_FAILED, UNSUPPORTED_DATABASE, UNSUPPORTED_SCHEMA, INVALID_INPUT
   */
  static async connect(options: ConnectionOptions = {}): Promise<Connection> {
    const { pool, schema } = options;
    const given = schema === undefined ? {} : { schema };
    const database =
      pool === undefined
        ? await Database.open({ ...given, connectionString: options.connectionString ?? defaultConnectionString() })
        : await Database.open({ ...given, pool });
    return new Connection(database);
  }

  async close(): Promise<void> {
    await this.#outcomes?.close();
    await this.#database.close();
  }

  /** @internal */
  get database(): Database {
    return this.#database;
  }

  /** @internal */
  get starts(): StartBatcher {
    this.#starts ??= new StartBatcher(this.#database);
    return this.#starts;
  }

  /** @internal */
  get outcomes(): OutcomeWatcher {
    this.#outcomes ??= new OutcomeWatcher(this.#database);
    return this.#outcomes;
  }
}

/** Environment first, then the database that `reprise dev` or an example keeps in this folder or a parent. */
function defaultConnectionString(): string {
  const fromEnvironment = process.env['REPRISE_DATABASE_URL'] ?? process.env['DATABASE_URL'];
  if (fromEnvironment !== undefined && fromEnvironment !== '') return fromEnvironment;
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    const file = join(folder, '.reprise', 'connection.json');
    if (existsSync(file)) {
      const { url } = JSON.parse(readFileSync(file, 'utf8')) as { url?: string };
      if (typeof url === 'string') return url;
    }
    if (folder === dirname(folder)) break;
  }
  throw new RuntimeError(
    'DATABASE_UNREACHABLE',
    'No database was named: pass connectionString, or set REPRISE_DATABASE_URL, or start the folder’s own database (npm start).',
  );
}
