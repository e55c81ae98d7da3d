// What replay takes from the record instead of computing it again. When a patch obviously matches the recorded
// operations, replay applies the recorded operations and skips lowering and checking, which is most of the cost. In
// runs that engine 1 started, replay takes updates from the record, because that engine recorded less than the updates
// did.
import { type Check, ContextDocument } from '../../core/context/context-patch.ts';
import type { InputOp } from '../../core/context/context-input.ts';
import type { Op } from '../../core/json/operation.ts';

/** The recorded operations; undefined if the match is not obvious. Then the patch is lowered to RFC 6902 and compared. */
export function recordedOps(
  asked: readonly InputOp[],
  recorded: string,
  confidence: number | undefined,
): Op[] | undefined {
  const ops = JSON.parse(recorded) as Op[];
  let next = 0;
  for (const given of asked) {
    if (typeof given !== 'object' || given === null) return undefined;
    const noted = given.confidence ?? confidence;
    if (given.op === 'set') next = skipAddedParents(ops, next, given.path, noted);
    const op = ops[next++];
    if (op === undefined || op.path !== given.path || !isObviousMatch(given, op, noted)) return undefined;
  }
  return next === ops.length ? ops : undefined;
}

/** `set` adds missing parents first, each an empty object. */
function skipAddedParents(ops: readonly Op[], from: number, path: string, confidence: number | undefined): number {
  let next = from;
  for (;;) {
    const op = ops[next];
    if (op?.op !== 'add' || op.path.length >= path.length || op.confidence !== confidence) return next;
    if (path[op.path.length] !== '/' || !path.startsWith(op.path) || JSON.stringify(op.value) !== '{}') return next;
    next++;
  }
}

function isObviousMatch(given: InputOp, op: Op, confidence: number | undefined): boolean {
  if (op.op !== 'add' && op.op !== 'replace' && op.op !== 'remove') return false;
  if (given.op !== op.op && !(given.op === 'set' && op.op !== 'remove')) return false;
  if ((given as { prev?: unknown }).prev !== undefined || confidence !== op.confidence) return false;
  if (op.op === 'remove') return true;
  return JSON.stringify((given as { value: unknown }).value) === JSON.stringify(op.value);
}

/**
 * Replays an update of a run that engine 1 started. That engine lost later changes to an inserted object, logged each
 * write separately, and ignored what `change` returned. So the log decides: the recorded operations are applied if the
 * update wrote something. `change` still runs for its other effects. An update that its schema rejected recorded
 * nothing, and is rejected again.
 */
export function updateOfEngineOne(
  document: ContextDocument,
  change: (draft: unknown) => unknown,
  recorded: string | null | undefined,
  check: Check | undefined,
): Op[] {
  const edit = (draft: unknown): unknown => {
    const returned = change(draft);
    return typeof (returned as { then?: unknown } | null | undefined)?.then === 'function' ? returned : undefined;
  };
  if (typeof recorded !== 'string') return document.record(edit, check);
  const { ops, hasChanged } = document.changesOf(edit);
  if (!hasChanged) return [];
  if (check !== undefined) new ContextDocument(document.snapshot()).apply(ops, check);
  document.applyRecorded(JSON.parse(recorded) as Op[]);
  return JSON.parse(recorded) as Op[];
}
