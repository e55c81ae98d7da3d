// Sends items in batches and retries each until it is sent or refused. During an outage, the items wait. An item that
// the receiver refuses does not delay the others of its batch. The sender decides what an item is and which errors are
// refusals.
import { setTimeout } from 'node:timers/promises';
import { type BatchLimits, Batcher, type BatchSender } from './batcher.ts';

export interface RetryingSender<T> {
  /** Sends one batch. Returns items to send again, because another session's lock blocks them. */
  send(items: readonly T[]): Promise<readonly T[]>;
  /** True when one item's fault prevented the whole batch. */
  isRefusal(error: unknown): boolean;
  refused(item: T, error: unknown): void;
  /** The batch may not have been sent. It is retried. */
  failed(error: unknown): void;
  /** The batcher was closed before the item was sent. */
  dropped?(item: T): void;
  sizeOf?(item: T): number;
}

const lockedMs = 5;
const outageMs = 100;

export class RetryingBatcher<T> implements BatchSender<T> {
  readonly #sender: RetryingSender<T>;
  readonly #batcher: Batcher<T>;
  #isClosed = false;

  constructor(sender: RetryingSender<T>, limits: BatchLimits) {
    this.#sender = sender;
    this.#batcher = new Batcher<T>(this, limits);
  }

  add(item: T): void {
    if (this.#isClosed) this.#sender.dropped?.(item);
    else this.#batcher.add(item);
  }

  close(): void {
    this.#isClosed = true;
    for (const item of this.#batcher.close()) this.#sender.dropped?.(item);
  }

  sizeOf(item: T): number {
    return this.#sender.sizeOf?.(item) ?? 0;
  }

  async send(batch: readonly T[]): Promise<readonly T[]> {
    const again = await this.#send(batch);
    if (this.#isClosed) for (const item of again) this.#sender.dropped?.(item);
    return again;
  }

  async #send(batch: readonly T[]): Promise<readonly T[]> {
    try {
      const locked = await this.#sender.send(batch);
      if (locked.length > 0) await setTimeout(lockedMs);
      return locked;
    } catch (error) {
      if (this.#isClosed) return batch;
      if (!this.#sender.isRefusal(error)) {
        this.#sender.failed(error);
        await setTimeout(outageMs);
        return batch;
      }
      if (batch.length === 1) {
        this.#sender.refused(batch[0]!, error);
        return [];
      }
      const again: T[] = [];
      for (const item of batch) again.push(...(await this.#send([item])));
      return again;
    }
  }
}
