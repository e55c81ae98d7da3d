// The short way of replaying a patch: when what the code asks for plainly is what the record holds, the recorded
// operations are folded in without lowering and checking the asked ones again, which is most of the cost.
import type { InputOp, Op } from '../history/context-patch.ts';

/** The recorded operations, or undefined when only the long way can tell whether they are what was asked for. */
export function recordedOps(
  asked: readonly InputOp[],
  recorded: string,
  confidence: number | undefined,
): Op[] | undefined {
  const ops = JSON.parse(recorded) as Op[];
  if (ops.length !== asked.length) return undefined;
  for (let i = 0; i < ops.length; i++) if (!isPlainly(asked[i], ops[i]!, confidence)) return undefined;
  return ops;
}

function isPlainly(asked: InputOp | undefined, op: Op, confidence: number | undefined): boolean {
  if (asked === undefined || asked.op !== op.op || asked.path !== op.path) return false;
  if (op.op !== 'add' && op.op !== 'replace' && op.op !== 'remove') return false;
  const given = asked as Partial<{ value: unknown; prev: unknown; confidence: number }>;
  if (given.prev !== undefined || (given.confidence ?? confidence) !== op.confidence) return false;
  return op.op === 'remove' || JSON.stringify(given.value) === JSON.stringify(op.value);
}
