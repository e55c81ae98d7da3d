// A loop over many items with limited concurrency. `fn` runs for each item on replay too; only outcomes of its
// activities come from the history.
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { currentRun } from '../run/current-run.ts';
import { currentItem, ItemScope, runInItem } from './item-scope.ts';

export interface ForEachOptions<T> {
  /**
   * Names an item. Activities that `fn` calls for the item get ids made of the key (`type:key`, then `type:key#2`). The
   * key must be unique in the loop.
   */
  readonly key?: (item: T, index: number) => string | number;
  /** Maximum number of items at a time. Default 16. */
  readonly concurrency?: number;
}

const defaultConcurrency = 16;

/**
 * Resolves when `fn` has resolved for all items. After the first error no further item begins; running items are
 * awaited, then the error is thrown.
 * @throws INVALID_INPUT for a duplicate key (before any item begins) and for a concurrency that is not a positive
 * integer
 */
export async function forEach<T>(
  items: Iterable<T>,
  fn: (item: T, index: number) => unknown,
  options: ForEachOptions<T> = {},
): Promise<void> {
  currentRun('forEach');
  const { concurrency = defaultConcurrency } = options;
  if (concurrency !== Number.POSITIVE_INFINITY && !(Number.isInteger(concurrency) && concurrency > 0)) {
    throw new RuntimeError('INVALID_INPUT', `forEach got concurrency ${concurrency}, expected a positive integer.`);
  }
  const list = [...items];
  const keys = options.key === undefined ? undefined : uniqueKeys(list, options.key);
  const outer = currentItem();
  let next = 0;
  let failed: { readonly error: unknown } | undefined;

  async function work(): Promise<void> {
    while (next < list.length && failed === undefined) {
      const index = next++;
      const key = keys?.[index];
      const call = (): unknown => fn(list[index] as T, index);
      try {
        await (key === undefined ? call() : runInItem(new ItemScope(key, outer), call));
      } catch (error) {
        failed ??= { error };
      }
    }
  }

  await Promise.all(Array.from({ length: Math.min(concurrency, list.length) }, work));
  if (failed !== undefined) throw failed.error;
}

function uniqueKeys<T>(list: readonly T[], key: (item: T, index: number) => string | number): string[] {
  const seen = new Map<string, number>();
  return list.map((item, index) => {
    const text = String(key(item, index));
    const first = seen.get(text);
    if (first !== undefined) {
      throw new RuntimeError(
        'INVALID_INPUT',
        `forEach got the key '${text}' twice, for items ${first} and ${index}. Keys must be unique in a loop.`,
      );
    }
    seen.set(text, index);
    return text;
  });
}
