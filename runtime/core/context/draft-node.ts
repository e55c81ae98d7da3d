// One drafted object or list of a document: the base class of both kinds. A draft is a proxy over the document's own
// object; its handler, the node, keeps what the user changed beside it. Nothing here writes the document.
import type { Op } from '../json/operation.ts';
import { escapeToken, JsonFault, type List, type Members, type Value } from '../json/json.ts';
import { RuntimeError } from '../failure/runtime-error.ts';

/** What a node asks of the recorder that all nodes of one update share. */
export interface Drafts {
  /** A scalar as it is; an object or list as its draft, the same one each time. */
  draftOf(value: Value, parent: DraftNode, key: string | number): unknown;
  /** The draft of `value` if it has one, else `value`. */
  seenAs(value: Value | undefined): unknown;
  /** @throws READ_ONLY once the update is over */
  assertOpen(): void;
  /** To be called before each write. @throws READ_ONLY */
  noteChange(node: DraftNode): void;
}

export abstract class DraftNode<Base extends Members | List = Members | List> {
  readonly draft: Base;
  protected readonly base: Base;
  protected readonly drafts: Drafts;
  readonly #parent: DraftNode | undefined;
  /** Where `base` stands in the base of the parent. */
  readonly #key: string | number;

  constructor(drafts: Drafts, base: Base, parent: DraftNode | undefined, key: string | number) {
    this.drafts = drafts;
    this.base = base;
    this.#parent = parent;
    this.#key = key;
    this.draft = new Proxy(base, this);
  }

  /** Where `base` stands in the document that the operations made so far lead to; undefined when it was taken out. */
  get path(): string | undefined {
    if (this.#parent === undefined) return '';
    const token = this.#parent.placeOf(this.#key);
    const above = token === undefined ? undefined : this.#parent.path;
    return above === undefined ? undefined : `${above}/${escapeToken(String(token))}`;
  }

  /** Where the child that is at `key` of `base` stands now; undefined when it is no longer in its place. */
  abstract placeOf(key: string | number): string | number | undefined;

  /** The changes of this node alone, as operations on `base` at `path`. @throws JsonFault */
  abstract operations(path: string): Op[];

  /** Forgets the changes: `base` has them now, or is not to have them. */
  abstract settle(): void;

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
    throw new RuntimeError('CONTEXT_PATCH_INVALID', `Context update: ${cause.message}. The write did not take place.`, {
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
