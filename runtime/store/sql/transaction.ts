// Work on one session of the pool, and transactions with limits. Decides whether a session can be reused after an
// error.
import type pg from 'pg';
import { isCleanRefusal } from './sqlstate.ts';

/**
 * How long a statement waits for a row that another session holds, in ms. The statement then fails with
 * lock_not_available. The caller returns its connection and tries again later, because a user's transaction may hold a
 * row for hours.
 */
export const lockMs = 50;

/** Gives `body` a session of its own. If `body` throws, the session is closed, which undoes an open transaction. */
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
 * Runs `body` in a READ COMMITTED transaction. If this process stalls, the transaction's rows stay locked no longer
 * than the idle limit. If `keeps` returns false for a result, the transaction is rolled back, and the result is still
 * returned.
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
 * Runs one statement that sets its own lock timeout. A pool's `query` would close the session after a failed statement,
 * so each retry would open a new session.
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

/**
 * Whether the session is intact and can return to the pool. That is certain only if Postgres itself refused a
 * statement.
 */
async function isRolledBack(client: pg.ClientBase, error: unknown): Promise<boolean> {
  if (!isCleanRefusal(error)) return false;
  return client.query('rollback').then(
    () => true,
    () => false,
  );
}
