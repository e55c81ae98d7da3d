// Worker incarnations: registers them, extends leases, detects and declares deaths, and frees the runs and tasks of the
// dead. An incarnation is identified by its epoch. Its fence rows prove that it is alive, and its lease row holds the
// last heartbeat.
import type pg from 'pg';
import { engineNumber } from '../../core/log/engine-number.ts';
import type { WorkerDeploymentVersion } from '../../core/run/deployment.ts';
import { freeTasks } from '../activities/activity-outcomes.ts';
import type { Database } from '../sql/database.ts';
import { isLockTimeout } from '../sql/sqlstate.ts';
import { transaction } from '../sql/transaction.ts';
import { microsOf } from '../sql/sql-text.ts';

/**
 * A registration of a worker with its fence slots. Slot 0 guards claims and parking; slots from 1 guard connections
 * that append.
 */
export interface Registration {
  readonly identity: string;
  readonly queue: string;
  /** Null for a worker without workflow code, which takes no runs. */
  readonly bundleHash: string | null;
  readonly leaseMs: number;
  /** Set when the worker takes part in versioning. */
  readonly version?: WorkerDeploymentVersion | undefined;
  /**
   * Server process of each slot's session, by index, to terminate if the slot's fence cannot be locked. Null: a
   * connection of the pool.
   */
  readonly backendPids: readonly (number | null)[];
  /** Types of activities that the worker executes for other workers; undefined when it takes no tasks. */
  readonly activityTypes?: readonly string[];
  /** The highest engine number that the worker can read; default: this version's number. */
  readonly engine?: number;
}

/** First key of the advisory lock that proves that a session is alive; the second key is the epoch. */
const signClass = 1_382_314_096;

/** Registers a new incarnation on the session that holds its advisory lock; returns the epoch. */
export async function register(client: pg.ClientBase, schema: string, worker: Registration): Promise<number> {
  const { rows } = await client.query<{ epoch: number }>({
    text: `with w as (insert into ${schema}.workers (identity, queue, bundle_hash, deployment_name, build_id, activity_types, engine) values ($1, $2, $3, $6, $7, $8, $9) returning epoch),
f as (insert into ${schema}.fences (epoch, slot, backend_pid) select epoch, slot - 1, pid from w, unnest($4::int[]) with ordinality as s(pid, slot)),
l as (insert into ${schema}.leases (epoch, queue, beat_at, expires_at)
  select epoch, $2, clock_timestamp(), clock_timestamp() + make_interval(secs => $5 / 1000.0) from w)
select epoch from w`,
    values: [
      worker.identity,
      worker.queue,
      worker.bundleHash,
      worker.backendPids,
      worker.leaseMs,
      worker.version?.deploymentName ?? null,
      worker.version?.buildId ?? null,
      worker.activityTypes ?? null,
      worker.engine ?? engineNumber,
    ],
  });
  const epoch = rows[0]!.epoch;
  await client.query('select pg_advisory_lock($1, $2)', [signKey(schema), epoch]);
  return epoch;
}

/**
 * Whether every live worker can read the event and message types of an engine number. Check this before writing a new
 * type, because a worker that cannot read the type would put the run into quarantine.
 */
export async function isEngineKnownToAll(database: Database, engine: number): Promise<boolean> {
  const { schema, pool } = database;
  const { rows } = await pool.query<{ known: boolean }>(
    `select not exists (select from ${schema}.leases l join ${schema}.workers w using (epoch) where w.engine < $1) as known`,
    [engine],
  );
  return rows[0]!.known;
}

export interface Heartbeat {
  /** False when this incarnation was declared dead. */
  readonly alive: boolean;
  /** Database clock, µs since 1970. */
  readonly databaseTime: number;
  /** Incarnations that look dead: each has missed a heartbeat, and its session has ended or its lease has expired. */
  readonly suspects: readonly Suspect[];
}

export interface Suspect {
  readonly epoch: number;
  /** True if the session that holds the advisory lock has ended. False if only the lease has expired. */
  readonly sessionEnded: boolean;
}

/** Extends the lease and reads the leases of other incarnations, in one round trip that does not wait for the disk. */
export async function heartbeat(
  client: pg.ClientBase,
  schema: string,
  epoch: number,
  options: { leaseMs: number; missedMs: number },
): Promise<Heartbeat> {
  const { rows } = await client.query<{
    alive: boolean;
    time: string;
    suspects: Suspect[];
  }>({
    name: `reprise_heartbeat_${schema}`,
    text: `with beat as (
  update ${schema}.leases set beat_at = clock_timestamp(), expires_at = clock_timestamp() + make_interval(secs => $2 / 1000.0)
  where epoch = $1 and set_config('synchronous_commit', 'off', true) is not null returning 1),
silent as materialized (
  select epoch, expires_at < clock_timestamp() as expired, pg_try_advisory_xact_lock_shared($4, epoch) as "sessionEnded"
  from ${schema}.leases where epoch <> $1 and beat_at < clock_timestamp() - make_interval(secs => $3 / 1000.0))
select exists (select from beat) as alive, ${microsOf('clock_timestamp()')} as time,
  coalesce((select json_agg(s) from (select epoch, "sessionEnded" from silent where expired or "sessionEnded") s), '[]') as suspects`,
    values: [epoch, options.leaseMs, options.missedMs, signKey(schema)],
  });
  const row = rows[0]!;
  return { alive: row.alive, databaseTime: Number(row.time), suspects: row.suspects };
}

