// Checks a patch from outside of workflow code before it is sent to the run. Whether it applies to the document is decided
// by the run's code, when the patch becomes part of a turn.
import { RuntimeError } from '../failure/runtime-error.ts';
import { refusal } from '../json/json-patch.ts';
import { type InputOp, readOp } from './context-input.ts';
import type { AskedPatch } from './patch-trial.ts';
import type { PatchOrigin } from './provenance.ts';

/** @throws CONTEXT_PATCH_INVALID with the pointer of a value that JSON cannot hold */
export function askedPatch(given: unknown, { source, sourceId, reason, confidence }: PatchOrigin): AskedPatch {
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (list.length === 0) {
    throw new RuntimeError(
      'CONTEXT_PATCH_INVALID',
      'Context patch: the list of operations is empty. Pass at least one.',
    );
  }
  const ops = Array.from(list, (op, index): InputOp => {
    try {
      const read = readOp(op);
      return confidence === undefined || read.confidence !== undefined ? read : { ...read, confidence };
    } catch (cause) {
      throw refusal(cause, index, op, 'The patch was not sent.');
    }
  });
  return { ops: JSON.stringify(ops), source, sourceId, reason };
}
