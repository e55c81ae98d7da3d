// Reads the origin of a fork in the transaction that makes the fork, and checks where and as what it can
// be forked.
import type pg from 'pg';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import { type LineSegment, lineUpTo, type LogOwner } from '../../core/log/line.ts';
import type { RunState } from '../../core/run/run-state.ts';
import type { LogHead } from '../../core/run/seal-turn.ts';
import { readTail } from '../log/history.ts';
import { lineWithin } from '../log/line.ts';
import type { RunRow } from './run-row.ts';

/** What the transaction knows about the origin. */
export interface Origin extends LogOwner {
  readonly row: RunRow;
  readonly segments: readonly LineSegment[];
  /** The open run that the fork takes the place of: the origin, or a run that followed it. */
  readonly open: string | undefined;
}

export async function readOrigin(
  client: pg.ClientBase,
  schema: string,
  row: RunRow,
  open: string | undefined,
): Promise<Origin> {
  const segments = await lineWithin(client, schema, row.run_id);
  // No run of the line may be deleted while a fork refers to it.
  await client.query(`select from ${schema}.runs where run_id = any($1::uuid[]) order by run_id for key share`, [
    segments.map(({ runId }) => runId),
  ]);
  const line = segments.slice(0, -1);
  return { runId: row.run_id, line: line.length === 0 ? undefined : line, row, segments, open };
}

/**
 * The end of the fork's line: a turn's end, or the end of what a start writes before the first turn.
 * @throws INVALID_INPUT when the history cannot be forked there
 */
export async function headAt(
  client: pg.ClientBase,
  schema: string,
  { segments, runId }: Origin,
  point: number,
): Promise<{ head: LogHead; unhashed: HistoryEvent[] }> {
  const upTo = lineUpTo(segments, point);
  const events = await readTail(client, schema, upTo, point - 1);
  const last = events[0];
  if (last?.hash) return { head: { runId, seq: point, at: last.at, hash: last.hash }, unhashed: [] };
  const start = point > 2 ? [] : await readTail(client, schema, lineUpTo(segments, 3), 0);
  const next = start[point];
  const isStart = start.length >= point && start.slice(0, point).every(({ hash }) => hash === null);
  // The context that a start hands over belongs to the start.
  const isWhole = next === undefined || !(next.type === 'ContextPatched' && next.answers === 1 && next.hash === null);
  if (last !== undefined && isStart && isWhole && isOfStart(start.slice(0, point))) {
    return { head: { runId, seq: point, at: last.at, hash: new Uint8Array(0) }, unhashed: start.slice(0, point) };
  }
  throw new RuntimeError(
    'INVALID_INPUT',
    `Run ${runId} cannot be forked after event ${point}: a fork begins at the end of a turn. Nothing was written.`,
    { runId },
  );
}

function isOfStart([started, inherited]: readonly HistoryEvent[]): boolean {
  if (started?.type !== 'WorkflowStarted') return false;
  return inherited === undefined || (inherited.type === 'ContextPatched' && inherited.answers === 1);
}

/** @throws RUN_ALREADY_STARTED when an open run has the workflow id */
export async function checkFree(
  client: pg.ClientBase,
  schema: string,
  { namespace, workflowId }: Pick<RunState, 'namespace' | 'workflowId'>,
): Promise<void> {
  const { rows } = await client.query<{ run_id: string }>(
    `select run_id from ${schema}.runs where namespace = $1 and workflow_id = $2 and closed_at is null`,
    [namespace, workflowId],
  );
  const [open] = rows;
  if (open === undefined) return;
  throw new RuntimeError(
    'RUN_ALREADY_STARTED',
    `Run ${open.run_id} of workflow ${workflowId} is open, so no fork can have this workflow id. Nothing was written. Fork ` +
      'under another workflow id, or terminate that run first.',
    { runId: open.run_id },
  );
}
