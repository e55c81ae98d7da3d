// The item of a keyed `forEach` in which code runs. Activities that the code schedules get ids made of the item's key,
// so that the ids do not depend on the order in which items proceed.
import { FlowValue } from '../run/flow-value.ts';

export class ItemScope {
  readonly #key: string;
  readonly #calls = new Map<string, number>();

  /** `outer`: the enclosing item, when loops are nested. */
  constructor(key: string, outer: ItemScope | undefined) {
    this.#key = outer === undefined ? key : `${outer.#key}/${key}`;
  }

  /** `type:key`, with `#n` for the n-th call of that type in this item. Skips ids in `open`. */
  activityId(type: string, open: ReadonlySet<string>): string {
    let call = this.#calls.get(type) ?? 0;
    let id: string;
    do {
      call += 1;
      id = call === 1 ? `${type}:${this.#key}` : `${type}:${this.#key}#${call}`;
    } while (open.has(id));
    this.#calls.set(type, call);
    return id;
  }
}

const flow = new FlowValue<ItemScope>();

export function currentItem(): ItemScope | undefined {
  return flow.get();
}

export function runInItem<R>(item: ItemScope, fn: () => R): R {
  return flow.run(item, fn);
}
