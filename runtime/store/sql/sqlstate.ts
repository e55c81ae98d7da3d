// Postgres error codes that we handle, and the errors that callers get for them.
import { RuntimeError } from '../../core/failure/runtime-error.ts';

export const sqlstate = {
  uniqueViolation: '23505',
  lockNotAvailable: '55P03',
  invalidPassword: '28P01',
  invalidAuthorization: '28000',
  undefinedTable: '42P01',
  unknownDatabase: '3D000',
  deadlock: '40P01',
  featureNotSupported: '0A000',
  noSuchStatement: '26000',
  statementExists: '42P05',
} as const;

interface DatabaseError {
  code?: string;
  constraint?: string;
  message: string;
  severity?: string;
}

/** The SQLSTATE of an error that Postgres answered with; undefined for anything else. */
export function sqlstateOf(error: unknown): string | undefined {
  const e = error as DatabaseError | undefined;
  return typeof e?.severity === 'string' && typeof e.code === 'string' ? e.code : undefined;
}

function constraintOf(error: unknown): string | undefined {
  return (error as DatabaseError | undefined)?.constraint;
}

/** The event (run_id, seq) exists already: another writer has appended to the run. */
export function isHistoryConflict(error: unknown): boolean {
  return sqlstateOf(error) === sqlstate.uniqueViolation && constraintOf(error)?.startsWith('events') === true;
}

/** Another session has held a row for longer than the statement waits. */
export function isLockTimeout(error: unknown): boolean {
  return sqlstateOf(error) === sqlstate.lockNotAvailable;
}

/**
 * True when the statement certainly changed nothing and the session is intact: Postgres itself answered with an
 * ordinary error. Classes 08, 57P and 53 mean a lost session or a server that shuts down, so the outcome is unknown. A
 * stale plan changed nothing either, but its session cannot be used any longer.
 */
export function isCleanRefusal(error: unknown): boolean {
  const state = sqlstateOf(error);
  return state !== undefined && !/^(08|57P|53)/.test(state) && !isStalePlan(error);
}

/** A table was altered, so a prepared statement of this session returns other columns and fails from now on. */
export function isStalePlan(error: unknown): boolean {
  return sqlstateOf(error) === sqlstate.featureNotSupported && /cached plan/.test((error as DatabaseError).message);
}

/** A concurrent transaction was first, so the caller should try again. */
export function isContention(error: unknown): boolean {
  return isLockTimeout(error) || sqlstateOf(error) === sqlstate.deadlock;
}

/** True when another try cannot help: the database refuses the data, or already has the row. */
export function isDataRefusal(error: unknown): boolean {
  return ['22', '23', '54'].includes(sqlstateOf(error)?.slice(0, 2) ?? '');
}

/** Turns a failure to connect into an error that says what to do. */
export function connectError(error: unknown, target: string): RuntimeError {
  const state = sqlstateOf(error);
  const message = error instanceof Error ? error.message || String((error as { code?: string }).code) : String(error);
  if (state === sqlstate.invalidPassword || state === sqlstate.invalidAuthorization || /SASL|password/i.test(message)) {
    return new RuntimeError(
      'DATABASE_AUTH_FAILED',
      `Postgres at ${target} refused the login: ${message}. Check user and password in the connection string.`,
      { cause: error },
    );
  }
  if (state === sqlstate.unknownDatabase) {
    return new RuntimeError(
      'DATABASE_UNREACHABLE',
      `Postgres at ${target} answered, but has no such database: ${message}. Create it, or correct the connection string.`,
      { cause: error },
    );
  }
  return new RuntimeError(
    'DATABASE_UNREACHABLE',
    `No connection to Postgres at ${target}: ${message}. Check that it runs and that the connection string is right.`,
    { cause: error },
  );
}

export function isUniqueViolation(error: unknown): boolean {
  return sqlstateOf(error) === sqlstate.uniqueViolation;
}
