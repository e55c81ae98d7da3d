// Sessions, incarnations, runs and turns for tests of the store, and functions that interleave statements: a test
// starts a statement and continues as soon as Postgres reports that the statement waits for a lock. Never waits for a
// fixed time.
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { after } from 'node:test';
import pg from 'pg';
import { newEvent } from '../../runtime/core/log/new-event.ts';
import type { NewEvent, EventType, HistoryEvent, Micros } from '../../runtime/core/log/event.ts';
import { turnHash } from '../../runtime/core/log/hash-chain.ts';
import type { RunStatus } from '../../runtime/core/log/transition.ts';
import { LogWriter, type Turn } from '../../runtime/store/log/append.ts';
import type { Fence } from '../../runtime/store/ownership/fence.ts';
import { Database } from '../../runtime/store/sql/database.ts';
import { readHistory, type StoredEvent } from '../../runtime/store/log/history.ts';
import { register } from '../../runtime/store/ownership/lease.ts';
import { newRunId, runIdBytes } from '../../runtime/store/runs/run-id.ts';
import { type NewRun, startRuns } from '../../runtime/store/runs/start-run.ts';
import { isLockTimeout } from '../../runtime/store/sql/sqlstate.ts';
import { testDatabase } from './database.ts';

/** Registers clean-up functions: the context of a test. */
export interface Scope {
  after(fn: () => Promise<void>): void;
}

export interface TestStore {
  readonly url: string;
  readonly database: Database;
  /** Separate from the store's pool, so that a test can query while all of the store's sessions wait. */
  readonly pool: pg.Pool;
  /** Opens a separate session. A statement that waits longer than `lockTimeout` for a lock fails, so no test hangs. */
  session(t: Scope, lockTimeout?: string): Promise<pg.Client>;
}

/** Inside a test, pass the test's context. At the top of a file, pass nothing. */
export async function testStore(t?: Scope): Promise<TestStore> {
  let close = async (): Promise<void> => undefined;
  // Hooks run in the order in which they are set, and the sessions must end before their database is dropped.
  if (t === undefined) after(() => close());
  else t.after(() => close());
  const { url, pool } = await testDatabase(t);
  // The database may be dropped before the last idle session has disconnected.
  pool.on('error', () => undefined);
  const database = await Database.open({ connectionString: url });
  close = () => database.close();
  return {
    url,
    database,
    pool,
    async session(scope, lockTimeout = '20s') {
      const client = await openSession(scope, url);
      await client.query("select set_config('lock_timeout', $1, false)", [lockTimeout]);
      return client;
    },
  };
}

/** Opens a session. If the server ends the session, the test does not fail. */
export async function openSession(t: Scope, connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => undefined);
  await client.connect();
  t.after(() => client.end());
  return client;
}

export interface Incarnation extends Fence {
  /** The session that sends heartbeats. */
  readonly heart: pg.Client;
  /** The session that claims and parks runs. */
  readonly control: pg.Client;
  readonly writers: readonly LogWriter[];
  readonly writer: LogWriter;
}

/** Repeats `work` while it gives up on a locked row, as clients do. */
export async function patiently<T>(work: (isRepeated: boolean) => Promise<T>): Promise<T> {
  for (let isRepeated = false; ; isRepeated = true) {
    try {
      return await work(isRepeated);
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
    }
  }
}

/**
 * Creates a trigger that stops a transaction at `event` ('delete on reprise.inbox'), without a lock that the
 * transaction could give up on. `entered` resolves when a transaction waits there; `open` releases it.
 */
export async function gate(
  { pool }: Pick<TestStore, 'pool'>,
  event: string,
): Promise<{ entered(): Promise<void>; open(): Promise<void> }> {
  await pool.query(`create table gate (); create function gated() returns trigger language plpgsql as $$ begin
    while not exists (select from gate) loop perform pg_sleep(0.005); end loop;
    if tg_op = 'DELETE' then return old; end if; return new; end $$;
    create trigger gated before ${event} for each row execute function gated()`);
  return {
    async entered() {
      const sleeping = "datname = current_database() and wait_event = 'PgSleep'";
      while ((await pool.query(`select from pg_stat_activity where ${sleeping}`)).rowCount === 0);
    },
    async open() {
      await pool.query('insert into gate default values');
    },
  };
}

/** Registers an incarnation and opens its sessions, without a worker. */
export async function incarnation(
  store: TestStore,
  t: Scope,
  options: { writers?: number; leaseMs?: number; queue?: string; lockTimeout?: string } = {},
): Promise<Incarnation> {
  const sessions: pg.Client[] = [];
  for (let i = 0; i < 2 + (options.writers ?? 1); i += 1) sessions.push(await store.session(t, options.lockTimeout));
  const [heart, control, ...appending] = sessions as [pg.Client, pg.Client, ...pg.Client[]];
  const { schema } = store.database;
  const epoch = await register(heart, schema, {
    identity: 'test',
    queue: options.queue ?? 'default/test',
    bundleHash: 'none',
    leaseMs: options.leaseMs ?? 60_000,
    backendPids: await Promise.all([control, ...appending].map(backendPid)),
  });
  const writers = await Promise.all(appending.map((client, i) => LogWriter.open(client, schema, epoch, i + 1)));
  return { epoch, slot: 0, heart, control, writers, writer: writers[0]! };
}

