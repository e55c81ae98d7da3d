// The draft of a list: overwritten items, and ranges of the base that other items replace. The cost of an update grows
// with its touched items and splices, not with the length of the list.
import { copyAt } from './context-input.ts';
import type { Op } from '../json/operation.ts';
import { DraftNode, memberDescriptor } from './draft-node.ts';
import { describeValue, indexOfToken, type List } from '../json/json.ts';

/** `values` replace `removed` items of the base, from index `at`. */
interface Splice {
  readonly at: number;
  readonly removed: number;
  readonly values: unknown[];
}

/** A list may have holes while an update runs. More holes than this indicate a mistake in the program. */
const holesMax = 10_000;

type ListMethod = (list: DraftList, args: readonly unknown[]) => unknown;

export class DraftList extends DraftNode<List> implements ProxyHandler<List> {
  #length = this.base.length;
  /** By index of the base. */
  #items = new Map<number, unknown>();
  /** Ordered. Splices neither overlap nor touch. */
  #splices: Splice[] = [];
  #wasSorted = false;
  /** True once the operations are made. From then on, a child's place refers to the new list. */
  #isPlaced = false;

  // Only the methods for which Array.prototype would move every item one by one.
  static readonly #methods: ReadonlyMap<string, ListMethod> = new Map<string, ListMethod>([
    ['shift', (list) => list.#splice(0, Math.min(1, list.#length), [])[0]],
    [
      'unshift',
      (list, items) => {
        list.#splice(0, 0, items);
        return list.#length;
      },
    ],
    [
      'splice',
      (list, args) => {
        const start = clampIndex(args[0], list.#length);
        const rest = list.#length - start;
        const count =
          args.length === 0 ? 0 : args.length === 1 ? rest : Math.min(Math.max(toInteger(args[1]), 0), rest);
        return list.#splice(start, count, args.slice(2));
      },
    ],
  ]);

  get(_: List, key: string | symbol): unknown {
    if (typeof key === 'symbol') return this.inherited(key);
    if (key === 'length') return this.#length;
    const index = indexOfToken(key);
    if (index >= 0) return index < this.#length ? this.#item(index) : undefined;
    if (key === 'sort' || key === 'reverse') this.#wasSorted = true;
    const method = DraftList.#methods.get(key);
    return method === undefined ? this.inherited(key) : (...args: readonly unknown[]) => method(this, args);
  }

  has(_: List, key: string | symbol): boolean {
    return this.#isIndex(key) || key in Array.prototype;
  }

