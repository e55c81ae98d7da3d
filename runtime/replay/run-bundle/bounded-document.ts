// Folds the context patches of a log from outside. A few operations can describe a document that does not fit into
// memory: each `copy` may double it. So each value is measured before it is applied.
import { jsonBounds, jsonTextBounds } from './json-bounds.ts';
import type { Json } from '../../core/json/json.ts';
import { applyAll, asItIs, holderOf, valueAt } from '../../core/json/json-patch.ts';
import type { Op } from '../../core/json/operation.ts';

/** Nesting of a value of an operation, and of pointers. The document may be twice as deep. */
const depthMax = 200;
/** The list of operations and the operation itself. */
const envelopeDepth = 2;
export const bytesOfValue = 64;

/** Why a log cannot be folded; `isSize` when it only exceeds a limit. */
export class DocumentFault extends Error {
  readonly isSize: boolean;
  constructor(problem: string, isSize = false) {
    super(problem);
    this.name = 'DocumentFault';
    this.isSize = isSize;
  }
}

export class BoundedDocument {
  readonly #holder = holderOf(null);
  readonly #bytesMax: number;
  /** At least the size of the document: values that operations removed still count until the next measurement. */
  #charged = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** `ops`: JSON text of operations. @throws DocumentFault; CONTEXT_PATCH_INVALID */
  apply(ops: string): void {
    const { depth, values } = jsonTextBounds(ops);
    if (depth > depthMax + envelopeDepth) throw new DocumentFault(`operations nested deeper than ${depthMax}`);
    if (values * bytesOfValue > this.#bytesMax) throw new DocumentFault('operations with too many values', true);
    for (const op of parsedOps(ops)) {
      this.#charge(op);
      applyAll(this.#holder, [op], asItIs);
    }
  }

  #charge(op: Op): void {
    if (op.op === 'remove' || op.op === 'test') return;
    const value = 'from' in op ? valueAt(this.#holder, op.from) : op.value;
    if (value === undefined) return; // there is nothing to move or copy: the operation is refused when it is applied
    const { bytes, depth } = jsonBounds(value, this.#bytesMax);
    if (depth + op.path.split('/', 2 * depthMax + 1).length > 2 * depthMax) {
      throw new DocumentFault(`a document nested deeper than ${2 * depthMax}`);
    }
    if (op.op === 'move') return;
    this.#charged += bytes;
    if (this.#charged <= this.#bytesMax) return;
    // Half of the limit, so that the next measurement is far away.
    this.#charged = bytes + jsonBounds(this.#holder[''], this.#bytesMax).bytes;
    if (this.#charged > this.#bytesMax / 2) throw new DocumentFault('a context document that is too large', true);
  }
}

function parsedOps(text: string): Op[] {
  const ops: unknown = JSON.parse(text);
  if (!Array.isArray(ops)) throw new DocumentFault('operations that are not a list');
  for (const op of ops as unknown[]) {
    const {
      op: verb,
      path,
      from,
      value,
    } = (op ?? {}) as { op?: unknown; path?: unknown; from?: unknown; value?: unknown };
    const needsFrom = verb === 'move' || verb === 'copy';
    if (typeof path !== 'string') throw new DocumentFault('an operation without a path');
    if (needsFrom !== (typeof from === 'string')) throw new DocumentFault('an operation with a wrong `from`');
    if (!needsFrom && verb !== 'remove' && value === undefined) throw new DocumentFault('an operation without a value');
  }
  return ops as Op[];
}

/** A value that JSON text may hold: used where the text only has to be an object. */
export function isJsonObject(text: string): boolean {
  if (jsonTextBounds(text).depth > depthMax) return false;
  const value = JSON.parse(text) as Json;
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
