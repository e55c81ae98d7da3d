// The context of one run: a private JSON document, a read-only view of it, and the two ways to write it. A write
// returns the RFC 6902 operations to log and is atomic: the whole document changes at once, or nothing does. No I/O.
import { type InputOp, lowerOp, readOp } from './context-input.ts';
import { prevOf } from './context-prev.ts';
import { ContextRecorder } from './context-recorder.ts';
import { viewOf } from './context-view.ts';
import { cloneJson, copyJson, describeValue, type Json, JsonFault, type Value } from '../json/json.ts';
import { rollBack, type Undo } from '../json/json-edit.ts';
import { applyAll, applyOp, asItIs, type Holder, holderOf, refusal } from '../json/json-patch.ts';
import type { Op } from '../json/operation.ts';
import { IllegalStateError, RuntimeError } from '../failure/runtime-error.ts';

// Handles lists explicitly: as mapped types, recursive types such as Json would not terminate.
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

/** Inspects a document after `made` was applied. Throws to undo the change. */
export type Check = (made: readonly Op[], document: ContextDocument) => void;

export class ContextDocument<T extends object = { readonly [key: string]: Json }> {
  readonly #holder: Holder;
  #writing = false;
  /** Set while `rehearse` runs: the steps that undo all its patches. */
  #rehearsal: Undo | undefined;

  /**
   * Copies `initial`. `null`: no document yet; the next patch creates it.
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

  /** A live view that shows every later write. Writing to it throws READ_ONLY. */
  get state(): DeepReadonly<T> {
    return viewOf(this.#holder['']) as DeepReadonly<T>;
  }

  /**
   * Checks and applies all of `ops` or none. Returns the operations to log, in RFC 6902 and with `prev`. These share
   * nothing with `ops` or the document. The result is empty when nothing changes (`delete` of an absent value). Calls
   * `check` with the changed document. If `check` throws, the change is undone.
   * @throws CONTEXT_PATCH_INVALID
   */
  apply(ops: readonly InputOp[], check?: Check): Op[] {
    if (!Array.isArray(ops)) {
      const fault = new JsonFault(null, describeValue(ops), 'a list of operations');
      throw new RuntimeError('CONTEXT_PATCH_INVALID', `Context patch: ${fault.message}.`, { cause: fault });
    }
    // Reading the user's objects may run getters, so it ends before the first write.
    const inputs = eachOp(ops, readOp);
    return this.#atomic(
      (undo) => eachOp(inputs, (input) => lowerOp(this.#holder, input).map((op) => this.#applyOne(op, undo))).flat(),
      check,
    );
  }

  /**
   * Applies operations from the log and takes ownership of their values. The operations are not checked first: if one
   * cannot be applied, the document is left half patched.
   */
  applyRecorded(ops: readonly Op[]): void {
    applyAll(this.#holder, ops, asItIs);
  }

  /**
   * Runs `change` on a draft of the document. Then applies the changes of the draft, or replaces the document by the
   * value that `change` returned. Returns the operations to log. The document does not change while `change` runs, nor
   * when `change` or `check` throws.
   * @throws CONTEXT_PATCH_INVALID for values that JSON cannot hold, and when `change` returns a promise
   */
  record(change: (draft: Mutable<T>) => unknown, check?: Check): Op[] {
    return this.#atomic((undo) => this.changesOf(change).ops.map((op) => this.#applyOne(op, undo)), check);
  }

  /**
   * The operations that `record` would apply, and whether `change` wrote anything at all. Applies nothing.
   * @throws as `record` does
   */
  changesOf(change: (draft: Mutable<T>) => unknown): { readonly ops: Op[]; readonly hasChanged: boolean } {
    const recorder = new ContextRecorder();
    try {
      const ops = recorder.record(this.#holder[''], change as (draft: unknown) => unknown);
      return { ops, hasChanged: recorder.hasChanged };
    } catch (cause) {
      if (!(cause instanceof JsonFault)) throw cause;
      throw new RuntimeError('CONTEXT_PATCH_INVALID', `Context update: ${cause.message}. The update was not applied.`, {
        cause,
      });
    }
  }

  /** Undoes every patch that `work` applies, so that the document is as it was, the order of its members included. */
  rehearse<R>(work: () => R): R {
    const undo: Undo = [];
    this.#rehearsal = undo;
    try {
      return work();
    } finally {
      this.#rehearsal = undefined;
      rollBack(undo);
    }
  }

  /** Inside `rehearse`: undoes the patches of `work` already when it throws. */
  rehearseAll<R>(work: () => R): R {
    const before = this.#rehearsal;
    const undo: Undo = [];
    this.#rehearsal = undo;
    try {
      const result = work();
      for (const step of undo) before?.push(step);
      return result;
    } catch (error) {
      rollBack(undo);
      throw error;
    } finally {
      this.#rehearsal = before;
    }
  }

  get text(): string {
    return JSON.stringify(this.#holder['']);
  }

  /** A copy that belongs to the caller. */
  snapshot(): Json {
    return cloneJson(this.#holder['']);
  }

  #atomic(work: (undo: Undo) => Op[], check: Check | undefined): Op[] {
    if (this.#writing) {
      throw new IllegalStateError('The context was patched inside update(). Write to the draft there instead.');
    }
    const rehearsal = this.#rehearsal;
    const undo: Undo = [];
    if (rehearsal !== undefined) undo.keepsOrder = true;
    this.#writing = true;
    try {
      const made = work(undo);
      if (made.length > 0) check?.(made, this as unknown as ContextDocument);
      if (rehearsal !== undefined) for (const step of undo) rehearsal.push(step);
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
      throw refusal(cause, index, op, 'The patch was not applied.');
    }
  });
}

function withPrev(op: Op, old: Value | undefined): Op {
  const { confidence, ...bare } = op;
  const prev = old === undefined ? undefined : prevOf(old);
  return { ...bare, ...(prev === undefined ? {} : { prev }), ...(confidence === undefined ? {} : { confidence }) };
}
