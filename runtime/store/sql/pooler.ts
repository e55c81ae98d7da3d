// Recognises a pooler that gives each transaction another server session and does not support prepared statements.
// Named statements fail there sooner or later.
import type pg from 'pg';
import { sqlstate, sqlstateOf } from './sqlstate.ts';

export interface ServerSession {
  /** The server's version, as in server_version_num. */
  readonly version: number;
  /** True if the server session differs from the session named at login. Then a pooler is in between. */
  readonly isPooled: boolean;
}

export async function inspectSession(client: pg.ClientBase): Promise<ServerSession> {
  const { rows } = await client.query<{ version: number; pid: number }>(
    "select current_setting('server_version_num')::int as version, pg_backend_pid() as pid",
  );
  const { processID } = client as pg.ClientBase & { readonly processID: number | null };
  return { version: rows[0]!.version, isPooled: rows[0]!.pid !== processID };
}

const probe = {
  name: 'reprise_pooler',
  text: "select pg_backend_pid() as pid, exists (select from pg_prepared_statements where name = 'reprise_pooler') as is_kept",
};
/** On a busy pooler a client may get the same server session again by chance. */
const rounds = 3;

/**
 * Whether the pooler loses prepared statements: it moves clients between sessions and does not rename their statements.
 */
export async function losesStatements(one: pg.ClientBase, other: pg.ClientBase): Promise<boolean> {
  let last: number | undefined;
  for (let round = 0; round < rounds; round++) {
    try {
      const { rows } = await one.query<{ pid: number; is_kept: boolean }>(probe);
      const { pid, is_kept: isKept } = rows[0]!;
      // A pooler that supports prepared statements renames them.
      if (!isKept) return false;
      if (last !== undefined && pid !== last) return true;
      last = pid;
    } catch (error) {
      const state = sqlstateOf(error);
      if (state === sqlstate.noSuchStatement || state === sqlstate.statementExists) return true;
      throw error;
    }
    const { rows } = await other.query<{ pid: number }>('select pg_backend_pid() as pid');
    if (rows[0]!.pid === last) return true;
  }
  return false;
}
