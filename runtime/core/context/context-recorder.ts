// The draft that update() hands out: proxies over the document itself, which write it and note each write as an
// RFC 6902 operation while it happens. Values are copied in, so the draft never shares anything with its user.
// What was taken out of the document (pop, delete) can still be read and written; writing it is noted nowhere.
import { copyAt } from './context-input.ts';
import type { Op } from './context-patch.ts';
import { prevOf } from './context-prev.ts';
import {
  cloneJson,
  describeValue,
  escapeToken,
  indexOfToken,
  type Json,
  JsonFault,
  type List,
  type Members,
  type Value,
} from '../json/json.ts';
import {
  insertItem,
  removeItem,
  removeMember,
  reorderItems,
  setItem,
  setMember,
  type Undo,
} from '../json/json-edit.ts';
import type { Holder } from '../json/json-patch.ts';
import { RuntimeError } from '../failure/runtime-error.ts';

/** An object or list that has a draft: where it was last seen. Items move, so `key` of an item is only a first guess. */
interface Place {
  readonly draft: object;
  readonly parent: Members | List;
  key: string | number;
}

type ListMethod = (list: List, args: readonly unknown[]) => unknown;

export class ContextRecorder {
  readonly ops: Op[] = [];
  readonly draft: Value;
  readonly #holder: Holder;
  readonly #undo: Undo;
  readonly #places = new Map<object, Place>();
  readonly #originals = new WeakMap<object, Members | List>();
  #writable = true;

  /** Each write adds a step to `undo`. */
  constructor(holder: Holder, undo: Undo) {
    this.#holder = holder;
    this.#undo = undo;
    this.draft = this.#draftOf(holder, '');
  }

  /** Ends the recording: what escaped of the draft can be read but not written. */
  close(): void {
    this.#writable = false;
  }

  readonly #handler: ProxyHandler<Members | List> = {
    get: (target, key) => {
      if (Array.isArray(target) && typeof key === 'string') {
        const method = this.#listMethods.get(key);
        if (method !== undefined) return (...args: readonly unknown[]) => method(target, args);
      }
      return Object.hasOwn(target, key) ? this.#draftOf(target, key as string) : Reflect.get(target, key);
    },
    getOwnPropertyDescriptor: (target, key) => {
      const descriptor = Reflect.getOwnPropertyDescriptor(target, key);
      if (descriptor === undefined || descriptor.configurable === false) return descriptor;
      return { ...descriptor, value: this.#draftOf(target, key as string) };
    },
    set: (target, key, value) => {
      this.#write(() => this.#assign(target, key, value));
      return true;
    },
    deleteProperty: (target, key) => {
      this.#write(() => this.#delete(target, key));
      return true;
    },
    defineProperty: (target) => this.#refuse(target, 'a property definition', 'an assignment'),
    preventExtensions: (target) => this.#refuse(target, 'a freeze', 'an assignment'),
    setPrototypeOf: (target) => this.#refuse(target, 'a new prototype', 'an assignment'),
  };

