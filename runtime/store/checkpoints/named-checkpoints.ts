// Names of checkpoints. A name that workflow code gave is an event, so it outlives the row; a name that a person gave is
// in the row alone.
import { eventCode } from '../../core/log/event.ts';
import { readLine, rowsOf } from '../log/line.ts';
import type { Database } from '../sql/database.ts';

/** The seq of the newest checkpoint of the name; undefined when there is none. An event counts before a row. */
export async function findNamed(database: Database, runId: string, name: string): Promise<number | undefined> {
  const { pool, schema } = database;
  const line = await readLine(database, runId);
  const events = await pool.query<{ seq: number }>(
    `select seq from ${rowsOf(schema, line)} and type = ${eventCode.CheckpointSaved} and name = $1 order by seq desc limit 1`,
    [name],
  );
  if (events.rows[0] !== undefined) return events.rows[0].seq;
  for (const segment of line.reverse()) {
    const { rows } = await pool.query<{ seq: number }>(
      `select seq from ${schema}.checkpoints where run_id = $1 and seq between $2 and $3 and name = $4 order by seq desc limit 1`,
      [segment.runId, segment.first, segment.last, name],
    );
    if (rows[0] !== undefined) return rows[0].seq;
  }
  return undefined;
}
