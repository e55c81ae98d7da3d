// The plain fold of operations, which tests compare with documents.
import type { Json } from '../../runtime/core/json/json.ts';
import { applyAll, holderOf } from '../../runtime/core/json/json-patch.ts';
import type { Op } from '../../runtime/core/json/operation.ts';

/** The document after `ops`; `document` itself does not change. @throws CONTEXT_PATCH_INVALID */
export function foldOps(document: Json, ops: readonly Op[]): Json {
  const holder = holderOf(document);
  applyAll(holder, ops);
  return holder[''];
}
