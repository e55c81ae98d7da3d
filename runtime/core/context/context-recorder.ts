// Records what update() did to a document, as RFC 6902 operations. While the update runs, its drafts keep the changes
// beside the document. When it returns, the changed drafts that are still part of the document become operations.
// Inserted values are read only then, in their final state. Never writes the document.
import { copyAt } from './context-input.ts';
import type { Op } from '../json/operation.ts';
import { DraftList } from './draft-list.ts';
import { DraftMembers } from './draft-members.ts';
import type { DraftNode, Drafts } from './draft-node.ts';
import { describeValue, JsonFault, type Value } from '../json/json.ts';
import { RuntimeError } from '../failure/runtime-error.ts';

export class ContextRecorder implements Drafts {
  readonly #nodes = new Map<object, DraftNode>();
  /** In the order of their first change. */
  readonly #changed = new Set<DraftNode>();
  #isOpen = true;

  /** True after any write, even if a later write reverted it. */
  get hasChanged(): boolean {
    return this.#changed.size > 0;
  }

  /**
   * Runs `change` on a draft of `document`. Returns the operations that make the same changes to `document`, or that
   * replace it by the value that `change` returned. The operations share nothing with `document`. Apply them before any
   * other write.
   * @throws JsonFault, CONTEXT_PATCH_INVALID
   */
  record(document: Value, change: (draft: unknown) => unknown): Op[] {
    const draft = this.draftOf(document, undefined, '');
    let ops: Op[] | undefined;
    try {
      const returned = change(draft);
      this.#isOpen = false;
      refusePromise(returned);
      ops = returned === undefined || returned === draft ? this.#operations() : [this.#replacement(returned)];
      return ops;
    } finally {
      this.#isOpen = false;
      if (ops === undefined) for (const node of this.#changed) node.discard();
    }
  }

  draftOf(value: Value, parent: DraftNode | undefined, key: string | number): unknown {
    if (typeof value !== 'object' || value === null) return value;
    let node = this.#nodes.get(value);
    if (node === undefined) {
      node = Array.isArray(value)
        ? new DraftList(this, value, parent, key)
        : new DraftMembers(this, value, parent, key);
      this.#nodes.set(value, node);
    }
    return node.draft;
  }

  draftOrValue(value: Value | undefined): unknown {
    return this.#nodes.get(value as object)?.draft ?? value;
  }

  assertOpen(): void {
    if (this.#isOpen) return;
    throw new RuntimeError(
      'READ_ONLY',
      'A draft of update() was written after update() returned. Write it only inside the function that update() calls.',
    );
  }

  noteChange(node: DraftNode): void {
    this.assertOpen();
    this.#changed.add(node);
  }

  #operations(): Op[] {
    const ops: Op[] = [];
    const inPlace: DraftNode[] = [];
    for (const node of this.#changed) {
      const { path } = node;
      if (path === undefined) continue;
      ops.push(...node.operations(path));
      inPlace.push(node);
    }
    // The operations now hold these changes. Drafts that are not part of the document keep their changes.
    for (const node of inPlace) node.discard();
    return ops;
  }

  #replacement(returned: unknown): Op {
    if (this.hasChanged) {
      throw new RuntimeError(
        'CONTEXT_PATCH_INVALID',
        'Context update: the function both changed its draft and returned a value (a new document). ' +
          'Do one of the two: put braces around the function body, or do not write the draft. Nothing was changed.',
      );
    }
    const value = copyAt(returned, '');
    if (typeof value !== 'object' || value === null) {
      throw new JsonFault('', describeValue(value), 'an object or a list');
    }
    return { op: 'replace', path: '', value };
  }
}

function refusePromise(result: unknown): void {
  if (typeof result !== 'object' || result === null) return;
  const { then } = result as { then?: unknown };
  if (typeof then !== 'function') return;
  // The promise rejects when its code later writes to the closed draft. The caller gets the error below instead.
  then.call(
    result,
    () => undefined,
    () => undefined,
  );
  throw new RuntimeError(
    'CONTEXT_PATCH_INVALID',
    'Context update: the function returned a promise, but an update is synchronous. Await first, then update.',
  );
}
