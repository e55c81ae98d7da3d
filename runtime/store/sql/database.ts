// A database as the rest of the store sees it: a pool, the schema's name, and events inside this process.

// Lock order. A statement may wait for a lock only if all locks that it already holds stand further left in this list:
//
//   ready rows (by run id) -> fence -> runs (new ones by workflow id) -> activity tasks -> inbox
//
// A statement that starts further right never waits for a lock further left. Appends, parking, offers and reports lock
// a fence first. Timeouts and reapers' sweeps lock tasks first. The outbox locks its own rows first. All of these skip
// ready rows that another session holds (skip locked). Only a transaction that holds no lock waits for a ready row, at
// most lockMs of transaction.ts, or for two ready rows in the order of their ids. A reaper locks only fences, commits,
// and frees runs with a new snapshot.
import { EventEmitter } from 'node:events';
import pg from 'pg';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import type { CheckpointFault } from '../../core/recovery/checkpoint.ts';
import { checkSchemaName, migrate } from './migrate.ts';
import { Notifier } from './notifier.ts';
import { inspectSession, losesStatements } from './pooler.ts';
import { connectError, isStalePlan } from './sqlstate.ts';
import type { NewRun } from '../runs/start-run.ts';

/** Events inside one process, so that its clients and workers need not communicate through the database. */
export interface LocalEvents {
  /** A run has closed. `outcome` holds what its last event says. */
  closed: [runId: string, outcome: ClosedOutcome];
  /** A checkpoint was damaged or did not belong to its log, so a reader passed it over. */
  checkpointRejected: [fault: CheckpointFault];
}
export interface ClosedOutcome {
  readonly type: string;
  readonly payload: Uint8Array | null;
  readonly reason: string | null;
  /** Id of the successor, if there is one. */
  readonly next?: string;
  /** Set for a run with a retry policy that failed or timed out. */
  readonly retryState?: string;
}

/** A worker of this process, as clients of the same process see it. */
export interface LocalWorker {
  /** A run became claimable. */
  wake(): void;
  /**
   * Starts runs that this worker owns from the start, so that no claim is needed. Returns the ids of the runs that were
   * started. Undefined when the worker has no room, or is starting other runs.
   */
  start(runs: readonly NewRun[]): Promise<Set<string>> | undefined;
}

const oldestVersion = 140_000;
/** Number of connections of a pool, which opens them on demand and closes those that are idle for 10 s. */
const poolMax = 10;
/** Number of connections for starts: two statements under way, and statements that wait for other transactions. */
const starterCount = 10;

export class Database {
  /** Serves the calls of clients. On the database of workers (`forWorkers`), it serves the workers' statements. */
  readonly pool: pg.Pool;
  readonly schema: string;
  readonly local: EventEmitter<LocalEvents>;
  readonly notifier: Notifier;
  /** Workers of this process by queue. A run that is started for one of these workers needs no notice to other processes. */
  readonly localWorkers: Map<string, Set<LocalWorker>>;
  #starters: pg.Pool | undefined;
  #forWorkers: Database | undefined;
  readonly #config: pg.ClientConfig | undefined;
  readonly #ownPool: boolean;

  private constructor(pool: pg.Pool, schema: string, config: pg.ClientConfig | undefined, client?: Database) {
    this.pool = pool;
    this.schema = schema;
    this.#config = config;
    this.#ownPool = config !== undefined;
    this.local = client?.local ?? new EventEmitter<LocalEvents>().setMaxListeners(0);
    this.localWorkers = client?.localWorkers ?? new Map();
    this.notifier = new Notifier(this);
  }

  /**
   * Connects, checks the server's version and migrates the schema when it is older than this code.
   * @throws DATABASE_UNREACHABLE, DATABASE_AUTH_FAILED, UNSUPPORTED_DATABASE, UNSUPPORTED_SCHEMA, POOLER_UNSUPPORTED
   */
  static async open(options: { connectionString?: string; pool?: pg.Pool; schema?: string }): Promise<Database> {
    const schema = options.schema ?? 'reprise';
    checkSchemaName(schema);
    const config = options.pool === undefined ? clientConfig(options.connectionString) : undefined;
    const pool = options.pool ?? ownPool({ ...config, max: poolMax });
    // A broken session must not end the process. The code that uses the session gets the error from its next query.
    if (options.pool !== undefined) pool.on('connect', (client) => client.on('error', () => undefined));
    const database = new Database(pool, schema, config);
    try {
      await database.#checkServer();
      await migrate(pool, schema);
    } catch (error) {
      await database.close();
      throw error;
    }
    return database;
  }

