// Sends items in batches: items that arrive while a batch is in flight go out with the next one. Never waits for more
// items, so on an idle system a single item goes out at once. Keeps no results: each item holds what its owner waits
// for.
import { InFlight } from './in-flight.ts';

export interface BatchSender<T> {
  /**
   * Sends one batch and settles each of its items. The next batch may start once the returned promise resolves. That
   * promise must not reject. It resolves to the items to send again, which queue behind the waiting items.
   */
  send(items: readonly T[]): Promise<readonly T[] | void>;
  /** Size of an item, counted towards `bytesMax`. */
  sizeOf?(item: T): number;
}

export interface BatchLimits {
  /** Maximum number of batches in flight. Default 1. */
  readonly inFlightMax?: number;
  readonly itemsMax?: number;
  /** Maximum size of a batch. A larger item goes out alone. */
  readonly bytesMax?: number;
  /**
   * When more items than this wait, they are divided among all batches that may start now. By default, the first batch
   * takes as many items as its limits allow.
   */
  readonly shareMin?: number;
}

export class Batcher<T> {
  readonly #sender: BatchSender<T>;
  readonly #limits: Required<BatchLimits>;
  /** A set: a waiting item is not sent twice. */
  readonly #waiting = new Set<T>();
  readonly #inFlight = new InFlight();
  #scheduled = false;
  #closed = false;

  constructor(sender: BatchSender<T>, limits: BatchLimits = {}) {
    this.#sender = sender;
    this.#limits = { inFlightMax: 1, itemsMax: Infinity, bytesMax: Infinity, shareMin: Infinity, ...limits };
  }

  /** Sends the item together with all others added in this macrotask. */
  add(item: T): void {
    this.put(item);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.pump();
    });
  }

  /** Adds the item without sending. Its owner calls `pump` once all items that belong together are added. */
  put(item: T): void {
    if (!this.#closed) this.#waiting.add(item);
  }

  /** Sends waiting items, as far as the limits allow. */
  pump(): void {
    while (this.#waiting.size > 0 && this.#inFlight.count < this.#limits.inFlightMax) void this.#send(this.#take());
  }

  get isIdle(): boolean {
    return this.#waiting.size === 0 && this.#inFlight.count === 0;
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async drained(): Promise<void> {
    this.pump();
    while (!this.isIdle) await this.#inFlight.below(1);
  }

  /** Stops sending and ignores later items. Returns the items that still waited. */
  close(): T[] {
    this.#closed = true;
    const left = [...this.#waiting];
    this.#waiting.clear();
    return left;
  }

  #take(): T[] {
    const { inFlightMax, itemsMax, bytesMax, shareMin } = this.#limits;
    const share = Math.ceil(this.#waiting.size / (inFlightMax - this.#inFlight.count));
    const most = Math.min(Math.max(share, shareMin), itemsMax);
    const batch: T[] = [];
    let bytes = 0;
    for (const item of this.#waiting) {
      bytes += this.#sender.sizeOf?.(item) ?? 0;
      if (batch.length > 0 && (bytes > bytesMax || batch.length >= most)) break;
      batch.push(item);
    }
    for (const item of batch) this.#waiting.delete(item);
    return batch;
  }

  async #send(batch: readonly T[]): Promise<void> {
    this.#inFlight.enter();
    const again = await this.#sender.send(batch);
    for (const item of again ?? []) this.put(item);
    this.#inFlight.leave();
    this.pump();
  }
}