  getOwnPropertyDescriptor(_: List, key: string | symbol): PropertyDescriptor | undefined {
    if (key === 'length') return { value: this.#length, writable: true, enumerable: false, configurable: false };
    return this.#isIndex(key) ? memberDescriptor(this.#item(Number(key))) : undefined;
  }

  ownKeys(): string[] {
    return [...Array.from({ length: this.#length }, (_, index) => String(index)), 'length'];
  }

  set(_: List, key: string | symbol, value: unknown): boolean {
    if (key === 'length') this.#setLength(value);
    else this.#setItem(typeof key === 'symbol' ? -1 : indexOfToken(key), key, value);
    return true;
  }

  /** Leaves a hole, which must be gone when the update ends: `pop` deletes first and then shortens. */
  deleteProperty(_: List, key: string | symbol): boolean {
    if (this.#isIndex(key)) this.#setItem(Number(key), key, undefined);
    return true;
  }

  placeOf(key: string | number): string | number | undefined {
    const index = Number(key);
    if (this.#isRewritten || this.#items.has(index)) return undefined;
    let shift = 0;
    for (const { at, removed, values } of this.#splices) {
      if (index < at) break;
      if (index < at + removed) return undefined;
      shift += values.length - removed;
    }
    return this.#isPlaced ? index + shift : index;
  }

  operations(path: string): Op[] {
    if (this.#isRewritten) return [{ op: 'replace', path, value: copyAt(this.draft, path) }];
    const ops = [...this.#items].flatMap(([index, value]) => this.#replacement(path, index, value, this.base[index]));
    let shift = 0;
    for (const { at, removed, values } of this.#splices) {
      const start = at + shift;
      const paired = Math.min(removed, values.length);
      for (let offset = removed - 1; offset >= paired; offset -= 1) {
        ops.push({ op: 'remove', path: `${path}/${start + offset}` });
      }
      for (let offset = 0; offset < paired; offset += 1) {
        ops.push(...this.#replacement(path, start + offset, values[offset], this.base[at + offset]));
      }
      for (let offset = paired; offset < values.length; offset += 1) {
        const place = `${path}/${start + offset}`;
        const isEnd = at + removed === this.base.length;
        ops.push({ op: 'add', path: isEnd ? `${path}/-` : place, value: copyAt(values[offset], place) });
      }
      shift += values.length - removed;
    }
    this.#isPlaced = true;
    return ops;
  }

  discard(): void {
    this.#items = new Map();
    this.#splices = [];
    this.#length = this.base.length;
    this.#wasSorted = false;
  }

  /** True when the list was sorted or reversed and most items changed: one operation then writes the whole list. */
  get #isRewritten(): boolean {
    return this.#wasSorted && this.#items.size > 1 && this.#items.size * 2 > this.base.length;
  }

  #replacement(path: string, index: number, value: unknown, before: unknown): Op[] {
    const copy = copyAt(value, `${path}/${index}`);
    return copy === before ? [] : [{ op: 'replace', path: `${path}/${index}`, value: copy }];
  }

  #isIndex(key: string | symbol): key is string {
    if (typeof key === 'symbol') return false;
    const index = indexOfToken(key);
    return index >= 0 && index < this.#length;
  }

  #item(index: number): unknown {
    let shift = 0;
    for (const { at, removed, values } of this.#splices) {
      const start = at + shift;
      if (index < start) break;
      if (index < start + values.length) return values[index - start];
      shift += values.length - removed;
    }
    const place = index - shift;
    return this.#items.has(place) ? this.#items.get(place) : this.drafts.draftOf(this.base[place]!, this, place);
  }

  #setItem(index: number, key: string | symbol, value: unknown): void {
    if (index >= this.#length) {
      this.#setLength(index);
      this.#splice(this.#length, 0, [value]);
      return;
    }
    if (index < 0) this.refuse(`the key ${describeKey(key)} for a list of ${this.#length}`, 'an index');
    if (this.#item(index) === value) return;
    this.drafts.noteChange(this);
    let shift = 0;
    for (const { at, removed, values } of this.#splices) {
      const start = at + shift;
      if (index < start) break;
      if (index < start + values.length) {
        values[index - start] = value;
        return;
      }
      shift += values.length - removed;
    }
    const place = index - shift;
    if (this.drafts.draftOrValue(this.base[place]) === value) this.#items.delete(place);
    else this.#items.set(place, value);
  }

  #setLength(length: unknown): void {
    const more = typeof length === 'number' && Number.isInteger(length) ? length - this.#length : NaN;
    if (!(more <= holesMax) || Number(length) < 0) {
      this.refuse(
        `the length ${describeValue(length)} for a list of ${this.#length}`,
        `a length that leaves at most ${holesMax} holes`,
      );
    }
    if (more < 0) this.#splice(this.#length + more, -more, []);
    if (more > 0) this.#splice(this.#length, 0, new Array(more).fill(undefined));
  }

  /** Array.prototype.splice with arguments in bounds. Joins the splices that it touches. */
  #splice(start: number, count: number, values: readonly unknown[]): unknown[] {
    const taken = Array.from({ length: count }, (_, offset) => this.#item(start + offset));
    if (count === values.length && taken.every((item, offset) => item === values[offset])) return taken;
    this.drafts.noteChange(this);
    const end = start + count;
    let first = 0;
    let before = 0;
    for (; first < this.#splices.length; first += 1) {
      const { at, removed, values: held } = this.#splices[first]!;
      if (at + before + held.length >= start) break;
      before += held.length - removed;
    }
    let last = first;
    let after = before;
    for (; last < this.#splices.length; last += 1) {
      const { at, removed, values: held } = this.#splices[last]!;
      if (at + after > end) break;
      after += held.length - removed;
    }
    const joined = join(this.#splices.slice(first, last), { start, end, before, after }, values);
    const isNothing = joined.removed === 0 && joined.values.length === 0;
    this.#splices.splice(first, last - first, ...(isNothing ? [] : [joined]));
    for (const index of this.#items.keys()) {
      if (index >= joined.at && index < joined.at + joined.removed) this.#items.delete(index);
    }
    this.#length += values.length - count;
    return taken;
  }
}

/** Items from `start` to `end` of the list. To map a list index to a base index, subtract `before` or `after`. */
interface Range {
  readonly start: number;
  readonly end: number;
  /** For indices before the touched splices. */
  readonly before: number;
  /** For indices behind them. */
  readonly after: number;
}

/** Replaces the `touched` splices and the range by one splice with `values`. Reuses the first splice's values. */
function join(touched: readonly Splice[], { start, end, before, after }: Range, values: readonly unknown[]): Splice {
  const head = touched[0];
  const tail = touched.at(-1);
  if (head === undefined || tail === undefined) {
    return { at: start - before, removed: end - start, values: [...values] };
  }
  const at = Math.min(head.at, start - before);
  const behind = Math.max(tail.at + tail.removed, end - after);
  const tailEnd = tail.at + tail.removed + after;
  const keptOfHead = Math.min(Math.max(start - head.at - before, 0), head.values.length);
  const keptOfTail = Math.min(Math.max(tailEnd - end, 0), tail.values.length);
  if (head === tail) {
    head.values.splice(keptOfHead, head.values.length - keptOfHead - keptOfTail, ...values);
    return { at, removed: behind - at, values: head.values };
  }
  const rest = tail.values.slice(tail.values.length - keptOfTail);
  return { at, removed: behind - at, values: [...head.values.slice(0, keptOfHead), ...values, ...rest] };
}

function describeKey(key: string | symbol): string {
  return typeof key === 'symbol' ? String(key) : JSON.stringify(key);
}

function toInteger(value: unknown): number {
  const number = Math.trunc(Number(value));
  return Number.isNaN(number) ? 0 : number;
}

function clampIndex(value: unknown, length: number): number {
  const index = toInteger(value);
  return index < 0 ? Math.max(index + length, 0) : Math.min(index, length);
}