  readonly #listMethods: ReadonlyMap<string, ListMethod> = new Map(
    Object.entries<ListMethod>({
      push: (list, items) => {
        this.#write(() => {
          const path = this.#pathOf(list);
          for (const item of this.#copies(list, list.length, items)) {
            insertItem(list, list.length, cloneJson(item), this.#undo);
            this.#note(path, (at) => ({ op: 'add', path: `${at}/-`, value: item }));
          }
        });
        return list.length;
      },
      pop: (list) => this.#cut(list, list.length - 1, Math.min(1, list.length))[0],
      shift: (list) => this.#cut(list, 0, Math.min(1, list.length))[0],
      unshift: (list, items) => {
        this.#splice(list, 0, 0, items);
        return list.length;
      },
      splice: (list, args) => {
        const start = clampIndex(args[0], list.length);
        const rest = list.length - start;
        const count =
          args.length === 0 ? 0 : args.length === 1 ? rest : Math.min(Math.max(toInteger(args[1]), 0), rest);
        return this.#splice(list, start, count, args.slice(2));
      },
      sort: (list, [compare]) =>
        this.#reorder(list, (items) => items.sort(compare as ((a: unknown, b: unknown) => number) | undefined)),
      reverse: (list) => this.#reorder(list, (items) => items.reverse()),
    }),
  );

  #draftOf(parent: Members | List, key: string | number): Value {
    const original = (parent as Members)[key];
    if (typeof original !== 'object' || original === null) return original as Value;
    const known = this.#places.get(original);
    if (known !== undefined) return known.draft as Value;
    const draft = new Proxy(original, this.#handler);
    this.#places.set(original, { draft, parent, key });
    this.#originals.set(draft, original);
    return draft;
  }

  /** Where `node` stands now; undefined once it was taken out of the document. */
  #pathOf(node: Members | List): string | undefined {
    if (node === this.#holder['']) return '';
    const place = this.#places.get(node);
    if (place === undefined) return undefined;
    const { parent } = place;
    if (Array.isArray(parent)) {
      if (parent[Number(place.key)] !== node) place.key = parent.indexOf(node);
      if (place.key === -1) return undefined;
    } else if (!Object.hasOwn(parent, place.key) || parent[place.key] !== node) {
      return undefined;
    }
    const above = this.#pathOf(parent);
    return above === undefined ? undefined : `${above}/${escapeToken(String(place.key))}`;
  }

  #write<R>(write: () => R): R {
    if (!this.#writable) {
      throw new RuntimeError(
        'READ_ONLY',
        'A draft of update() was written when it was not open; write it inside update().',
      );
    }
    try {
      return write();
    } catch (cause) {
      if (!(cause instanceof JsonFault)) throw cause;
      throw new RuntimeError(
        'CONTEXT_PATCH_INVALID',
        `Context update, after ${this.ops.length} operations: ${cause.message}. The write did not take place.`,
        { cause },
      );
    }
  }

  #refuse(target: Members | List, found: string, expected: string): never {
    return this.#write(() => {
      throw new JsonFault(this.#pathOf(target) ?? null, found, expected);
    });
  }

  #note(path: string | undefined, op: (path: string) => Op, old?: Value): void {
    if (path === undefined) return;
    const prev = old === undefined ? undefined : prevOf(old);
    this.ops.push(prev === undefined ? op(path) : { ...op(path), prev });
  }

  #copy(value: unknown, parent: Members | List, key: string | number): Value {
    return copyAt(value, `${this.#pathOf(parent) ?? ''}/${escapeToken(String(key))}`);
  }

  #copies(list: List, start: number, values: readonly unknown[]): Value[] {
    return values.map((value, index) => this.#copy(value, list, start + index));
  }

  #assign(target: Members | List, key: string | symbol, value: unknown): void {
    if (typeof key === 'symbol') return this.#refuse(target, `the key ${String(key)}`, 'a text key');
    if (Array.isArray(target) && key === 'length') return this.#truncate(target, value);
    const own = Object.hasOwn(target, key) ? (target as Members)[key] : undefined;
    // Writing what is there already is no change.
    if (own !== undefined && (own === value || own === this.#originals.get(value as object))) return;
    if (Array.isArray(target)) return this.#assignItem(target, key, value);
    const copy = this.#copy(value, target, key);
    const path = this.#pathOf(target);
    const old = setMember(target, key, cloneJson(copy), this.#undo);
    const op = old === undefined ? 'add' : 'replace';
    this.#note(path, (at) => ({ op, path: `${at}/${escapeToken(key)}`, value: copy }), old);
  }

  #assignItem(list: List, key: string, value: unknown): void {
    const index = indexOfToken(key);
    if (index < 0 || index > list.length) {
      return this.#refuse(
        list,
        `the key ${JSON.stringify(key)} for a list of ${list.length}`,
        `an index from 0 to ${list.length}`,
      );
    }
    this.#splice(list, index, Math.min(1, list.length - index), [value]);
  }

  #truncate(list: List, length: unknown): void {
    if (typeof length !== 'number' || indexOfToken(String(length)) < 0 || length > list.length) {
      return this.#refuse(
        list,
        `the length ${describeValue(length)} for a list of ${list.length}`,
        'a length that leaves no hole',
      );
    }
    this.#cut(list, length, list.length - length);
  }

  #delete(target: Members | List, key: string | symbol): void {
    if (typeof key === 'symbol' || !Object.hasOwn(target, key)) return;
    if (Array.isArray(target)) return this.#refuse(target, 'the deletion of an item', 'splice(), which leaves no hole');
    const path = this.#pathOf(target);
    const old = removeMember(target, key, this.#undo);
    this.#note(path, (at) => ({ op: 'remove', path: `${at}/${escapeToken(key)}` }), old);
  }

  #cut(list: List, start: number, count: number): unknown[] {
    return this.#splice(list, start, count, []);
  }

  /** Array.prototype.splice: replaces as long as old and new items pair up, then removes or adds the rest. */
  #splice(list: List, start: number, count: number, values: readonly unknown[]): unknown[] {
    const removed = list.slice(start, start + count).map((_, index) => this.#draftOf(list, start + index));
    this.#write(() => {
      const copies = this.#copies(list, start, values);
      const path = this.#pathOf(list);
      const paired = Math.min(count, copies.length);
      for (let index = start + count - 1; index >= start + paired; index -= 1) {
        const old = removeItem(list, index, this.#undo);
        this.#note(path, (at) => ({ op: 'remove', path: `${at}/${index}` }), old);
      }
      for (const [offset, value] of copies.entries()) {
        const index = start + offset;
        if (offset < paired) {
          const old = setItem(list, index, cloneJson(value), this.#undo);
          this.#note(path, (at) => ({ op: 'replace', path: `${at}/${index}`, value }), old);
        } else {
          insertItem(list, index, cloneJson(value), this.#undo);
          this.#note(path, (at) => ({ op: 'add', path: `${at}/${index}`, value }));
        }
      }
    });
    return removed;
  }

  /** Noted as one `replace` of the list: a permutation has no shorter form. Items keep their drafts. */
  #reorder(list: List, order: (items: Value[]) => Value[]): Value {
    this.#write(() => {
      const path = this.#pathOf(list);
      const prev: Json | undefined = prevOf(list);
      this.#writable = false;
      let items: Value[];
      try {
        items = order(list.map((_, index) => this.#draftOf(list, index)));
      } finally {
        this.#writable = true;
      }
      const originals = items.map((item) => this.#originals.get(item as object) ?? item);
      if (originals.every((item, index) => item === list[index])) return;
      reorderItems(list, originals, this.#undo);
      this.#note(path, (at) => ({
        op: 'replace',
        path: at,
        value: cloneJson(list),
        ...(prev === undefined ? {} : { prev }),
      }));
    });
    return this.#places.get(list)?.draft as Value;
  }
}

function toInteger(value: unknown): number {
  const number = Math.trunc(Number(value));
  return Number.isNaN(number) ? 0 : number;
}

function clampIndex(value: unknown, length: number): number {
  const index = toInteger(value);
  return index < 0 ? Math.max(index + length, 0) : Math.min(index, length);
}
