// Which children of a run have ended, as a copy of the run must know it: the end of a child is told only once, to all who
// wait for it by then. Children that are open stay open until the caller's transaction ends. Writes nothing.
import type pg from 'pg';
import { type NewEvent } from '../../core/log/event.ts';
import type { LogOwner } from '../../core/log/line.ts';
import { newEvent } from '../../core/log/new-event.ts';
import type { RunState } from '../../core/run/run-state.ts';
import { lastRunOfChild } from '../runs/child-run.ts';
import { howItEnded } from './outbox.ts';

/** The ends of children that are pending in `state`, a fold of the run's history, as inputs of the copy. */
export async function childEnds(
  client: pg.ClientBase,
  schema: string,
  { runId, line }: LogOwner,
  { links, namespace }: RunState,
): Promise<NewEvent[]> {
  const ends: NewEvent[] = [];
  for (const child of links?.children.values() ?? []) {
    const last = await lastRunOfChild(client, schema, { runId, line, namespace }, child);
    if (last === undefined) continue;
    const { rowCount } = await client.query(`select from ${schema}.ready where run_id = $1 for share`, [last]);
    if (rowCount !== 0) continue;
    const { type, ...columns } = await howItEnded(client, schema, last, child.seq);
    ends.push(newEvent(0, type, columns));
  }
  return ends;
}
