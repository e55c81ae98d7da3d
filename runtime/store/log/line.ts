// Finds the line of a run: the rows of the log that make up its history. Every read of a fork follows its line. The line
// of any other run is the run alone. Readers see from the run's own rows which case they have, so they need not ask here
// first.
import { type LineSegment, seqMax } from '../../core/log/line.ts';
import { eventCode } from '../../core/log/event.ts';
import { readForkedMeta } from '../../core/run/forked-meta.ts';
import type { Database } from '../sql/database.ts';
import type { Queryable } from '../sql/queryable.ts';
import { isRunId } from '../runs/run-id.ts';

/** The segments of the run's history, oldest first, its own last. */
export function readLine({ pool, schema }: Database, runId: string): Promise<LineSegment[]> {
  return lineWithin(pool, schema, runId);
}

/** Like `readLine`, in the caller's transaction. */
export async function lineWithin(client: Queryable, schema: string, runId: string): Promise<LineSegment[]> {
  const { rows } = await client.query(
    `select seq, case when type = ${eventCode.WorkflowForked} then meta::text end as forked
from ${schema}.events where run_id = $1 order by seq limit 1`,
    [runId],
  );
  const [own] = rows as { seq: number; forked: string | null }[];
  if (own === undefined || own.forked === null) return [{ runId, first: 1, last: seqMax }];
  return [...readForkedMeta({ meta: own.forked }).line, { runId, first: own.seq, last: seqMax }];
}

/** SQL: the rows of a line, as `from … where …`, to which a condition on `seq` and other columns may be added. */
export function rowsOf(schema: string, line: readonly LineSegment[]): string {
  const [first, ...more] = line;
  if (first === undefined || more.length === 0) return `${schema}.events where ${ofSegment(first)}`;
  const parts = line.map((segment) => `select * from ${schema}.events where ${ofSegment(segment)}`);
  return `(${parts.join(' union all ')}) as events where true`;
}

function ofSegment(segment: LineSegment | undefined): string {
  if (segment === undefined) return 'false';
  const { runId, first, last } = segment;
  const range = first === 1 && last === seqMax ? '' : ` and seq between ${Math.trunc(first)} and ${Math.trunc(last)}`;
  return `run_id = '${checkedRunId(runId)}'${range}`;
}

/** COPY takes no parameters, so only a valid run id may be put into the SQL text. */
export function checkedRunId(runId: string): string {
  if (!isRunId(runId)) throw new Error(`"${runId}" is not a run id`);
  return runId;
}
