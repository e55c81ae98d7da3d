// The draft of an object: assigned and deleted members by key. The cost of an update grows with the touched keys only.
import { copyAt } from './context-input.ts';
import type { Op } from '../json/operation.ts';
import { DraftNode, memberDescriptor } from './draft-node.ts';
import { escapeToken, type Members, prototypeKey } from '../json/json.ts';

const absent = Symbol('absent');

interface Change {
  /** `absent` after a deletion. */
  readonly value: unknown;
  /** The base's member was deleted. If it was assigned again later, it is now the last member. */
  readonly isRemoved: boolean;
}

export class DraftMembers extends DraftNode<Members> implements ProxyHandler<Members> {
  /** In the order in which keys were added. */
  #changes = new Map<string, Change>();

  get(_: Members, key: string | symbol): unknown {
    const value = this.#read(key);
    return value === absent ? this.inherited(key) : value;
  }

  has(_: Members, key: string | symbol): boolean {
    return this.#read(key) !== absent || key in Object.prototype;
  }

  getOwnPropertyDescriptor(_: Members, key: string | symbol): PropertyDescriptor | undefined {
    const value = this.#read(key);
    return value === absent ? undefined : memberDescriptor(value);
  }

  ownKeys(): (string | symbol)[] {
    if (this.#changes.size === 0) return Reflect.ownKeys(this.base);
    // A plain object puts the keys in the order that every object has: indices first.
    const keys = Object.create(null) as Record<string, true>;
    for (const key of Object.keys(this.base)) {
      if (this.#changes.get(key)?.isRemoved !== true) keys[key] = true;
    }
    for (const [key, { value }] of this.#changes) if (value !== absent) keys[key] = true;
    return Reflect.ownKeys(keys);
  }

  set(_: Members, key: string | symbol, value: unknown): boolean {
    if (typeof key === 'symbol') return this.refuse(`the key ${String(key)}`, 'a text key');
    if (key === prototypeKey) return this.refuse(`the key ${prototypeKey}`, 'another key');
    const before = this.#read(key);
    if (before === value) return true;
    this.drafts.noteChange(this);
    const isRemoved = this.#changes.get(key)?.isRemoved === true;
    if (before === absent) this.#changes.delete(key);
    if (!isRemoved && this.#isBaseValue(key, value)) this.#changes.delete(key);
    else this.#changes.set(key, { value, isRemoved });
    return true;
  }

  deleteProperty(_: Members, key: string | symbol): boolean {
    if (typeof key === 'symbol' || this.#read(key) === absent) return true;
    this.drafts.noteChange(this);
    this.#changes.delete(key);
    if (Object.hasOwn(this.base, key)) this.#changes.set(key, { value: absent, isRemoved: true });
    return true;
  }

  placeOf(key: string | number): string | number | undefined {
    return this.#changes.has(String(key)) ? undefined : key;
  }

  operations(path: string): Op[] {
    const ops: Op[] = [];
    for (const [key, { value, isRemoved }] of this.#changes) {
      const at = `${path}/${escapeToken(key)}`;
      if (isRemoved) ops.push({ op: 'remove', path: at });
      if (value === absent) continue;
      const copy = copyAt(value, at);
      if (isRemoved || !Object.hasOwn(this.base, key)) ops.push({ op: 'add', path: at, value: copy });
      else if (copy !== this.base[key]) ops.push({ op: 'replace', path: at, value: copy });
    }
    return ops;
  }

  discard(): void {
    this.#changes = new Map();
  }

  #read(key: string | symbol): unknown {
    if (typeof key === 'symbol') return absent;
    const change = this.#changes.get(key);
    if (change !== undefined) return change.value;
    return Object.hasOwn(this.base, key) ? this.drafts.draftOf(this.base[key]!, this, key) : absent;
  }

  #isBaseValue(key: string, value: unknown): boolean {
    return Object.hasOwn(this.base, key) && this.drafts.draftOrValue(this.base[key]) === value;
  }
}
