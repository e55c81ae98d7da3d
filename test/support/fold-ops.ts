// A simple fold of patch operations. Tests compare its result with documents.
import type { Json } from '../../runtime/core/json/json.ts';
import { applyAll, holderOf } from '../../runtime/core/json/json-patch.ts';
import type { Op } from '../../runtime/core/json/operation.ts';

/** Returns the document after `ops`. Does not change `document`. @throws CONTEXT_PATCH_INVALID */
export function foldOps(document: Json, ops: readonly Op[]): Json {
  const holder = holderOf(document);
  applyAll(holder, ops);
  return holder[''];
}
