// The context of one run: a private JSON document, a read-only view of it, and the two ways of writing it. Writing
// returns the RFC 6902 operations to log; the document changes at once and as a whole, or not at all. No I/O.
import { type InputOp, lowerOp, readOp } from './context-input.ts';
import { prevOf } from './context-prev.ts';
import { ContextRecorder } from './context-recorder.ts';
import { viewOf } from './context-view.ts';
import { cloneJson, copyJson, describeValue, type Json, JsonFault, type Value } from '../json/json.ts';
import { rollBack, type Undo } from '../json/json-edit.ts';
import { applyAll, applyOp, asItIs, type Holder, holderOf, refusal } from '../json/json-patch.ts';
import type { Op } from '../json/operation.ts';
import { IllegalStateError, RuntimeError } from '../failure/runtime-error.ts';

// Lists of any length are spelled out: as mapped types, recursive ones such as Json would have no end.
export type Mutable<T> = T extends readonly unknown[]
  ? number extends T['length']
    ? Mutable<T[number]>[]
    : { -readonly [Key in keyof T]: Mutable<T[Key]> }
  : T extends object
    ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
    : T;

export type DeepReadonly<T> = T extends readonly unknown[]
  ? number extends T['length']
    ? readonly DeepReadonly<T[number]>[]
    : { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** Looks at a document that `made` has just changed, and throws to have it changed back. */
export type Check = (made: readonly Op[], document: ContextDocument) => void;

/** The document after `ops`; `document` stays as it is. @throws CONTEXT_PATCH_INVALID */
export function foldOps(document: Json, ops: readonly Op[]): Json {
  const holder = holderOf(document);
  applyAll(holder, ops);
  return holder[''];
}

export class ContextDocument<T extends object = { readonly [key: string]: Json }> {
  readonly #holder: Holder;
  #writing = false;

  /**
   * Takes a copy of `initial`. `null` is a document that is not there yet: the patch that attaches it comes next.
   * @throws CONTEXT_PATCH_INVALID when JSON cannot hold it
   */
  constructor(initial: unknown) {
    try {
      this.#holder = holderOf(copyJson(initial));
      if (initial !== null) this.#assertContainer();
    } catch (cause) {
      if (!(cause instanceof JsonFault)) throw cause;
      throw new RuntimeError('CONTEXT_PATCH_INVALID', `Initial context: ${cause.message}.`, { cause });
    }
  }

  /** Live: shows every later write. Throws READ_ONLY when it is written. */
  get state(): DeepReadonly<T> {
    return viewOf(this.#holder['']) as DeepReadonly<T>;
  }

  /**
   * Checks and applies `ops`, all or none; returns what is to be logged, in RFC 6902 and with `prev`, sharing nothing
   * with `ops` or the document. Empty when there is nothing to change (`delete` of what is absent). When `check`, which
   * is called with the document changed, throws, nothing was.
   * @throws CONTEXT_PATCH_INVALID
   */
  apply(ops: readonly InputOp[], check?: Check): Op[] {
    if (!Array.isArray(ops)) {
      const fault = new JsonFault(null, describeValue(ops), 'a list of operations');
      throw new RuntimeError('CONTEXT_PATCH_INVALID', `Context patch: ${fault.message}.`, { cause: fault });
    }
    // All reading of what the user handed in, which may run getters, comes before the first write.
    const inputs = eachOp(ops, readOp);
    return this.#atomic(
      (undo) => eachOp(inputs, (input) => lowerOp(this.#holder, input).map((op) => this.#applyOne(op, undo))).flat(),
      check,
    );
  }

  /**
   * Folds operations that were logged, and keeps their values: the caller must not. They are trusted: should one not fit,
   * the document is left half patched.
   */
  applyRecorded(ops: readonly Op[]): void {
    applyAll(this.#holder, ops, asItIs);
  }

  /**
   * Runs `change` on a draft of the document, then applies what it did, or puts in the document's place what it returned;
   * returns the operations, to be logged. The document is as it was while `change` runs, and stays so when `change`
   * throws, or `check` after it.
   * @throws CONTEXT_PATCH_INVALID for values that JSON cannot hold, and when `change` returns a promise
   */
  record(change: (draft: Mutable<T>) => unknown, check?: Check): Op[] {
    return this.#atomic((undo) => this.changesOf(change).ops.map((op) => this.#applyOne(op, undo)), check);
  }

  /** What `record` would apply, and whether `change` wrote anything at all. Applies nothing. @throws as `record` does */
  changesOf(change: (draft: Mutable<T>) => unknown): { readonly ops: Op[]; readonly hasChanged: boolean } {
    const recorder = new ContextRecorder();
    try {
      const ops = recorder.record(this.#holder[''], change as (draft: unknown) => unknown);
      return { ops, hasChanged: recorder.hasChanged };
    } catch (cause) {
      if (!(cause instanceof JsonFault)) throw cause;
      throw new RuntimeError(
        'CONTEXT_PATCH_INVALID',
        `Context update: ${cause.message}. Nothing of the update was applied.`,
        { cause },
      );
    }
  }

  /** A copy that is the caller's. */
  snapshot(): Json {
    return cloneJson(this.#holder['']);
  }

  #atomic(work: (undo: Undo) => Op[], check: Check | undefined): Op[] {
    if (this.#writing) {
      throw new IllegalStateError('The context was patched inside its own update(); write to the draft there.');
    }
    const undo: Undo = [];
    this.#writing = true;
    try {
      const made = work(undo);
      if (made.length > 0) check?.(made, this as unknown as ContextDocument);
      return made;
    } catch (error) {
      rollBack(undo);
      throw error;
    } finally {
      this.#writing = false;
    }
  }

  #applyOne(op: Op, undo: Undo): Op {
    const old = applyOp(this.#holder, op, undo);
    if (op.path === '') this.#assertContainer();
    return withPrev(op, old);
  }

  #assertContainer(): void {
    const root = this.#holder[''];
    if (typeof root !== 'object' || root === null) throw new JsonFault('', describeValue(root), 'an object or a list');
  }
}

function eachOp<I, R>(ops: readonly I[], work: (op: I) => R): R[] {
  return Array.from(ops, (op, index) => {
    try {
      return work(op);
    } catch (cause) {
      throw refusal(cause, index, op, 'Nothing of the patch was applied.');
    }
  });
}

function withPrev(op: Op, old: Value | undefined): Op {
  const { confidence, ...bare } = op;
  const prev = old === undefined ? undefined : prevOf(old);
  return { ...bare, ...(prev === undefined ? {} : { prev }), ...(confidence === undefined ? {} : { confidence }) };
}
