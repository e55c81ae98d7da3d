// Work on one session of the pool, and transactions with limits. Owns what becomes of the session when the work throws.
import type pg from 'pg';
import { isCleanRefusal } from './sqlstate.ts';

/**
 * How long a statement waits for a row that somebody holds, ms; then it fails with lock_not_available, and is tried again
 * later with its connection given back. A user's transaction may hold a row for hours.
 */
export const lockMs = 50;

/** `body` has the session to itself. When it throws, the session is closed, and with it whatever it had begun. */
export async function withSession<T>(pool: pg.Pool, body: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    const result = await body(client);
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

export interface TransactionLimits {
  /** How long a statement waits for a lock before it fails with lock_not_available; default `lockMs`; 0: as long as it takes. */
  readonly lockTimeoutMs?: number;
  /** How long this process may be busy between two statements before the server ends the session; default 5 s. */
  readonly idleTimeoutMs?: number;
}

/**
 * READ COMMITTED whatever the session's default is. A process that stops inside it keeps its rows from others no longer than
 * the idle limit. What `keeps` says no to is rolled back, and returned all the same.
 */
export async function transaction<T>(
  pool: pg.Pool,
  { lockTimeoutMs = lockMs, idleTimeoutMs = 5_000 }: TransactionLimits,
  body: (client: pg.ClientBase) => Promise<T>,
  keeps: (result: T) => boolean = () => true,
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query(
      `begin isolation level read committed; set local idle_in_transaction_session_timeout = ${idleTimeoutMs}; set local lock_timeout = ${lockTimeoutMs}`,
    );
    const result = await body(client);
    await client.query(keeps(result) ? 'commit' : 'rollback');
    client.release();
    return result;
  } catch (error) {
    client.release(!(await isRolledBack(client, error)));
    throw error;
  }
}

/**
 * One statement, which says itself how long it waits for a row. A pool's own `query` closes the session of a statement that
 * fails, and calls that try again and again would open a new one each time.
 */
export async function statement(pool: pg.Pool, text: string, values: unknown[]): Promise<{ rows: unknown[] }> {
  const client = await pool.connect();
  try {
    const result = await client.query<Record<string, unknown>>(text, values);
    client.release();
    return result;
  } catch (error) {
    client.release(!isCleanRefusal(error));
    throw error;
  }
}

/** The session goes back to the pool only when Postgres itself refused a statement: nothing else surely leaves it intact. */
async function isRolledBack(client: pg.ClientBase, error: unknown): Promise<boolean> {
  if (!isCleanRefusal(error)) return false;
  return client.query('rollback').then(
    () => true,
    () => false,
  );
}