export async function backendPid(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]!.pid;
}

export function newRun(columns: Partial<NewRun> = {}): NewRun {
  const runId = columns.runId ?? newRunId();
  return {
    runId,
    namespace: 'default',
    workflowId: `workflow ${runId}`,
    workflowType: 'demo',
    taskQueue: 'test',
    queue: 'default/test',
    properties: null,
    args: new Uint8Array([0x90]),
    meta: '{}',
    ...columns,
  };
}

/** Starts runs and assigns them to `owner`, if given. Returns their ids. */
export async function startedRuns(
  store: TestStore,
  count: number,
  columns: Partial<NewRun> & { owner?: Fence } = {},
): Promise<string[]> {
  const { owner, ...rest } = columns;
  const runs = Array.from({ length: count }, () => newRun(rest));
  const ids = [...(await startRuns(store.database.pool, store.database.schema, runs))].sort();
  assert.equal(ids.length, count);
  if (owner !== undefined) {
    await store.pool.query('update reprise.ready set owner = $2 where run_id = any($1)', [ids, owner.epoch]);
  }
  return ids;
}

export async function startedRun(store: TestStore, columns: Partial<NewRun> & { owner?: Fence } = {}): Promise<string> {
  const [id] = await startedRuns(store, 1, columns);
  return id!;
}

/** Contents of a turn. The turn's seqs follow `after`. Default: 1, the seq of WorkflowStarted. */
export interface TurnPlan {
  readonly runId: string;
  readonly after?: number;
  readonly newEvents?: readonly (EventType | NewEvent)[];
  readonly at?: Micros;
  readonly consumed?: readonly number[];
  readonly close?: { readonly status: RunStatus; readonly mail: number };
  /** Hash of the previous turn. `unhashed`: earlier events that no hash covers yet. */
  readonly previous?: Uint8Array;
  readonly unhashed?: readonly HistoryEvent[];
}

export function turn(plan: TurnPlan): Turn {
  const at = plan.at ?? Date.now() * 1000;
  const types = plan.newEvents ?? [plan.close === undefined ? 'ActivityScheduled' : 'WorkflowCompleted'];
  const events = types.map((given, i): HistoryEvent => {
    const columns = typeof given === 'string' ? newEvent(0, given) : given;
    return { ...columns, seq: (plan.after ?? 1) + 1 + i, at, hash: null };
  });
  const head = turnHash(
    plan.previous ?? new Uint8Array(0),
    plan.runId,
    [...(plan.unhashed ?? []), ...events],
    (bytes) => hash('sha256', bytes, 'buffer'),
  );
  events.push({ ...events.pop()!, hash: head });
  return {
    runId: plan.runId,
    runKey: runIdBytes(plan.runId),
    events,
    consumed: plan.consumed ?? [],
    ...(plan.close === undefined ? {} : { close: plan.close }),
  };
}

/** A turn that completes the run after the run has read `mail` messages. */
export function closingTurn(runId: string, mail: number, consumed: readonly number[] = []): Turn {
  return turn({ runId, consumed, close: { status: 'completed', mail } });
}

export interface ReadyRow {
  wake_at: Date;
  owner: number | null;
  lost: number | null;
  mail: number;
}

/** The run's ready row. Undefined if the run is closed. */
export async function readyRow(store: TestStore, runId: string): Promise<ReadyRow | undefined> {
  const { rows } = await store.pool.query<ReadyRow>(
    'select wake_at, owner, lost, mail from reprise.ready where run_id = $1',
    [runId],
  );
  return rows[0];
}

export async function eventCount(store: TestStore, runId: string): Promise<number> {
  const { rows } = await store.pool.query<{ count: number }>(
    'select count(*)::int from reprise.events where run_id = $1',
    [runId],
  );
  return rows[0]!.count;
}

export async function historyOf(store: TestStore, runId: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const page of readHistory(store.database, runId)) events.push(...page);
  return events;
}

export async function statusOf(store: TestStore, runId: string): Promise<string> {
  const { rows } = await store.pool.query<{ status: string }>('select status from reprise.runs where run_id = $1', [
    runId,
  ]);
  return rows[0]!.status;
}

/** The numbers of the messages in a run's inbox. */
export async function inboxOf(store: TestStore, runId: string): Promise<number[]> {
  const { rows } = await store.pool.query<{ id: number }>(
    'select id from reprise.inbox where run_id = $1 order by id',
    [runId],
  );
  return rows.map((row) => row.id);
}

/**
 * Resolves when `count` sessions of this database wait for a lock. Fails if `statement` ends first. Sessions of earlier
 * tests in the same file count too, so each test must end its sessions.
 */
export async function waits(store: Pick<TestStore, 'pool'>, statement: Promise<unknown>, count = 1): Promise<void> {
  let over = false;
  statement.then(
    () => (over = true),
    () => (over = true),
  );
  for (;;) {
    const { rows } = await store.pool.query<{ waiting: number }>(
      `select count(*)::int as waiting from pg_stat_activity
       where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0`,
    );
    if (rows[0]!.waiting >= count) return;
    if (over)
      assert.fail(`expected the statement to wait for a lock, but it ended: ${JSON.stringify(await statement)}`);
  }
}
