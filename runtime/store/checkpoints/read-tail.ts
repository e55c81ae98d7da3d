// Counts the log of a run since its last checkpoint, for a worker that has just loaded the run.
import { eventRowBytes, type TailCount } from '../../core/recovery/checkpoint-tail.ts';
import { eventCode } from '../../core/log/event.ts';
import { readLine, rowsOf } from '../log/line.ts';
import type { Database } from '../sql/database.ts';
import { microsOf } from '../sql/sql-text.ts';

interface TailRow {
  patches: number;
  bytes: string;
  activities: number;
  from_at: string | null;
  progress: number | null;
}

interface LastRow {
  seq: number;
  patches: number;
  stored: number;
  progress: number | null;
}

/** The tail up to seq `upTo`, inclusive. Along the line of a fork. */
export async function readTail(database: Database, runId: string, upTo: number): Promise<TailCount> {
  const { pool, schema } = database;
  const line = await readLine(database, runId);
  let last: LastRow | undefined;
  for (const segment of line.toReversed()) {
    const found = await pool.query<LastRow>(
      `select seq, patches, octet_length(state) as stored, progress from ${schema}.checkpoints
where run_id = $1 and seq between $2 and $3 order by seq desc limit 1`,
      [segment.runId, segment.first, Math.min(segment.last, upTo)],
    );
    last ??= found.rows[0];
  }
  const patched = `type = ${eventCode.ContextPatched}`;
  const events = rowsOf(schema, line);
  const { rows } = await pool.query<TailRow>(
    `select count(*) filter (where ${patched})::int as patches,
  coalesce(sum(${eventRowBytes} + octet_length(ops::text)) filter (where ${patched}), 0) as bytes,
  count(*) filter (where type = ${eventCode.ActivityCompleted})::int as activities,
  max((meta->>'progress')::float8) filter (where ${patched} and meta is not null) as progress,
  (select ${microsOf('at')} from ${events} and seq = $3) as from_at
from ${events} and seq > $1 and seq <= $2`,
    [last?.seq ?? 0, upTo, last?.seq ?? 2],
  );
  const row = rows[0]!;
  return {
    patches: row.patches,
    bytes: Number(row.bytes),
    activities: row.activities,
    from: Number(row.from_at ?? 0),
    progress: row.progress ?? undefined,
    progressBefore: last?.progress ?? undefined,
    snapshotBytes: last?.stored ?? 0,
    allPatches: (last?.patches ?? 0) + row.patches,
  };
}
