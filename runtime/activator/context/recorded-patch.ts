// The short way of replaying a patch: when what the code asks for plainly comes to what the record holds, the recorded
// operations are folded in without lowering and checking the asked ones again, which is most of the cost.
import type { InputOp, Op } from '../../core/context/context-patch.ts';

/** The recorded operations, or undefined when only the long way can tell whether they are what was asked for. */
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
    if (given.op === 'set') next = passParents(ops, next, given.path, noted);
    const op = ops[next++];
    if (op === undefined || op.path !== given.path || !isPlainly(given, op, noted)) return undefined;
  }
  return next === ops.length ? ops : undefined;
}

/** `set` makes missing parents first, each an empty object. */
function passParents(ops: readonly Op[], from: number, path: string, confidence: number | undefined): number {
  let next = from;
  for (;;) {
    const op = ops[next];
    if (op?.op !== 'add' || op.path.length >= path.length || op.confidence !== confidence) return next;
    if (path[op.path.length] !== '/' || !path.startsWith(op.path) || JSON.stringify(op.value) !== '{}') return next;
    next++;
  }
}

function isPlainly(given: InputOp, op: Op, confidence: number | undefined): boolean {
  if (op.op !== 'add' && op.op !== 'replace' && op.op !== 'remove') return false;
  if (given.op !== op.op && !(given.op === 'set' && op.op !== 'remove')) return false;
  if ((given as { prev?: unknown }).prev !== undefined || confidence !== op.confidence) return false;
  if (op.op === 'remove') return true;
  return JSON.stringify((given as { value: unknown }).value) === JSON.stringify(op.value);
}
