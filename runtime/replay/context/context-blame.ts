// Who wrote what of a context: for each value the patch that last wrote it, and for one path each value that it had.
// Follows the chain: a document that a run carried on keeps its authors. Runs no code, writes nothing.
import { ContextBlame } from '../../core/context/context-blame.ts';
import type { Op } from '../../core/json/operation.ts';
import { cloneJson, equalJson, type Json, parsePointer } from '../../core/json/json.ts';
import { applyAll, asItIs, holderOf, valueAt } from '../../core/json/json-patch.ts';
import { anyToken, pointerPattern, touches } from '../../core/json/pointer-pattern.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { checkOptions, optionTable, trueOrFalse } from '../../core/options/option-table.ts';
import type { Database } from '../../store/sql/database.ts';
import { type PatchRecord, readRecords } from './context-patches.ts';
import { type ChainChoice, coveredRuns, resolvePoint, type StatePoint } from './history-point.ts';

/** The patch that wrote a value. `seq` is a position in the log of `runId`. */
export interface Authorship extends Omit<PatchRecord, 'ops' | 'progress' | 'ref'> {
  readonly op: Op['op'];
  readonly confidence: number | null;
}

/** A value of the document: a scalar, or an empty object or list. */
export interface BlameEntry extends Authorship {
  readonly path: string;
  readonly value: Json;
  /** The value that the patch replaced, when the log holds it; null may also be that value. */
  readonly prev?: Json;
}

/** One value that a path had. */
export interface TimelineEntry extends Authorship {
  /** Undefined: from here on there was nothing at the path. */
  readonly value: Json | undefined;
}

/**
 * The values at and below `path` (a JSON Pointer, whose token `*` stands for any key), each with the patch that last
 * wrote it.
 * @throws INVALID_INPUT, CHECKPOINT_NOT_FOUND, STEP_NOT_FOUND
 */
export async function blame(database: Database, runId: string, path: string, point: StatePoint): Promise<BlameEntry[]> {
  const pattern = pointerPattern('blame', path);
  const { runId: last, upTo } = await resolvePoint(database, runId, 'blame', point);
  const fold = new ContextBlame<PatchRecord>();
  for (const each of await coveredRuns(database, last, point)) {
    const limit = each === last && upTo !== undefined ? { upTo } : {};
    let isFirst = true;
    for await (const patch of readRecords(database, each, limit)) {
      const isCarried = isFirst && isCarriedOn(patch, (value) => fold.holds(value));
      if (isFirst && !isCarried) fold.reset();
      isFirst = false;
      if (!isCarried) fold.apply(patch, patch.ops);
    }
    // A run whose first patch lies behind the point, or that has none, had no document there.
    if (isFirst) fold.reset();
  }
  return fold.leaves(pattern).map(({ path: at, value, patch, op, isExact }) => ({
    ...{ path: at, value: cloneJson(value), ...authorOf(patch, op) },
    ...(isExact && 'prev' in op ? { prev: op.prev } : {}),
  }));
}

const timelineOptions = optionTable<ChainChoice>({ chain: trueOrFalse });

/**
 * Each value that a path had, with the patch that gave it. A patch that leaves the value equal makes no entry.
 * @throws INVALID_INPUT for a pattern
 */
export async function timeline(
  database: Database,
  runId: string,
  path: string,
  choice: ChainChoice,
): Promise<TimelineEntry[]> {
  checkOptions('timeline', choice, timelineOptions);
  const pattern = pointerPattern('timeline', path);
  if (pattern.includes(anyToken)) {
    throw new RuntimeError(
      'INVALID_INPUT',
      `timeline follows one path, got the pattern "${path}". Name one key for each *.`,
    );
  }
  const entries: TimelineEntry[] = [];
  for (const each of await coveredRuns(database, runId, choice)) {
    const holder = holderOf(null);
    for await (const patch of readRecords(database, each, {})) {
      const op = patch.ops.find((one) => touches(one, pattern) || shifts(one, pattern));
      applyAll(holder, patch.ops, asItIs);
      if (op === undefined) continue;
      const value = valueAt(holder, path);
      const before = entries.at(-1)?.value;
      if (value === undefined ? before === undefined : before !== undefined && equalJson(before, value)) continue;
      entries.push({ value: value === undefined ? undefined : cloneJson(value), ...authorOf(patch, op) });
    }
  }
  return entries;
}

/** Whether an operation on a sibling may move the value at the path, as in a list. */
function shifts(op: Op, pattern: readonly string[]): boolean {
  if (op.op === 'replace' || op.op === 'test') return false;
  const paths = 'from' in op ? [op.path, op.from] : [op.path];
  return paths.some((path) => {
    const above = parsePointer(path).slice(0, -1);
    return above.length < pattern.length && above.every((token, i) => token === pattern[i]);
  });
}

/** The patch with which a run takes over the unchanged document of the run before it. */
function isCarriedOn({ cause, ops }: PatchRecord, holds: (value: Json) => boolean): boolean {
  const [op] = ops;
  return cause === 1 && ops.length === 1 && op?.op === 'add' && op.path === '' && holds(op.value);
}

function authorOf(patch: PatchRecord, op: Op): Authorship {
  const { runId, seq, at, source, sourceId, reason, cause } = patch;
  return { runId, seq, at, source, sourceId, reason, cause, op: op.op, confidence: op.confidence ?? null };
}