  /**
   * The same database for the workers of this process, with a pool of its own. Clients that wait for a row then cannot
   * keep a worker from polling, reporting and releasing. It is closed together with this database.
   */
  get forWorkers(): Database {
    if (this.#forWorkers === undefined) {
      const config = this.#settings('reprise worker');
      this.#forWorkers = new Database(ownPool({ ...config, max: poolMax }), this.schema, config, this);
    }
    return this.#forWorkers;
  }

  /** Connections for starts. They are pipelined, so a start's notice is sent without waiting for the start's answer. */
  get starters(): pg.Pool {
    this.#starters ??= ownPool({ ...this.#settings('reprise starter'), pipeline: true, max: starterCount });
    return this.#starters;
  }

  #settings(name: string): pg.ClientConfig {
    const config = this.#config ?? this.pool.options;
    // A pool's password is not enumerable, so it is copied by name.
    const { password } = config;
    return { ...config, ...(password === undefined ? {} : { password }), application_name: name };
  }

  /**
   * A connection outside the pool, for sessions that listen, hold the advisory lock of a worker, or write the log.
   * `pipeline`: sends statements without waiting for earlier answers, each in a transaction of its own. The connection
   * ends when one of its prepared statements no longer matches its tables.
   */
  async dedicated(name: string, options: { pipeline?: boolean } = {}): Promise<pg.Client> {
    const client = new pg.Client({ ...this.#settings(name), ...options });
    // The caller listens for the session's end. Until then an error must not end the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
    } catch (error) {
      // A failed login leaves its socket open, and the server would wait a minute for the rest of the login.
      await client.end();
      throw error;
    }
    const { connection } = client as pg.Client & { readonly connection: EventEmitter };
    connection.on('errorMessage', (error) => {
      if (isStalePlan(error)) void client.end();
    });
    return client;
  }

  async close(): Promise<void> {
    await this.#forWorkers?.close();
    await this.#starters?.end();
    this.#starters = undefined;
    if (this.#ownPool && !this.pool.ended) await this.pool.end();
  }

  async #checkServer(): Promise<void> {
    const target = describeTarget(this.#config ?? this.pool.options);
    let version: number;
    let losesPrepared: boolean;
    try {
      // A pool does not close the socket of a failed login, so the first login uses a connection of its own.
      const session = await this.dedicated('reprise');
      try {
        const { version: number, isPooled } = await inspectSession(session);
        version = number;
        losesPrepared = isPooled && (await this.#losesStatements(session));
      } finally {
        await session.end();
      }
    } catch (error) {
      throw connectError(error, target);
    }
    if (version < oldestVersion) {
      throw new RuntimeError(
        'UNSUPPORTED_DATABASE',
        `This Postgres is version ${Math.floor(version / 10_000)}; reprise needs 14 or later.`,
      );
    }
    if (losesPrepared) {
      throw new RuntimeError(
        'POOLER_UNSUPPORTED',
        `A pooler at ${target} gives each transaction another server session and does not support prepared statements, which reprise always uses. Connect to Postgres directly, or use PgBouncer 1.21 or later with max_prepared_statements above 0, or pool_mode = session.`,
      );
    }
  }

  async #losesStatements(session: pg.ClientBase): Promise<boolean> {
    const other = await this.dedicated('reprise');
    try {
      return await losesStatements(session, other);
    } finally {
      await other.end();
    }
  }
}

function ownPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config);
  // Idle clients report a lost server here. The next user of the pool gets the error from its own query.
  pool.on('error', () => undefined);
  // A broken session must not end the process. The code that uses the session gets the error from its next query.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

function clientConfig(connectionString: string | undefined): pg.ClientConfig {
  if (connectionString === undefined) return {};
  if (!URL.canParse(connectionString) || !/^postgres(ql)?:$/.test(new URL(connectionString).protocol)) {
    throw new RuntimeError(
      'INVALID_INPUT',
      'connectionString is not a Postgres URL: expected postgres://user:password@host:port/database.',
    );
  }
  return { connectionString, keepAlive: true };
}

/** Where a connection goes, without its password. */
export function describeTarget(config: pg.ClientConfig): string {
  if (config.connectionString !== undefined) {
    const url = new URL(config.connectionString);
    return `${url.hostname}:${url.port || 5432}${url.pathname}`;
  }
  return `${config.host ?? 'localhost'}:${config.port ?? 5432}/${config.database ?? ''}`;
}
