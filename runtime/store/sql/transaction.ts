// Work on one session of the pool, and transactions with limits. Decides whether a session is reused after an error.
import type pg from 'pg';
import { isCleanRefusal } from './sqlstate.ts';

/**
 * How long a statement waits for a row that somebody holds, ms. Then it fails with lock_not_available, and the caller returns
 * its connection and tries again later, since a user's transaction may hold a row for hours.
 */
export const lockMs = 50;

/** Gives `body` a session of its own. If it throws, the session is closed, which undoes an open transaction. */
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
  /** How long a statement waits for a lock before it fails with lock_not_available; default `lockMs`; 0: no limit. */
  readonly lockTimeoutMs?: number;
  /** How long this process may be busy between two statements before the server ends the session; default 5 s. */
  readonly idleTimeoutMs?: number;
}

/**
 * Runs `body` in a transaction, always READ COMMITTED. If this process stalls, its rows stay locked no longer than the idle
 * limit. A result for which `keeps` returns false is rolled back, and returned nevertheless.
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
 * Runs one statement, which sets its own lock timeout. A pool's `query` closes the session of a failed statement, so repeated
 * tries would open a new session each time.
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

/** Returns the session to the pool only when Postgres itself refused a statement: nothing else certainly leaves it intact. */
async function isRolledBack(client: pg.ClientBase, error: unknown): Promise<boolean> {
  if (!isCleanRefusal(error)) return false;
  return client.query('rollback').then(
    () => true,
    () => false,
  );
}
