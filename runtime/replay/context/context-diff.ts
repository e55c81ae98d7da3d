// The difference between two states of a context, as RFC 6902 operations. Runs no code, writes nothing.
import jsonPatch from 'fast-json-patch';
import type { Op } from '../../core/json/operation.ts';
import type { Json } from '../../core/json/json.ts';
import { type Holder, valueAt } from '../../core/json/json-patch.ts';
import type { Database } from '../../store/sql/database.ts';
import type { StatePoint } from './history-point.ts';
import { stateAt, type StateResult } from './state-at.ts';

export interface ContextDiff {
  readonly from: Omit<StateResult, 'state'>;
  readonly to: Omit<StateResult, 'state'>;
  /**
   * Operations that turn the first state into the second one, with the old value in `prev`. Without a document at the
   * first point: one `add` of the whole document; at the second point: one `remove` of it.
   */
  readonly ops: readonly Op[];
}

/** @throws INVALID_INPUT for an invalid point, CHECKPOINT_NOT_FOUND, STEP_NOT_FOUND */
export async function contextDiff(
  database: Database,
  runId: string,
  from: StatePoint,
  to: StatePoint,
): Promise<ContextDiff> {
  const { state: before, ...atFrom } = await stateAt(database, runId, from, 'diff');
  const { state: after, ...atTo } = await stateAt(database, runId, to, 'diff');
  return { from: atFrom, to: atTo, ops: stateDiff(before, after) };
}

/** Undefined: no document. The operations share values with both documents. */
export function stateDiff(before: Json | undefined, after: Json | undefined): Op[] {
  if (before === undefined) return after === undefined ? [] : [{ op: 'add', path: '', value: after }];
  if (after === undefined) return [{ op: 'remove', path: '', prev: before }];
  if (!isContainer(before) || !isContainer(after) || Array.isArray(before) !== Array.isArray(after)) {
    return [{ op: 'replace', path: '', value: after, prev: before }];
  }
  const ops = jsonPatch.compare(before, after) as Op[];
  const old = { '': before } as Holder;
  // List items are removed from the end on, so a path of the second list's order still names the old item.
  return ops.map((op) => {
    const prev = op.op === 'replace' || op.op === 'remove' ? valueAt(old, op.path) : undefined;
    return prev === undefined ? op : { ...op, prev };
  });
}

function isContainer(value: Json): value is readonly Json[] | { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null;
}
