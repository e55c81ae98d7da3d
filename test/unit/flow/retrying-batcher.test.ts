// Batches of items that are retried until each item is sent or refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RetryingBatcher, type RetryingSender } from '../../../runtime/flow/retrying-batcher.ts';

/** Treats each item as `fate` says. */
class Recorder implements RetryingSender<string> {
  readonly batches: string[][] = [];
  readonly log: string[] = [];
  readonly #fate: (item: string) => 'sent' | 'locked' | 'refused' | 'outage';
  readonly done = Promise.withResolvers<void>();
  #left: number;

  constructor(items: number, fate: (item: string) => 'sent' | 'locked' | 'refused' | 'outage') {
    this.#left = items;
    this.#fate = fate;
  }

  async send(items: readonly string[]): Promise<readonly string[]> {
    this.batches.push([...items]);
    const fates = items.map((item) => this.#fate(item));
    for (const bad of ['outage', 'refused'] as const) if (fates.includes(bad)) throw new Error(bad);
    for (const fate of fates) if (fate === 'sent') this.#settle();
    return items.filter((_, i) => fates[i] === 'locked');
  }

  isRefusal(error: unknown): boolean {
    return (error as Error).message === 'refused';
  }

  refused(item: string): void {
    this.log.push(`refused ${item}`);
    this.#settle();
  }

  failed(error: unknown): void {
    this.log.push((error as Error).message);
  }

  dropped(item: string): void {
    this.log.push(`dropped ${item}`);
    this.#settle();
  }

  #settle(): void {
    if (--this.#left === 0) this.done.resolve();
  }
}

test('a refused item does not delay the others of its batch', async () => {
  const sender = new Recorder(3, (item) => (item === 'b' ? 'refused' : 'sent'));
  const batcher = new RetryingBatcher(sender, {});
  for (const item of ['a', 'b', 'c']) batcher.add(item);
  await sender.done.promise;
  assert.deepEqual(sender.batches, [['a', 'b', 'c'], ['a'], ['b'], ['c']]);
  assert.deepEqual(sender.log, ['refused b']);
});

test('a locked item is sent again, and so is a batch after an outage', async () => {
  let sends = 0;
  const sender = new Recorder(1, () => (['locked', 'outage', 'sent'] as const)[sends++]!);
  new RetryingBatcher(sender, {}).add('a');
  await sender.done.promise;
  assert.deepEqual(sender.batches, [['a'], ['a'], ['a']]);
  assert.deepEqual(sender.log, ['outage']);
});

test('a closed batcher drops items that it has not sent', async () => {
  const sender = new Recorder(3, () => 'locked');
  const batcher = new RetryingBatcher(sender, { itemsMax: 1 });
  batcher.add('under way');
  batcher.add('waits');
  await new Promise((resolve) => setImmediate(resolve));
  batcher.close();
  batcher.add('late');
  await sender.done.promise;
  assert.deepEqual(sender.log, ['dropped waits', 'dropped late', 'dropped under way']);
});
