// A drafted object or list of a document: the base class of both. A draft is a proxy over the document's own object;
// the proxy's handler, the node, holds the user's changes. Never writes the document.
import type { Op } from '../json/operation.ts';
import { escapeToken, JsonFault, type List, type Members, type Value } from '../json/json.ts';
import { RuntimeError } from '../failure/runtime-error.ts';

/** The part of the recorder that nodes use. All nodes of one update share the recorder. */
export interface Drafts {
  /** Scalars are returned as they are. Each object or list has one draft, which is always the same object. */
  draftOf(value: Value, parent: DraftNode, key: string | number): unknown;
  /** The draft of `value` if it has one, else `value`. */
  draftOrValue(value: Value | undefined): unknown;
  /** @throws READ_ONLY after the update ended */
  assertOpen(): void;
  /** Call before each write. @throws READ_ONLY */
  noteChange(node: DraftNode): void;
}

export abstract class DraftNode<Base extends Members | List = Members | List> {
  readonly draft: Base;
  protected readonly base: Base;
  protected readonly drafts: Drafts;
  readonly #parent: DraftNode | undefined;
  /** Key or index of `base` in the parent's base. */
  readonly #key: string | number;

  constructor(drafts: Drafts, base: Base, parent: DraftNode | undefined, key: string | number) {
    this.drafts = drafts;
    this.base = base;
    this.#parent = parent;
    this.#key = key;
    this.draft = new Proxy(base, this);
  }

  /** JSON Pointer of `base` in the document after the operations so far; undefined when `base` was removed. */
  get path(): string | undefined {
    if (this.#parent === undefined) return '';
    const token = this.#parent.placeOf(this.#key);
    const above = token === undefined ? undefined : this.#parent.path;
    return above === undefined ? undefined : `${above}/${escapeToken(String(token))}`;
  }

  /** Current key or index of the child that `base` has at `key`; undefined when the child was moved or removed. */
  abstract placeOf(key: string | number): string | number | undefined;

  /** The changes of this node alone, as operations on `base` at `path`. @throws JsonFault */
  abstract operations(path: string): Op[];

  /** Discards the recorded changes. */
  abstract discard(): void;

  defineProperty(): never {
    return this.refuse('a property definition', 'an assignment');
  }

  preventExtensions(): never {
    return this.refuse('a freeze', 'an assignment');
  }

  setPrototypeOf(): never {
    return this.refuse('a new prototype', 'an assignment');
  }

  protected refuse(found: string, expected: string): never {
    this.drafts.assertOpen();
    const cause = new JsonFault(this.path ?? null, found, expected);
    throw new RuntimeError('CONTEXT_PATCH_INVALID', `Context update: ${cause.message}. The write was not applied.`, {
      cause,
    });
  }

  protected inherited(key: string | symbol): unknown {
    return Reflect.get(Object.getPrototypeOf(this.base) ?? {}, key, this.base);
  }
}

export function memberDescriptor(value: unknown): PropertyDescriptor {
  return { value, writable: true, enumerable: true, configurable: true };
}
