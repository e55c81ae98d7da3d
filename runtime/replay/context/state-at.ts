// PATCH_ONLY: the context document at any point, folded from the recorded patches on top of the newest valid checkpoint.
// Runs no code, writes nothing.
import type { Op } from '../../core/json/operation.ts';
import type { Json } from '../../core/json/json.ts';
import { applyAll, asItIs, type Holder, holderOf } from '../../core/json/json-patch.ts';
import type { CheckpointFault } from '../../core/recovery/checkpoint.ts';
import { newestValid } from '../../store/checkpoints/checkpoints.ts';
import type { Database } from '../../store/sql/database.ts';
import { readPatchOps } from '../../store/log/history.ts';
import { resolvePoint, type StatePoint } from './history-point.ts';

export interface StateResult<T = Json> {
  /** Undefined when the run had no context at that point. */
  readonly state: T | undefined;
  /** Seq of the last included patch; 0 when there is none. */
  readonly seq: number;
  /** Number of context patches (events) of the run up to the point. */
  readonly patches: number;
  /** The run of the chain that the point lies in. */
  readonly runId: string;
  /** Checkpoints that were damaged and passed over; absent when none was. */
  readonly rejected?: readonly CheckpointFault[];
}

/** @throws INVALID_INPUT for an invalid point, CHECKPOINT_NOT_FOUND, STEP_NOT_FOUND */
export async function stateAt<T = Json>(
  database: Database,
  runId: string,
  point: StatePoint,
  call = 'stateAt',
): Promise<StateResult<T>> {
  const { runId: id, upTo } = await resolvePoint(database, runId, call, point);
  const { holder, seq, patches, rejected } = await foldContext(database, id, upTo);
  const state = patches === 0 ? undefined : (holder[''] as T);
  return { state, seq, patches, runId: id, ...(rejected.length === 0 ? {} : { rejected }) };
}

export interface FoldedContext {
  readonly holder: Holder;
  /** Seq of the last folded patch; 0 before the first. */
  readonly seq: number;
  readonly patches: number;
  readonly rejected: readonly CheckpointFault[];
}

/** The document of one run after its last patch at or before `upTo`. */
export async function foldContext(database: Database, runId: string, upTo = 2_147_483_647): Promise<FoldedContext> {
  const { cached, rejected } = await newestValid(database, runId, upTo);
  let { contextSeq: seq, patches } = cached ?? { contextSeq: 0, patches: 0 };
  const holder = holderOf(null);
  if (cached !== undefined) holder[''] = asItIs(JSON.parse(cached.text) as Json);
  for await (const page of readPatchOps(database, runId, { after: seq, upTo })) {
    for (const patch of page) {
      applyAll(holder, JSON.parse(patch.ops) as Op[], asItIs);
      seq = patch.seq;
    }
    patches += page.length;
  }
  return { holder, seq, patches, rejected };
}
