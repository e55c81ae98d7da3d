// This process's estimate of the database's clock, so that turns need not ask the database for the time. Each heartbeat
// measures the offset. The measurement with the shortest recent round trip counts, because it is the most exact.
import type { Micros } from '../../core/log/event.ts';

const samplesKept = 16;

export class DatabaseClock {
  #samples: { offset: number; roundTrip: number }[] = [];
  #offset = 0;

  /** Local time in µs since 1970, which never goes back while the process lives. */
  static local(): number {
    return (performance.timeOrigin + performance.now()) * 1000;
  }

  /**
   * Adds a reading of the database's clock. `sent` and `received`: local times (µs) of the request and of its answer.
   */
  observe(databaseTime: Micros, sent: number, received: number): void {
    this.#samples.push({ offset: databaseTime - (sent + received) / 2, roundTrip: received - sent });
    if (this.#samples.length > samplesKept) this.#samples.shift();
    let best = this.#samples[0]!;
    for (const sample of this.#samples) if (sample.roundTrip < best.roundTrip) best = sample;
    this.#offset = best.offset;
  }

  now(): Micros {
    return Math.floor(DatabaseClock.local() + this.#offset);
  }

  /** Milliseconds until `due`: at least 0, and at most what one timer can hold. */
  delayMs(due: Micros): number {
    return Math.min(Math.max(0, Math.ceil((due - this.now()) / 1000)), 2_147_483_647);
  }
}
