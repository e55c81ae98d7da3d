// Finds for each item of one run the item of another run that corresponds to it. Pure.
import type { RunItem } from './run-items.ts';

export type Difference = 'input' | 'outcome' | 'result';

/** `missing`: only the first run has the item. `extra`: only the second run has it. */
export type PairVerdict = 'same' | 'differs' | 'missing' | 'extra';

export interface ItemPair {
  readonly verdict: PairVerdict;
  readonly differences: readonly Difference[];
  readonly a: RunItem | undefined;
  readonly b: RunItem | undefined;
}

/**
 * Pairs items in three passes: by the id that the caller gave, then by name and input, then by name alone; each in the
 * order of the logs. The order of different items does not count, because it may depend on which activity was faster.
 * Timers have no name, so they correspond by order.
 */
export function alignItems(a: readonly RunItem[], b: readonly RunItem[]): ItemPair[] {
  const partners = new Map<RunItem, RunItem>();
  for (const key of [byId, byInput, byName]) {
    const waiting = new Map<string, Queue<RunItem>>();
    const taken = new Set(partners.values());
    for (const item of b) if (!taken.has(item)) enqueue(waiting, key(item), item);
    for (const item of a) {
      if (partners.has(item)) continue;
      const text = key(item);
      const partner = text === undefined ? undefined : waiting.get(text)?.next();
      if (partner !== undefined) partners.set(item, partner);
    }
  }
  return inOrder(a, b, partners);
}

type Key = (item: RunItem) => string | undefined;
const byId: Key = ({ kind, id, name }) => (id === undefined ? undefined : JSON.stringify([kind, name, id]));
const byInput: Key = ({ kind, name, input }) => (kind === 'timer' ? undefined : JSON.stringify([kind, name, input]));
const byName: Key = ({ kind, name }) => JSON.stringify([kind, name]);

class Queue<T> {
  readonly #items: T[] = [];
  #read = 0;
  add(item: T): void {
    this.#items.push(item);
  }
  next(): T | undefined {
    return this.#items[this.#read++];
  }
}

function enqueue(queues: Map<string, Queue<RunItem>>, key: string | undefined, item: RunItem): void {
  if (key === undefined) return;
  let queue = queues.get(key);
  if (queue === undefined) queues.set(key, (queue = new Queue()));
  queue.add(item);
}

/** In the order of the first run. An extra item follows the item that it follows in the second run. */
function inOrder(a: readonly RunItem[], b: readonly RunItem[], partners: ReadonlyMap<RunItem, RunItem>): ItemPair[] {
  const partnerOf = new Map([...partners].map(([item, partner]) => [partner, item]));
  const extras = new Map<RunItem | undefined, RunItem[]>();
  let before: RunItem | undefined;
  for (const item of b) {
    const partner = partnerOf.get(item);
    if (partner !== undefined) before = partner;
    else if (extras.get(before)?.push(item) === undefined) extras.set(before, [item]);
  }
  const extrasAfter = (item: RunItem | undefined): ItemPair[] =>
    (extras.get(item) ?? []).map((extra) => ({ verdict: 'extra', differences: [], a: undefined, b: extra }));
  return [...extrasAfter(undefined), ...a.flatMap((item) => [pairOf(item, partners.get(item)), ...extrasAfter(item)])];
}

function pairOf(a: RunItem, b: RunItem | undefined): ItemPair {
  if (b === undefined) return { verdict: 'missing', differences: [], a, b };
  const differences = (['input', 'outcome', 'result'] as const).filter((part) => a[part] !== b[part]);
  return { verdict: differences.length === 0 ? 'same' : 'differs', differences, a, b };
}