/** All schemas of a database share the advisory locks, so each schema needs its own first key. */
function signKey(schema: string): number {
  let key = signClass;
  for (const char of schema) key = (Math.imul(key, 31) + char.charCodeAt(0)) | 0;
  return key;
}

/**
 * Declares an incarnation dead and frees its runs and tasks. This takes two statements. The first locks the fences
 * exclusively, so it waits for every claim and append under way. Only the second, with a later snapshot, sees runs that
 * such a claim took.
 * @returns the number of freed runs.
 */
export async function declareDead(database: Database, epoch: number, reason: string): Promise<number> {
  const { schema } = database;
  for (;;) {
    if (await fenceOff(database, epoch, reason)) break;
    // A stopped process holds the fence inside a transaction, so its session is terminated. If a session with this pid
    // began after the registration, the pid was reused, and the session belongs to another process.
    await database.pool.query(
      `select pg_terminate_backend(a.pid) from ${schema}.fences f join ${schema}.workers w on w.epoch = f.epoch
join pg_stat_activity a on a.pid = f.backend_pid and (a.backend_start < w.started_at) is not false where f.epoch = $1`,
      [epoch],
    );
  }
  const freed = await freeRuns(database, epoch);
  await freeTasksOf(database, epoch);
  return freed;
}

async function fenceOff(database: Database, epoch: number, reason: string): Promise<boolean> {
  const { schema } = database;
  try {
    await transaction(database.pool, { lockTimeoutMs: 1_000 }, async (client) => {
      await client.query(`select 1 from ${schema}.fences where epoch = $1 for update`, [epoch]);
      await client.query(`delete from ${schema}.fences where epoch = $1`, [epoch]);
      await client.query(`delete from ${schema}.leases where epoch = $1`, [epoch]);
      await client.query(
        `update ${schema}.workers set dead_at = clock_timestamp(), dead_reason = $2 where epoch = $1 and dead_at is null`,
        [epoch, reason],
      );
    });
    return true;
  } catch (error) {
    if (isLockTimeout(error)) return false;
    throw error;
  }
}

/**
 * Makes the runs of a dead epoch claimable. Skips locked rows. The slow sweep frees them later, and also runs that a
 * reaper left when it died halfway.
 */
async function freeRuns(database: Database, epoch: number): Promise<number> {
  const { schema } = database;
  const result = await database.pool.query<{ queue: string }>(
    `with unlocked as materialized (
  select run_id from ${schema}.ready where owner = $1 order by run_id for no key update skip locked)
update ${schema}.ready r set owner = null, lost = $1, wake_at = least(r.wake_at, clock_timestamp()) from unlocked
where r.run_id = unlocked.run_id and r.run_id = any (array(select run_id from unlocked)) returning r.queue`,
    [epoch],
  );
  for (const queue of new Set(result.rows.map((row) => row.queue))) database.notifier.wake(queue);
  return result.rowCount ?? 0;
}

async function freeTasksOf(database: Database, epoch: number): Promise<void> {
  for (const queue of await freeTasks(database, epoch)) database.notifier.task(queue);
}

/**
 * Frees runs and tasks of dead workers whose reaper died halfway. Finds the owners by jumping from one to the next in
 * the index, so the cost grows with the number of workers instead of the number of runs.
 */
export async function sweepDead(database: Database): Promise<void> {
  const { schema } = database;
  const { rows } = await database.pool.query<{ epoch: number; runs: boolean }>({
    name: `reprise_sweep_dead_${schema}`,
    text: `with recursive owners(epoch) as (
  select min(owner) from ${schema}.ready
  union all select (select min(r.owner) from ${schema}.ready r where r.owner > o.epoch) from owners o where o.epoch is not null),
workers(epoch) as (
  select min(worker) from ${schema}.activity_tasks
  union all select (select min(t.worker) from ${schema}.activity_tasks t where t.worker > w.epoch) from workers w where w.epoch is not null),
found as (select epoch, true as runs from owners union all select epoch, false from workers)
select epoch, runs from found where epoch is not null
  and not exists (select from ${schema}.fences f where f.epoch = found.epoch)`,
  });
  for (const { epoch, runs } of rows) await (runs ? freeRuns(database, epoch) : freeTasksOf(database, epoch));
}

/** The server process of a session, to terminate if the session's fence cannot be locked. */
export async function backendPid(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]!.pid;
}
