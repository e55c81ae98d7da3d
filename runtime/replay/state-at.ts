// PATCH_ONLY: the context document at any point, folded from the recorded patches. Runs no code, writes nothing.
import type { Op } from '../core/json/operation.ts';
import type { ContextSource } from '../core/log/event.ts';
import type { Json } from '../core/json/json.ts';
import { checkOptions, optionTable, unchecked } from '../core/options/option-table.ts';
import { applyAll, asItIs, holderOf } from '../core/json/json-patch.ts';
import { RuntimeError } from '../core/failure/runtime-error.ts';
import type { Database } from '../store/sql/database.ts';
import { type PatchLimit, readPatches, readPatchOps } from '../store/log/history.ts';

/** Default: the end of the log. `seq` and `time` are inclusive. */
export interface StatePoint {
  seq?: number;
  time?: Date | string;
}

export interface StateResult<T = Json> {
  /** Undefined when the run had no context at that point. */
  readonly state: T | undefined;
  /** Seq of the last included patch; 0 when there is none. */
  readonly seq: number;
  /** Number of folded patches (events). */
  readonly patches: number;
}

export interface PatchFilter {
  /** JSON Pointer. Selects the patches at, above or below this path. */
  path?: string;
  source?: ContextSource;
  sourceId?: string;
}

export interface PatchRecord {
  readonly seq: number;
  readonly at: Date;
  readonly ops: readonly Op[];
  readonly source: ContextSource | null;
  readonly sourceId: string | null;
  readonly reason: string | null;
  /** Seq of the event that caused the patch, when the patch did not come from workflow code. */
  readonly cause: number | null;
}

const pointOptions = optionTable<StatePoint>(unchecked('seq', 'time'));
const filterOptions = optionTable<PatchFilter>(unchecked('path', 'source', 'sourceId'));

/** @throws INVALID_INPUT for an invalid point */
export async function stateAt<T = Json>(database: Database, runId: string, point: StatePoint): Promise<StateResult<T>> {
  checkOptions('stateAt', point, pointOptions);
  const holder = holderOf(null);
  let seq = 0;
  let patches = 0;
  for await (const page of readPatchOps(database, runId, pointLimit(point))) {
    for (const patch of page) {
      applyAll(holder, JSON.parse(patch.ops) as Op[], asItIs);
      seq = patch.seq;
    }
    patches += page.length;
  }
  return { state: patches === 0 ? undefined : (holder[''] as T), seq, patches };
}

export async function contextPatches(database: Database, runId: string, filter: PatchFilter): Promise<PatchRecord[]> {
  checkOptions('patches', filter, filterOptions);
  const { path } = filter;
  if (path !== undefined && path !== '' && !path.startsWith('/')) {
    throw new RuntimeError(
      'INVALID_INPUT',
      `"${path}" is not a JSON Pointer: expected "" or a path that begins with /.`,
    );
  }
  const records: PatchRecord[] = [];
  for await (const page of readPatches(database, runId, {})) {
    for (const event of page) {
      if (filter.source !== undefined && event.source !== filter.source) continue;
      if (filter.sourceId !== undefined && event.sourceId !== filter.sourceId) continue;
      const ops = JSON.parse(event.ops ?? '[]') as Op[];
      if (path !== undefined && !ops.some((op) => touches(op, path))) continue;
      const { seq, source, sourceId, reason, answers } = event;
      records.push({ seq, at: new Date(event.at / 1000), ops, source, sourceId, reason, cause: answers });
    }
  }
  return records;
}

function touches(op: Op, path: string): boolean {
  const places = 'from' in op ? [op.path, op.from] : [op.path];
  return places.some(
    (place) => place === path || place.startsWith(`${path}/`) || path.startsWith(`${place}/`) || place === '',
  );
}

function pointLimit(point: StatePoint): PatchLimit {
  if (point.seq !== undefined && point.time !== undefined) {
    throw new RuntimeError('INVALID_INPUT', 'stateAt takes seq or time, not both.');
  }
  if (point.seq !== undefined) {
    if (!Number.isSafeInteger(point.seq) || point.seq < 0 || point.seq > 2_147_483_647) {
      throw new RuntimeError(
        'INVALID_INPUT',
        `stateAt: seq must be a whole number of 0 or more, got ${String(point.seq)}.`,
      );
    }
    return { upTo: point.seq };
  }
  if (point.time === undefined) return {};
  const time = new Date(point.time).getTime();
  if (Number.isNaN(time))
    throw new RuntimeError(
      'INVALID_INPUT',
      `stateAt: time "${String(point.time)}" is not a date. Expected a Date, ISO text such as 2026-01-31T12:00:00Z, or { seq }.`,
    );
  // A Date has milliseconds, events have microseconds. The whole millisecond is included.
  return { upToTime: time * 1000 + 999 };
}
