// A database as the rest of the store sees it: a pool, the schema's name, and where messages inside this process go.

// Lock order. A statement may wait for a lock only while all that it holds stands to the left of it:
//
//   ready rows (by run id) -> fence -> runs (new ones by workflow id) -> activity tasks -> inbox
//
// A statement that has to begin further right never waits for what stands to the left: appends, parking, offers and
// reports hold a fence first, timeouts and reapers' sweeps tasks, the outbox its own rows, and all of these pass over ready
// rows that somebody holds (skip locked). Only a transaction that holds nothing waits for a ready row, for lockMs of
// transaction.ts, or for two in the order of their ids. A reaper locks fences alone, commits, and frees runs with a new
// snapshot.
import { EventEmitter } from 'node:events';
import pg from 'pg';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { checkSchemaName, migrate } from './migrate.ts';
import { Notifier } from './notifier.ts';
import { inspectSession, losesStatements } from './pooler.ts';
import { connectError, isStalePlan } from './sqlstate.ts';
import type { NewRun } from '../runs/start-run.ts';

/** What happens inside one process, so that client and worker in it need not go through the database. */
export interface LocalEvents {
  /** A run was closed; `type` is its last event's. */
  closed: [runId: string, outcome: ClosedOutcome];
}
export interface ClosedOutcome {
  readonly type: string;
  readonly payload: Uint8Array | null;
  readonly reason: string | null;
  /** The run that it continued as, or that follows it. */
  readonly next?: string;
  /** Of one that failed or timed out, with a retry policy. */
  readonly retryState?: string;
}

/** A worker of this process, as clients of the same process see it. */
export interface LocalWorker {
  /** A run became claimable. */
  wake(): void;
  /**
   * Starts runs that this worker owns from the first moment, so that nobody has to find them; returns the ids of those
   * that were started. Undefined when it has no room, or starts others just now.
   */
  start(runs: readonly NewRun[]): Promise<Set<string>> | undefined;
}

const oldestVersion = 140_000;
/** Connections of a pool; it opens them when they are needed and closes those that are idle for 10 s. */
const poolMax = 10;
/** Connections for starts: two statements under way, and those that wait for somebody's transaction. */
const starterCount = 10;

export class Database {
  /** For calls of clients, on a worker's database (`forWorkers`) for the statements of workers. */
  readonly pool: pg.Pool;
  readonly schema: string;
  readonly local: EventEmitter<LocalEvents>;
  readonly notifier: Notifier;
  /** Workers of this process by queue: a start needs no notice to other processes then. */
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
    // A session that breaks while it is lent out tells nobody but itself: its borrower learns of it by its next query.
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
   * The same database for the workers of this process: with a pool of its own, so that calls of clients that wait for a row
   * cannot keep a worker from looking around, reporting and freeing. Closed with this one.
   */
  get forWorkers(): Database {
    if (this.#forWorkers === undefined) {
      const config = this.#settings('reprise worker');
      this.#forWorkers = new Database(ownPool({ ...config, max: poolMax }), this.schema, config, this);
    }
    return this.#forWorkers;
  }

  /** Connections for starts, pipelined: the notice follows its start without waiting for the answer. */
  get starters(): pg.Pool {
    this.#starters ??= ownPool({ ...this.#settings('reprise starter'), pipeline: true, max: starterCount });
    return this.#starters;
  }

  #settings(name: string): pg.ClientConfig {
    const config = this.#config ?? this.pool.options;
    // A pool hides its password from being enumerated, so it is named.
    const { password } = config;
    return { ...config, ...(password === undefined ? {} : { password }), application_name: name };
  }

  /**
   * A connection of its own, outside the pool: for sessions that listen, hold a sign of life, or write the log.
   * `pipeline`: statements are sent without waiting for the answers of those before, each a transaction of its own.
   * It ends by itself when one of its prepared statements no longer fits its tables.
   */
  async dedicated(name: string, options: { pipeline?: boolean } = {}): Promise<pg.Client> {
    const client = new pg.Client({ ...this.#settings(name), ...options });
    // Whoever uses the session listens for its end; until then a break must not end the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
    } catch (error) {
      // A login that fails on our side leaves its socket open, and the server would wait a minute for the rest of it.
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
      // A pool would not close the socket of a failed login, so the first one is tried apart.
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
        `A pooler at ${target} gives each transaction another server session and does not know prepared statements, which reprise uses throughout. Connect to Postgres directly, or use PgBouncer 1.21 or later with max_prepared_statements above 0, or pool_mode = session.`,
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
  // Idle clients report a lost server here; whoever needs one next gets the error from its own query.
  pool.on('error', () => undefined);
  // A session that breaks while it is lent out tells nobody but itself: its borrower learns of it by its next query.
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
