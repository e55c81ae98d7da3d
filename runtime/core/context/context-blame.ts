// Who wrote each value of a context document: a fold of patches that keeps, beside the document, the patch that last
// wrote each place. A place without a note of its own was written together with the value above it. Pure.
import { applyOp, asItIs, type Holder, holderOf, valueAt } from '../json/json-patch.ts';
import { equalJson, escapeToken, indexOfToken, type Json, parsePointer, type Value } from '../json/json.ts';
import { anyToken, type PointerPattern } from '../json/pointer-pattern.ts';
import type { Op } from '../json/operation.ts';

/** One leaf of the document: a scalar, or an empty object or list. */
export interface BlamedLeaf<Patch> {
  readonly path: string;
  readonly value: Json;
  readonly patch: Patch;
  readonly op: Op;
  /** True when the operation wrote this very place, so its `prev` is the leaf's old value. */
  readonly isExact: boolean;
}

interface Note<Patch> {
  readonly patch: Patch;
  readonly op: Op;
  /** Notes of the values below that other patches wrote. A list once an item was inserted or removed. */
  below: Map<string, Note<Patch>> | (Note<Patch> | undefined)[] | undefined;
}

export class ContextBlame<Patch> {
  #holder: Holder = holderOf(null);
  #root: Note<Patch> | undefined;

  /** Applies a recorded patch and takes ownership of the values of `ops`. */
  apply(patch: Patch, ops: readonly Op[]): void {
    for (const op of ops) this.#apply(patch, op);
  }

  /** Whether the document exists and equals `value`: a run of a chain then carried it on without a change. */
  holds(value: Json): boolean {
    return this.#root !== undefined && equalJson(this.#holder[''], value);
  }

  /** Forgets the document: a run of the chain begins without one. */
  reset(): void {
    this.#holder = holderOf(null);
    this.#root = undefined;
  }

  /** The leaves at and below the places that the pattern matches, in document order. */
  leaves(pattern: PointerPattern): BlamedLeaf<Patch>[] {
    const leaves: BlamedLeaf<Patch>[] = [];
    if (this.#root !== undefined)
      collect(this.#holder[''], this.#root, { path: '', isExact: true }, pattern, 0, leaves);
    return leaves;
  }

  #apply(patch: Patch, op: Op): void {
    if (op.op === 'test') return void applyOp(this.#holder, op);
    if (op.op === 'remove') return this.#remove(op);
    if (op.op === 'move') {
      if (op.from === op.path) return;
      const value = valueAt(this.#holder, op.from) as Json;
      this.#remove({ op: 'remove', path: op.from });
      return this.#put(patch, op, { op: 'add', path: op.path, value });
    }
    this.#put(patch, op, op);
  }

  /** `op` is noted, `step` is applied. */
  #put(patch: Patch, op: Op, step: Exclude<Op, { op: 'remove' }>): void {
    applyOp(this.#holder, step, undefined, asItIs);
    const note: Note<Patch> = { patch, op, below: undefined };
    if (step.path === '') {
      this.#root = note;
      return;
    }
    const place = this.#place(step.path);
    if (place === undefined) return;
    const { above, parent, token } = place;
    if (!Array.isArray(parent)) return void mapOf(above).set(token, note);
    const index = token === '-' ? parent.length - 1 : indexOfToken(token);
    const isInserted = step.op !== 'replace';
    const items = listOf(above, parent.length - (isInserted ? 1 : 0));
    items.splice(index, isInserted ? 0 : 1, note);
  }

  #remove(op: Op): void {
    applyOp(this.#holder, op);
    const place = this.#place(op.path);
    if (place === undefined) return;
    const { above, parent, token } = place;
    if (Array.isArray(parent)) listOf(above, parent.length + 1).splice(indexOfToken(token), 1);
    else mapOf(above).delete(token);
  }

  /** The note of the object or list that holds `path`, made on the way where there is none, and that value itself. */
  #place(path: string): { above: Note<Patch>; parent: Value | undefined; token: string } | undefined {
    const tokens = parsePointer(path);
    const token = tokens.pop() as string;
    let above = this.#root;
    if (above === undefined) return undefined;
    let parent: Value | undefined = this.#holder[''];
    for (const each of tokens) {
      above = noteBelow(above, each, parent);
      parent = memberOf(parent, each);
    }
    return { above, parent, token };
  }
}

function memberOf(value: Value | undefined, token: string): Value | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return value[indexOfToken(token)];
  return Object.hasOwn(value, token) ? value[token] : undefined;
}

function mapOf<Patch>(note: Note<Patch>): Map<string, Note<Patch>> {
  if (!(note.below instanceof Map)) note.below = new Map();
  return note.below;
}

function listOf<Patch>(note: Note<Patch>, length: number): (Note<Patch> | undefined)[] {
  if (!Array.isArray(note.below)) note.below = Array.from({ length }, () => undefined);
  return note.below;
}

/** A note of its own for a value that was written together with the value above it. */
function noteBelow<Patch>(above: Note<Patch>, token: string, parent: Value | undefined): Note<Patch> {
  const own = noteAt(above, token);
  if (own !== undefined) return own;
  const note: Note<Patch> = { patch: above.patch, op: above.op, below: undefined };
  if (Array.isArray(parent)) listOf(above, parent.length)[indexOfToken(token)] = note;
  else mapOf(above).set(token, note);
  return note;
}

function noteAt<Patch>({ below }: Note<Patch>, token: string): Note<Patch> | undefined {
  return Array.isArray(below) ? below[indexOfToken(token)] : below?.get(token);
}

interface Place {
  readonly path: string;
  readonly isExact: boolean;
}

function collect<Patch>(
  value: Value,
  note: Note<Patch>,
  { path, isExact }: Place,
  pattern: PointerPattern,
  depth: number,
  leaves: BlamedLeaf<Patch>[],
): void {
  const isContainer = typeof value === 'object' && value !== null;
  const keys = !isContainer ? [] : Array.isArray(value) ? [...value.keys()].map(String) : Object.keys(value);
  if (keys.length === 0) {
    if (depth >= pattern.length) leaves.push({ path, value, patch: note.patch, op: note.op, isExact });
    return;
  }
  const wanted = pattern[depth];
  const shown = wanted === undefined || wanted === anyToken ? keys : keys.filter((key) => key === wanted);
  // The notes below belong to this container alone, so values without a note inherit only its author.
  const inherited = note.below === undefined ? note : { ...note, below: undefined };
  for (const key of shown) {
    const own = noteAt(note, key);
    const place = { path: `${path}/${escapeToken(key)}`, isExact: own !== undefined && own.op !== note.op };
    collect(memberOf(value, key) as Value, own ?? inherited, place, pattern, depth + 1, leaves);
  }
}
